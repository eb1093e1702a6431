package fullnode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// Bodies of blocks that the feed skipped are of lost blocks, however many: not of blocks
// that are too far ahead to be true.
func TestSkippedBlocksAreLost(t *testing.T) {
	l := newBacklog(1 << 20)
	waiting := &owed{env: &chain.Env{Number: 7}}
	l.add(waiting, &chain.Frame{Number: 7, Last: true}, [32]byte{1}, new(chain.Changes))
	l.seal(waiting, &chain.Header{Number: 7})
	l.skip(&chain.Header{Number: 7 + 5*aheadMax})
	for _, number := range []uint64{8, 7 + 2*aheadMax, 7 + 5*aheadMax} {
		_, known, newest := l.lookUp(MiniID{number, 3})
		require.False(t, known)
		require.False(t, newest.before(MiniID{number, 3}))
	}
	next := &owed{env: &chain.Env{Number: 8 + 5*aheadMax}}
	l.add(next, &chain.Frame{Number: 8 + 5*aheadMax}, [32]byte{2}, new(chain.Changes))
	task, ok := l.task()
	require.True(t, ok)
	require.Same(t, waiting, task.block)
	l.lose(waiting)
	task, ok = l.task()
	require.True(t, ok)
	require.Same(t, next, task.block)
}

// A mini-block that the feed brings while the keeper looks is told, whether or not it
// fills the backlog.
func TestFillingIsNoReasonToGiveUp(t *testing.T) {
	for range 2000 {
		l := newBacklog(0)
		go l.add(&owed{env: new(chain.Env)}, new(chain.Frame), [32]byte{1}, new(chain.Changes))
		task, err := l.next(t.Context())
		require.NoError(t, err)
		require.NotNil(t, task.block)
	}
}
