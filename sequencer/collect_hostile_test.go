package sequencer

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/signature"
)

// Who signed is only asked, which is dear, if something may come of it.
func TestCheapIsLookedAtFirst(t *testing.T) {
	recovered := 0
	c := newCourt(t, 2, 2, 4, func(cfg *Config) {
		cfg.Recoverer = func(hash common.Hash, sig *[65]byte) (common.Address, error) {
			recovered++
			return signature.PureRecover(hash, sig)
		}
	})
	c.publish(1, 10)
	for n := uint64(1); n <= 9; n++ {
		for key := range c.keys {
			_, err := c.say(key, n, nil)
			require.NoError(t, err)
		}
	}
	require.Equal(t, 18, recovered)
	for _, word := range []struct {
		number uint64
		says   func(*chain.Attestation)
		want   error
	}{{9, nil, nil}, {9, otherChain, ErrNotAllowed}, {5, lie, nil}, {11, nil, chain.ErrNotFound}} {
		_, err := c.say(0, word.number, word.says)
		require.ErrorIs(t, err, word.want)
	}
	require.Equal(t, 18, recovered)
	_, err := c.say(0, 9, lie)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.Equal(t, 19, recovered)
}

// A word counts once for each key and block, whatever it names as its program.
func TestWordsCountOnce(t *testing.T) {
	c := newCourt(t, 2, 2, 256)
	c.publish(1, 1)
	counted := 0
	for i := range 100 {
		v, err := c.say(i%2, 1, func(a *chain.Attestation) { a.Program[1] = byte(i / 3) })
		require.NoError(t, err)
		if v.counts {
			counted++
		}
	}
	require.Equal(t, 2, counted)
	_, _, words := c.carried(1)
	require.Len(t, words, 2)
}

// A key that lies about all blocks leaves room for what others say.
func TestLiarHidesNobody(t *testing.T) {
	const share = evidenceMax / 16
	c := newCourt(t, 16, 16, 256)
	c.publish(1, share+10)
	for n := uint64(1); n <= share+10; n++ {
		_, err := c.say(0, n, lie)
		require.ErrorIs(t, err, chain.ErrMismatch)
	}
	require.Len(t, c.evidence, share)
	v, err := c.say(1, 7, lie)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.NotNil(t, v.evidence)
	require.Len(t, c.evidence, share+1)
}

// What the log has of words comes to the same heads again; words of keys and programs
// that are allowed no more do not count.
func TestWordsAreRecalled(t *testing.T) {
	c := newCourt(t, 3, 2, 256)
	c.publish(1, 3)
	for key, upTo := range []uint64{3, 2, 1} {
		for n := uint64(1); n <= upTo; n++ {
			_, err := c.say(key, n, nil)
			require.NoError(t, err)
		}
	}
	require.Equal(t, uint64(2), c.proven.Number)
	_, _, words := c.carried(3)
	require.Len(t, words, 6)

	for name, test := range map[string]struct {
		change func(*Config)
		proven uint64
	}{
		"as it was":        {func(*Config) {}, 2},
		"a key is revoked": {func(cfg *Config) { cfg.Provers = cfg.Provers[1:] }, 1},
		"other programs":   {func(cfg *Config) { cfg.Programs = []common.Hash{{1}} }, 0},
		"one is enough":    {func(cfg *Config) { cfg.ProverThreshold = 1 }, 3},
	} {
		again := newCourt(t, 3, 2, 256, test.change)
		again.publish(1, 3)
		proven := again.proven
		for i := range words {
			var err error
			proven, err = again.recallWord(&words[i])
			require.NoError(t, err, name)
		}
		require.Equal(t, test.proven, proven.Number, name)
	}
	wrong := truth(1)
	lie(&wrong)
	_, err := c.recallWord(&wrong)
	require.ErrorIs(t, err, chain.ErrCorrupt, "nobody signed it")
}

// A lostTopic has always lost what is asked for.
type lostTopic struct{ asked int }

func (l *lostTopic) Subscribe(context.Context, string, uint64) (func(context.Context) (uint64, []byte, error), error) {
	l.asked++
	return func(context.Context) (uint64, []byte, error) {
		return 0, nil, fmt.Errorf("it is gone: %w", chain.ErrOutOfStep)
	}, nil
}

// A topic that fails for ever is not asked without a pause.
func TestLostTopicIsReadAgainAfterAPause(t *testing.T) {
	topic := new(lostTopic)
	s := &Sequencer{cfg: &Config{Subscriber: topic, Logger: slog.New(slog.DiscardHandler)}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.collect(ctx), context.DeadlineExceeded)
	require.Greater(t, topic.asked, 1)
	require.Less(t, topic.asked, 10)
}
