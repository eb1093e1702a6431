package work

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
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

func (d *slowDesk) Objects(ctx context.Context, number, from uint64, most int) (*sequencer.Page, error) {
	d.began <- struct{}{}
	<-d.end
	return d.fakeDesk.Objects(ctx, number, from, most)
}

// A prover that asks for objects while his are being read gets none, and keeps nobody
// else from theirs.
func TestObjectsAreReadOncePerProver(t *testing.T) {
	d := &slowDesk{newFakeDesk(t), make(chan struct{}), make(chan struct{})}
	api := newAPI(t, d, nil)
	objects := func(n byte, number hexutil.Uint64) error {
		_, err := api.Objects(context.Background(), number, 0, stampOf(t, *askObjects(uint64(number), 0), key(t, n), time.Now()))
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

// Objects that are larger than an answer can be come in pages.
func TestObjectsComeInPages(t *testing.T) {
	d := newFakeDesk(t)
	d.objects = [3][]byte{[]byte("a block"), {}, []byte("a diff that is longer")}
	api := newAPI(t, d, nil)
	api.page = 10
	block, witness, diff, err := servedBy(t, api).Objects(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, d.objects, [3][]byte{block, witness, diff})
	require.Equal(t, []string{"objects 3", "objects 3 from 10", "objects 3 from 20"}, d.calls)

	_, _, _, err = servedBy(t, api, func(c *ClientConfig) { c.ObjectsBytes = 27 }).Objects(t.Context(), 3)
	require.ErrorIs(t, err, chain.ErrTooLarge)
	require.Len(t, d.calls, 4, "the first page says so")
}

// Pages that do not fit together are of a sequencer that may do better later; nothing is
// taken of what they state.
func TestPagesThatDoNotFit(t *testing.T) {
	page := func(a, b, c uint64, bytes string) ObjectsPage {
		return ObjectsPage{[3]hexutil.Uint64{hexutil.Uint64(a), hexutil.Uint64(b), hexutil.Uint64(c)}, []byte(bytes)}
	}
	for name, c := range map[string]struct {
		pages    []ObjectsPage
		tooLarge bool
	}{
		"empty":        {[]ObjectsPage{page(1, 2, 3, "")}, false},
		"empty later":  {[]ObjectsPage{page(1, 2, 3, "abc"), page(1, 2, 3, "")}, false},
		"too long":     {[]ObjectsPage{page(1, 2, 3, "abcdefg")}, false},
		"other sizes":  {[]ObjectsPage{page(1, 2, 3, "abc"), page(1, 3, 2, "def")}, false},
		"too large":    {[]ObjectsPage{page(50, 51, 0, "a")}, true},
		"overflowing":  {[]ObjectsPage{page(math.MaxUint64, 1, 0, "a")}, true},
		"overflowing2": {[]ObjectsPage{page(100, math.MaxUint64-99, 1, "a")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var o objects
			for i := range c.pages {
				done, err := o.add(&c.pages[i], 100)
				require.False(t, done)
				require.Equal(t, i == len(c.pages)-1, err != nil)
				require.Equal(t, c.tooLarge, errors.Is(err, chain.ErrTooLarge))
			}
			n := 0
			client := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				raw, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "result": c.pages[n]})
				n++
				_, _ = w.Write(raw)
			}, func(c *ClientConfig) { c.ObjectsBytes = 100 })
			_, _, _, err := client.Objects(t.Context(), 3)
			require.Equal(t, c.tooLarge, errors.Is(err, chain.ErrTooLarge))
			require.Equal(t, !c.tooLarge, errors.Is(err, da.ErrTransient))
		})
	}
	whole := page(1, 2, 3, "abcdef")
	var o objects
	done, err := o.add(&whole, 6)
	require.True(t, done)
	require.NoError(t, err)
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
	require.NotZero(t, w.Sequencer.Stats().UnprovenBytes)
	members := []*member{w.join(1), w.join(2)}
	w.move(10)
	for _, m := range members {
		for _, f := range m.Failures() { // of a lease that ran out on a busy machine
			require.ErrorContains(t, f.Err, "not among the unproven ones")
		}
		require.GreaterOrEqual(t, m.Stats().FromSource, uint64(len(lost)))
	}
	before := 0
	w.until("what is proven is not kept", func() bool {
		last := before
		before = w.Sequencer.Stats().UnprovenBytes
		return before < last
	})
}
