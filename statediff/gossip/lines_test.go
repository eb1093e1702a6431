package gossip

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A sequencer tells the words of all its provers about a block, in its own name; without
// end nobody speaks about one block.
func TestManyWordsOfOneBlock(t *testing.T) {
	a := newArrivals(attestationsKept, 4<<20)
	word := func(i int) envelope.Opened {
		o := envelope.Opened{Signer: common.Address{1}}
		o.Place, o.Content = chain.HeaderPlace(7), common.Hash{byte(i), byte(i >> 8)}
		return o
	}
	for i := range speechMax {
		require.Equal(t, Taken, a.add(word(i)), "word %d", i)
	}
	require.GreaterOrEqual(t, speechMax, 64, "provers of a chain")
	require.Equal(t, Have, a.add(word(5)))
	require.Equal(t, Unfit, a.add(word(speechMax)))
}
