package sequencer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/sequencer"
)

// What the layer loses after a block was told is given to provers all the same, for
// want of which the proven head would stand.
func TestObjectsOutliveTheLayer(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	layer := layerOf(t, memory.Settings{})
	w.da = layer
	s := w.open(func(c *sequencer.Config) { c.BlockInterval = 5 * time.Millisecond })
	desk := sequencer.NewDesk(s, sequencer.DeskConfig{})
	stop := running(s.Run)
	w.submit(s, w.load.Lanes(1)[0].Batch(5))
	w.eventually("blocks are published", func() bool { return len(s.Unproven(10)) == 10 })
	for _, u := range s.Unproven(10) {
		p, want := u.Publication, [3]string{}
		for i, o := range []struct {
			kind da.Kind
			id   chain.BlobID
		}{{da.Block, p.Body}, {da.Witness, p.Witness}, {da.Diff, p.Diff}} {
			object, err := da.Get(t.Context(), layer, o.id, da.Want{Kind: o.kind, Block: p.Block})
			require.NoError(t, err)
			want[i] = string(object.Payload)
			require.NoError(t, layer.Lose(o.id, &da.DroppedError{Code: da.DropStale}))
		}
		block, witness, diff, err := desk.Objects(t.Context(), p.Block.Number)
		require.NoError(t, err)
		require.Equal(t, want, [3]string{string(block), string(witness), string(diff)})
	}
	require.NotZero(t, s.Stats().UnprovenBytes)
	prover := running(w.prover().Run)
	defer prover()
	w.eventually("what is not lost is attested", func() bool {
		words := s.Unproven(40)
		return len(words) > 20 && len(words[20].Signers) > 0
	})
	require.Zero(t, s.Heads().Proven.Number, "that prover has no other source")
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}
