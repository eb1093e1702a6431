package checkpoint_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/trie"
)

// sample is the checkpoint of a small chain's genesis.
func sample(t testing.TB) (*genesis.Spec, *checkpoint.Point, []byte) {
	ctx := context.Background()
	spec, err := genesis.Dev(genesis.DevOptions{State: &chain.Changes{Accounts: []chain.AccountChange{{
		Address: common.Address{7}, Exists: true,
		After: chain.Account{Nonce: 3, Balance: *uint256.NewInt(1000), CodeHash: chain.EmptyCodeHash},
	}}}})
	require.NoError(t, err)
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	defer store.Close()
	require.NoError(t, checkpoint.LoadGenesis(ctx, spec.Genesis, store, trie.New(trie.Config{})))
	raw, err := spec.Genesis.Header.AppendBinary(nil)
	require.NoError(t, err)
	p := &checkpoint.Point{
		Genesis: spec.Genesis.Header.Hash(),
		Headers: [][]byte{raw}, Frame: common.Hash{1}, Model: []byte("model"),
		Proven: spec.Genesis.Header.ID(), Claims: [][]byte{[]byte("claim")},
	}
	var buf bytes.Buffer
	require.NoError(t, checkpoint.Write(ctx, &buf, p, store, store.Head()))
	return spec, p, buf.Bytes()
}

func read(t testing.TB, b []byte) (*checkpoint.Point, *state.Store, error) {
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	p, err := checkpoint.Read(context.Background(), bytes.NewReader(b), 1<<20, store, trie.New(trie.Config{}))
	return p, store, err
}

func TestRoundTrip(t *testing.T) {
	spec, want, b := sample(t)
	got, store, err := read(t, b)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, spec.Genesis.Header.ID(), store.Head())
	view, err := store.View(store.Head())
	require.NoError(t, err)
	account, ok, err := view.Account(common.Address{7})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, uint64(3), account.Nonce)
}

// Every flipped byte and every truncation is refused, and the store stays empty.
func TestDamageIsRefused(t *testing.T) {
	_, _, b := sample(t)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x10
		_, store, err := read(t, bad)
		require.Error(t, err, "byte %d", i)
		require.Equal(t, chain.BlockID{}, store.Head())
	}
	for i := 0; i < len(b); i += 7 {
		_, store, err := read(t, b[:i])
		require.ErrorIs(t, err, chain.ErrCorrupt, "%d bytes", i)
		require.Equal(t, chain.BlockID{}, store.Head())
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	_, _, b := sample(t)
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	defer store.Close()
	_, err = checkpoint.Read(context.Background(), bytes.NewReader(b), 100, store, trie.New(trie.Config{}))
	require.ErrorIs(t, err, chain.ErrTooLarge)
}

// The state of another root than the header's is refused, however whole its bytes.
func TestWrongStateIsRefused(t *testing.T) {
	ctx := context.Background()
	spec, p, _ := sample(t)
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	defer store.Close()
	other := *spec.Genesis.State
	other.Accounts = append([]chain.AccountChange(nil), other.Accounts...)
	other.Accounts[0].After.Nonce++
	staged, err := store.Stage(ctx, &other)
	require.NoError(t, err)
	require.NoError(t, staged.Commit(ctx, spec.Genesis.Header.ID()))
	var buf bytes.Buffer
	require.NoError(t, checkpoint.Write(ctx, &buf, p, store, store.Head()))
	_, fresh, err := read(t, buf.Bytes())
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.Equal(t, chain.BlockID{}, fresh.Head())
}

func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		_, store, err := read(t, b)
		if err != nil && store.Head() != (chain.BlockID{}) {
			t.Fatalf("the store has state after %v", err)
		}
	})
}

// What could not be read again is not written.
func TestWriteTooLarge(t *testing.T) {
	_, p, _ := sample(t)
	p.Claims = [][]byte{make([]byte, 17<<20)}
	var buf bytes.Buffer
	require.ErrorIs(t, checkpoint.Write(context.Background(), &buf, p, nil, chain.BlockID{}), chain.ErrTooLarge)
	require.Zero(t, buf.Len())
}
