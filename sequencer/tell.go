package sequencer

import (
	"context"
	"errors"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
)

// tell publishes a message, if anybody follows, and returns its number in the topic.
// A transport that is busy, or takes nothing so large, does not hold up the chain: the
// message is counted and not told, and who follows finds a gap.
func (s *Sequencer) tell(ctx context.Context, topic string, msg []byte) (seq uint64, told bool, err error) {
	if s.cfg.Publisher == nil {
		return 0, true, nil
	}
	seq, err = s.cfg.Publisher.Publish(ctx, topic, msg)
	if err != nil && s.leaveOut(topic, msg, err) {
		return 0, false, nil
	}
	return seq, err == nil, err
}

// leaveOut reports whether err of Publish is about this message alone, and counts it.
func (s *Sequencer) leaveOut(topic string, msg []byte, err error) bool {
	switch {
	case errors.Is(err, chain.ErrTooLarge):
		s.stats.untold.Add(1)
		s.cfg.Logger.Error("a message is not told, now or ever: it is too large", "topic", topic, "bytes", len(msg), "error", err)
	case errors.Is(err, chain.ErrBusy):
		if n := s.stats.untold.Add(1); n&(n-1) == 0 { // 100 a second may follow
			s.cfg.Logger.Warn("a message is not told: transport is busy", "topic", topic, "error", err, "until now", n)
		}
	default:
		return false
	}
	return true
}

// tellWaitMax bounds the time between two tries of tellWhatever.
const tellWaitMax = time.Second

// tellWhatever tells a message that has to come before those after it, and that
// nobody waits for: it tries until the transport takes it, unless it never will.
func (s *Sequencer) tellWhatever(ctx context.Context, topic string, msg []byte) error {
	if s.cfg.Publisher == nil {
		return nil
	}
	for pause := putWaitMin; ; pause = min(2*pause, tellWaitMax) {
		_, err := s.cfg.Publisher.Publish(ctx, topic, msg)
		switch {
		case err == nil:
			return nil
		case !s.leaveOut(topic, msg, err):
			return err
		case errors.Is(err, chain.ErrTooLarge):
			return nil
		}
		if err := sched.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
