package links

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// settle ends the load, lets everybody come to the same block, and checks what must hold
// whatever has happened; see the package comment.
func (w *world) settle() {
	w.Helper()
	began := time.Now()
	w.load.stop()
	total, target := 0, uint64(0)
	for i, c := range w.load.clients {
		require.False(w, c.pending, "client %d: a transaction is never acknowledged: %v", i, c.last)
		total += len(c.receipts)
		for _, r := range c.receipts {
			target = max(target, uint64(r.BlockNumber))
		}
	}
	require.Positive(w, total)
	w.sequencer.reaches("latest", target) // receipts are given before the block is sealed
	for _, n := range w.nodes {
		n.reaches("latest", target)
		w.ready(n)
	}
	w.checkHeads()
	for _, m := range append([]*machine{w.sequencer}, w.nodes...) {
		w.checkAcknowledged(m)
	}
	w.sequencer.reaches("finalized", target)
	w.checkPublications(target)
	w.Logf("%d receipts, none lost; block %d is the same at %d full nodes, published and proven, %s after the load",
		total, target, len(w.nodes), time.Since(began).Round(100*time.Millisecond))
}

// ready waits until a full node says that it is.
func (w *world) ready(m *machine) {
	w.Helper()
	m.await("readiness", func() error {
		answer, err := m.http.Get(url + "/healthz/ready")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			why, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%s: %s", answer.Status, why)
		}
		return nil
	})
}

// checkHeads compares block hash and state root at the highest block that all have.
func (w *world) checkHeads() {
	w.Helper()
	common := w.sequencer.head("latest")
	for _, n := range w.nodes {
		common = min(common, n.head("latest"))
	}
	at := hexutil.EncodeUint64(common)
	want, err := w.sequencer.header(at)
	require.NoError(w, err)
	for _, n := range w.nodes {
		got, err := n.header(at)
		require.NoError(w, err)
		require.Equal(w, want, got, n.name)
	}
}

// checkAcknowledged asks a door for what was acknowledged: the receipt of every
// transaction, and the nonce of every account, which a full node reads in its own state.
func (w *world) checkAcknowledged(m *machine) {
	w.Helper()
	door := m.door("")
	defer door.Close()
	for _, c := range w.load.clients {
		for kept := range slices.Chunk(c.receipts, 500) {
			batch := make([]rpc.BatchElem, len(kept))
			for j := range kept {
				batch[j] = rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{kept[j].TransactionHash}, Result: new(*receipt)}
			}
			w.batch(door, batch)
			for j := range kept {
				now := *batch[j].Result.(**receipt)
				require.NotNil(w, now, "%s: lost: %+v", m.name, kept[j])
				require.Equal(w, kept[j], *now, m.name)
			}
		}
		w.checkNonces(m, door, c)
	}
}

func (w *world) checkNonces(m *machine, door *rpc.Client, c *client) {
	w.Helper()
	var (
		addresses []common.Address
		batch     []rpc.BatchElem
	)
	for a := range c.nonces {
		addresses = append(addresses, a)
		batch = append(batch, rpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{a, "latest"}, Result: new(hexutil.Uint64)})
	}
	for i, part := 0, []rpc.BatchElem(nil); i < len(batch); i += len(part) {
		part = batch[i:min(len(batch), i+500)]
		w.batch(door, part)
	}
	for i, a := range addresses {
		require.EqualValues(w, c.nonces[a], *batch[i].Result.(*hexutil.Uint64), "%s: nonce of %s", m.name, a)
	}
}

func (w *world) batch(door *rpc.Client, batch []rpc.BatchElem) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(w, door.BatchCallContext(ctx, batch))
	for i := range batch {
		require.NoError(w, batch[i].Error)
	}
}

// checkPublications wants 1, 2, 3, ... from the observer, each of the block that is
// on the chain, and the same ids from whoever comes later.
func (w *world) checkPublications(target uint64) {
	w.Helper()
	heard := w.observer.heard(target)
	for i, s := range heard {
		require.EqualValues(w, i+1, s.Number, "publications")
		require.Zero(w, s.Evidence, "contradictions at publication %d", s.Number)
		require.Equal(w, s.Number, publication(w, s).Block.Number)
	}
	w.checkPublished(heard)
	late := w.machine("late observer", atObserver, role(w, "observer", w.invitation, "oldest"))
	again := late.heard(target)
	require.LessOrEqual(w, again[0].Number, target, "the late observer heard of nothing that could be compared")
	for i, s := range again {
		require.Equal(w, again[0].Number+uint64(i), s.Number, "publications heard late")
		if s.Number <= uint64(len(heard)) {
			require.Equal(w, heard[s.Number-1].Message, s.Message, "publication %d, heard late", s.Number)
		}
	}
	late.kill()
}

func publication(t testing.TB, s sighting) (p chain.Publication) {
	t.Helper()
	require.NoError(t, p.UnmarshalBinary(s.Message))
	return p
}

// checkPublished compares the blocks of publications with those on the chain.
func (w *world) checkPublished(heard []sighting) {
	w.Helper()
	door := w.sequencer.door("")
	defer door.Close()
	for part := range slices.Chunk(heard, 500) {
		batch := make([]rpc.BatchElem, len(part))
		for i, s := range part {
			batch[i] = rpc.BatchElem{Method: "eth_getHeaderByNumber", Args: []any{hexutil.Uint64(s.Number)}, Result: new(*header)}
		}
		w.batch(door, batch)
		for i, s := range part {
			got := *batch[i].Result.(**header)
			require.NotNil(w, got, "published block %d is not on the chain", s.Number)
			require.Equal(w, got.Hash, publication(w, s).Block.Hash, "published block %d", s.Number)
		}
	}
}
