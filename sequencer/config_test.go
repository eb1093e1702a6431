package sequencer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer"
)

// A Store of one's own must reach back over all that may wait for publication, and as far
// again while a snapshot is taken; the default one does.
func TestRetainFollowsUnpublishedBlocks(t *testing.T) {
	for unpublished, want := range map[int]int{0: 2 * (64 + 4), 1: 128, 64: 2 * (64 + 4), 1000: 2 * (1000 + 4)} {
		c := sequencer.Config{UnpublishedBlocks: unpublished}
		require.Equal(t, want, c.Retain(), "%d unpublished blocks", unpublished)
	}
}
