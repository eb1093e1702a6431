package sequencer

import (
	"context"
	"errors"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// tell publishes a message, if anybody follows, and returns its number in the topic.
// A transport that is busy does not hold up the chain: the message is counted and not
// told, and who follows finds a gap.
func (s *Sequencer) tell(ctx context.Context, topic string, msg []byte) (seq uint64, told bool, err error) {
	if s.cfg.Publisher == nil {
		return 0, true, nil
	}
	seq, err = s.cfg.Publisher.Publish(ctx, topic, msg)
	if err == nil || !errors.Is(err, chain.ErrBusy) {
		return seq, err == nil, err
	}
	if n := s.stats.untold.Add(1); n&(n-1) == 0 { // 100 a second may follow
		s.cfg.Logger.Warn("a message is not told: transport is busy", "topic", topic, "error", err, "until now", n)
	}
	return 0, false, nil
}

// tellWaitMax bounds the time between two tries of tellWhatever.
const tellWaitMax = time.Second

// tellWhatever tells a message that has to come before those after it, and that
// nobody waits for: it tries until the transport takes it.
func (s *Sequencer) tellWhatever(ctx context.Context, topic string, msg []byte) error {
	for pause := putWaitMin; ; pause = min(2*pause, tellWaitMax) {
		if _, told, err := s.tell(ctx, topic, msg); told || err != nil {
			return err
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
}
