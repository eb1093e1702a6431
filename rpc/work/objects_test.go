package work

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	dalayer "github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/sequencer"
)

// A slowDesk takes its time to read objects.
type slowDesk struct {
	*fakeDesk
	began, end chan struct{}
}

func (d *slowDesk) Allows(common.Address) bool { return true }

func (d *slowDesk) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	d.began <- struct{}{}
	<-d.end
	return d.fakeDesk.Objects(ctx, number)
}

// A prover that asks for objects while his are being read gets none, and keeps nobody
// else from theirs.
func TestObjectsAreReadOncePerProver(t *testing.T) {
	d := &slowDesk{newFakeDesk(t), make(chan struct{}), make(chan struct{})}
	api := newAPI(t, d, nil)
	objects := func(n byte, number hexutil.Uint64) error {
		_, err := api.Objects(context.Background(), number, stampOf(t, ask{method: "objects", number: uint64(number)}, key(t, n), time.Now()))
		return err
	}
	done := make(chan error, 2)
	for _, n := range []byte{1, 2} {
		go func() { done <- objects(n, 3) }()
		<-d.began
	}
	for _, n := range []byte{1, 2} {
		require.Equal(t, codeLimitExceeded, code(objects(n, 4)))
	}
	close(d.end)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	go func() { <-d.began }()
	require.NoError(t, objects(1, 4))
}

// A Client that is asked for objects by several workers asks for one block at a time, and is
// not turned away; who waits for his turn leaves when he is called off.
func TestObjectsAreAskedForInTurn(t *testing.T) {
	d := &slowDesk{newFakeDesk(t), make(chan struct{}, 2), make(chan struct{})}
	c := served(t, d)
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, _, _, err := c.Objects(t.Context(), 3)
			done <- err
		}()
	}
	<-d.began
	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, _, err := c.Objects(impatient, 3)
	close(d.end)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Len(t, d.calls, 2)
}

// The layer loses blocks after they were published: it drops some, and does not find others.
// Provers that ask it first get them from the sequencer, and the proven head goes on.
func TestLayerThatLosesBlocks(t *testing.T) {
	layer, err := dalayer.New(dalayer.Config{Seed: 1})
	require.NoError(t, err)
	w := newFleetWorld(t, 2, 2, func(c *sequencer.Config) { c.DA = layer })
	w.until("blocks are published", func() bool { return len(w.Unproven(4)) == 4 })
	lost := w.Unproven(4)
	for i := range lost {
		p := &lost[i].Publication
		for _, c := range []struct {
			id  chain.BlobID
			why *da.DroppedError
		}{{p.Body, nil}, {p.Witness, &da.DroppedError{Code: da.DropInvalid}}, {p.Diff, nil}}[i%3:] {
			require.NoError(t, layer.Lose(c.id, c.why))
		}
	}
	kept := w.Sequencer.Stats().UnprovenBytes
	require.NotZero(t, kept)
	members := []*member{w.join(1), w.join(2)}
	w.move(10)
	for _, m := range members {
		require.Empty(t, m.Failures())
		require.Equal(t, uint64(len(lost)), m.Stats().FromSource)
	}
	w.until("what is proven is not kept", func() bool { return w.Sequencer.Stats().UnprovenBytes < kept })
}
