package prover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// callHistorian is a transaction that reads BLOCKHASH, in place of the load's next.
func (w *world) callHistorian(t testing.TB) *chain.Tx {
	var (
		next   = w.lane.Next()
		to     = historian
		sender = 0
	)
	for w.load.Address(sender) != next.From {
		sender++
	}
	tx, err := types.SignNewTx(w.load.Key(sender), types.NewPragueSigner(w.config.ChainID), &types.DynamicFeeTx{
		ChainID: w.config.ChainID, Nonce: next.Nonce, Gas: 100_000, To: &to,
		GasFeeCap: uint256.NewInt(2 * params.GWei).ToBig(), GasTipCap: uint256.NewInt(1).ToBig(),
	})
	require.NoError(t, err)
	raw, err := tx.MarshalBinary()
	require.NoError(t, err)
	return chain.NewTx(raw)
}

func verifyBlock(s *sealed, w *world) (*Verified, error) {
	return Verify(context.Background(), w.executor, s.block, s.witness)
}

// deep makes five blocks; the last needs two headers.
func deep(t testing.TB) (*world, []*sealed) {
	w := newWorld(t)
	var out []*sealed
	for range 4 {
		out = append(out, w.seal(t, w.txs(12)))
	}
	return w, append(out, w.seal(t, append(w.txs(12), w.callHistorian(t))))
}

func TestVerify(t *testing.T) {
	w, blocks := deep(t)
	for i, s := range blocks {
		v, err := verifyBlock(s, w)
		require.NoError(t, err)
		require.Equal(t, w.headers[i].StateRoot, v.PreRoot)
		require.Equal(t, s.block.Header.StateRoot, v.PostRoot)
		require.Equal(t, s.block.Header.ReceiptsRoot, v.ReceiptsRoot)
		require.Equal(t, s.changes.Digest(), v.Changes.Digest())
		require.Len(t, v.Result.Receipts, len(s.block.Txs))
	}
	require.Len(t, blocks[4].witness.Headers, 2, "the case is not what it should be")
}

// TestVerifyRefuses damages blocks and witnesses in every way we know.
func TestVerifyRefuses(t *testing.T) {
	w, blocks := deep(t)
	foreign := newWorld(t).seal(t, nil) // for nodes of another state
	for name, c := range map[string]struct {
		damage func(b *chain.Block, x *chain.Witness)
		want   error
		field  string // of a MismatchError
	}{
		"wrong state root":    {func(b *chain.Block, _ *chain.Witness) { b.Header.StateRoot[3] ^= 1 }, chain.ErrMismatch, "stateRoot"},
		"wrong receipts root": {func(b *chain.Block, _ *chain.Witness) { b.Header.ReceiptsRoot[3] ^= 1 }, chain.ErrMismatch, "receiptsRoot"},
		"wrong bloom":         {func(b *chain.Block, _ *chain.Witness) { b.Header.LogsBloom[3] ^= 1 }, chain.ErrMismatch, "logsBloom"},
		"wrong gas":           {func(b *chain.Block, _ *chain.Witness) { b.Header.GasUsed++ }, chain.ErrMismatch, "gasUsed"},
		"wrong blob gas":      {func(b *chain.Block, _ *chain.Witness) { *b.Header.BlobGasUsed++ }, chain.ErrMismatch, "blobGasUsed"},
		"wrong requests":      {func(b *chain.Block, _ *chain.Witness) { b.Header.RequestsHash[3] ^= 1 }, chain.ErrMismatch, "requestsHash"},
		"wrong transactions":  {func(b *chain.Block, _ *chain.Witness) { b.Header.TransactionsRoot[3] ^= 1 }, chain.ErrMismatch, "transactionsRoot"},
		"wrong withdrawals":   {func(b *chain.Block, _ *chain.Witness) { b.Withdrawals[0].Amount++ }, chain.ErrMismatch, "withdrawalsRoot"},
		"wrong ommers":        {func(b *chain.Block, _ *chain.Witness) { b.Header.OmmersHash[3] ^= 1 }, chain.ErrMismatch, "ommersHash"},
		"transaction dropped": {func(b *chain.Block, _ *chain.Witness) { b.Txs = b.Txs[1:] }, chain.ErrMismatch, "transactionsRoot"},
		"time stands still":   {func(b *chain.Block, _ *chain.Witness) { b.Header.Timestamp = w.headers[4].Timestamp }, chain.ErrMismatch, "timestamp"},
		"wrong parent":        {func(b *chain.Block, _ *chain.Witness) { b.Header.ParentHash[3] ^= 1 }, chain.ErrCorrupt, ""},
		"another parent": {func(b *chain.Block, x *chain.Witness) {
			other := *w.headers[4]
			other.StateRoot = w.headers[2].StateRoot
			x.Headers[0], _ = other.AppendBinary(nil)
			b.Header.ParentHash = other.Hash()
		}, chain.ErrUnknown, ""},
		"wrong number":   {func(b *chain.Block, _ *chain.Witness) { b.Header.Number++ }, chain.ErrCorrupt, ""},
		"no parent":      {func(_ *chain.Block, x *chain.Witness) { x.Headers = nil }, chain.ErrUnknown, ""},
		"header missing": {func(_ *chain.Block, x *chain.Witness) { x.Headers = x.Headers[:1] }, chain.ErrUnknown, ""},
		"header extra": {func(_ *chain.Block, x *chain.Witness) {
			raw, _ := w.headers[2].AppendBinary(nil)
			x.Headers = append(x.Headers, raw)
		}, chain.ErrSuperfluous, ""},
		"headers do not link": {func(_ *chain.Block, x *chain.Witness) {
			x.Headers[1], _ = w.headers[2].AppendBinary(nil)
		}, chain.ErrCorrupt, ""},
		"node extra": {func(_ *chain.Block, x *chain.Witness) {
			x.Nodes = append(x.Nodes, foreign.witness.Nodes...)
			x.Normalize()
		}, chain.ErrSuperfluous, ""},
		"node altered": {func(_ *chain.Block, x *chain.Witness) { x.Nodes[0][5] ^= 1 }, chain.ErrUnknown, ""},
		"code extra": {func(_ *chain.Block, x *chain.Witness) {
			x.Codes = append(x.Codes, []byte("nobody's"))
		}, chain.ErrSuperfluous, ""},
		"code altered": {func(_ *chain.Block, x *chain.Witness) { x.Codes[0][5] ^= 1 }, chain.ErrUnknown, ""},
		"transaction twice": {func(b *chain.Block, _ *chain.Witness) {
			b.Txs = append(b.Txs, b.Txs[0])
			b.Header.TransactionsRoot = trie.TransactionsRoot(b.Txs)
		}, chain.ErrInvalidTx, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := blocks[4].clone(t)
			c.damage(s.block, s.witness)
			v, err := verifyBlock(s, w)
			require.Nil(t, v)
			require.ErrorIs(t, err, c.want)
			if c.field != "" {
				var mismatch *chain.MismatchError
				require.ErrorAs(t, err, &mismatch)
				require.Equal(t, c.field, mismatch.Field)
			}
		})
	}
	_, err := verifyBlock(blocks[4].clone(t), w) // undamaged, it still holds
	require.NoError(t, err)
}

