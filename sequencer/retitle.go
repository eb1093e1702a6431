package sequencer

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A log without fsync may lose its end, which followers have seen. To go on in the open
// block under the same term would be to say two things about one place. So a sequencer of
// a newer term opens that block anew, in its own term, of which nobody has seen anything:
// the same transactions in the same mini-blocks, but other frames, which take back what
// followers have of the block. A second recordOpen says so. It is all that is written: what
// the log has of the block before it counts, and is told as of the newer term.

// retitled is the terms of the blocks in the log.
type retitled struct {
	envs   map[uint64]*chain.Env // by block, of its newest recordOpen
	newest uint64                // block that was opened
	closed uint64                // newest block whose last frame the log has

	// The newest frame that is told as of a newer term than it was logged in.
	told   chain.Place
	digest common.Hash
}

// scan is the first pass over a recordOpen or recordFrame.
func (t *retitled) scan(kind byte, payload []byte) error {
	if kind == recordOpen {
		env := new(chain.Env)
		if err := env.UnmarshalBinary(payload); err != nil {
			return err
		}
		t.envs[env.Number], t.newest = env, max(t.newest, env.Number)
		return nil
	}
	f := new(chain.Frame)
	if err := f.UnmarshalBinary(payload); err != nil {
		return err
	}
	if f.Last {
		t.closed = max(t.closed, f.Number)
	}
	return nil
}

// retitle opens the block that the log leaves open anew, if Config has a newer term. That
// is durable before anybody hears of it.
func (r *replay) retitle() error {
	t, term := &r.terms, r.s.cfg.Term
	if t.newest <= t.closed || !r.isOpen(t.newest) {
		return nil
	}
	env := *t.envs[t.newest]
	switch was := env.Term(); {
	case term < was:
		return fmt.Errorf("%w: Config.Term is %d, block %d is of %d", chain.ErrOutOfStep, term, env.Number, was)
	case term == was:
		return nil
	}
	env.ExtraData = append(binary.BigEndian.AppendUint64(nil, term), env.ExtraData[min(termSize, len(env.ExtraData)):]...)
	payload, err := env.AppendBinary(nil)
	if err != nil {
		return err
	}
	t.envs[env.Number] = &env
	return r.s.logNow(recordOpen, payload)
}

// termSize is how many bytes of extraData are the term.
const termSize = 8

// retell makes a frame from the log what followers were told: if its block was opened anew
// after it, it is of that term, and follows such frames. raw is f encoded, as it comes
// back. known is false if the log does not begin early enough for that.
func (t *retitled) retell(f *chain.Frame, raw []byte) (told []byte, known bool, err error) {
	env := t.envs[f.Number]
	if env == nil || f.Term >= env.Term() {
		return raw, true, nil
	}
	switch before := (chain.Place{Number: f.Number, Index: f.Index - 1}); {
	case f.Index == 0:
		f.Env = env
	case t.told != before:
		return nil, false, nil
	default:
		f.Parent = t.digest
	}
	f.Term = env.Term()
	if told, err = f.AppendBinary(nil); err != nil {
		return nil, false, err
	}
	t.told, t.digest = f.Place(), chain.Keccak256(told)
	return told, true, nil
}