// TestEveryPartCounts takes each node, code and header out of a witness: no
// verification gets by without it.
func TestEveryPartCounts(t *testing.T) {
	w, blocks := deep(t)
	s := blocks[4]
	for list, parts := range map[string]func(*chain.Witness) *[][]byte{
		"node":   func(x *chain.Witness) *[][]byte { return &x.Nodes },
		"code":   func(x *chain.Witness) *[][]byte { return &x.Codes },
		"header": func(x *chain.Witness) *[][]byte { return &x.Headers },
	} {
		n := len(*parts(s.witness))
		require.NotZero(t, n, list)
		for i := range n {
			damaged := s.clone(t)
			p := parts(damaged.witness)
			*p = slices.Delete(*p, i, i+1)
			_, err := verifyBlock(damaged, w)
			require.Error(t, err, "%s %d of %d", list, i, n)
			require.True(t, errors.Is(err, chain.ErrUnknown) || errors.Is(err, chain.ErrCorrupt), "%s %d of %d: %v", list, i, n, err)
		}
	}
}

// clairvoyant executes correctly without a look at the state that it is given.
type clairvoyant struct {
	chain.Executor
	state chain.StateView
}

func (c clairvoyant) Execute(ctx context.Context, b *chain.Block, a chain.Ancestors, _ chain.StateView) (*chain.Result, error) {
	return c.Executor.Execute(ctx, b, a, c.state)
}

// TestAccessSetDecides: what a witness must hold depends on the block, not on what
// an executor reads.
func TestAccessSetDecides(t *testing.T) {
	w := newWorld(t)
	executor := clairvoyant{w.executor, w.state}
	s := w.seal(t, w.txs(12))
	_, err := Verify(context.Background(), executor, s.block, s.witness)
	require.NoError(t, err)
	for i := range s.witness.Nodes {
		damaged := s.clone(t)
		damaged.witness.Nodes = slices.Delete(damaged.witness.Nodes, i, i+1)
		_, err := Verify(context.Background(), executor, damaged.block, damaged.witness)
		require.ErrorIs(t, err, chain.ErrUnknown, "node %d", i)
	}
	for i := range s.witness.Codes {
		damaged := s.clone(t)
		damaged.witness.Codes = slices.Delete(damaged.witness.Codes, i, i+1)
		_, err := Verify(context.Background(), executor, damaged.block, damaged.witness)
		require.ErrorIs(t, err, chain.ErrUnknown, "code %d", i)
	}
}

// TestVerifyEnds: the end of ctx ends a verification, with its error.
func TestVerifyEnds(t *testing.T) {
	w, blocks := deep(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Verify(ctx, w.executor, blocks[0].block, blocks[0].witness)
	require.ErrorIs(t, err, context.Canceled)
}

// BenchmarkVerify is one block of the development load, from the bytes of block
// and witness on: nothing is known of the transactions, senders are recovered.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("txs=%d", n), func(b *testing.B) {
			w := newWorld(b)
			s := w.seal(b, w.txs(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifyBlock(s.clone(b), w); err != nil {
					b.Fatal(err)
				}
			}
			raw, _ := s.witness.AppendBinary(nil)
			b.ReportMetric(float64(len(raw))/float64(n), "witness-B/tx")
			b.ReportMetric(float64(s.block.Header.GasUsed)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mgas/s")
		})
	}
}
