package datagen

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func newLoad(t testing.TB, accounts int) *Load {
	l, err := New(Config{Seed: 1, Accounts: accounts, ChainID: 31337})
	require.NoError(t, err)
	return l
}

// The stream is part of what benchmarks compare over time: a change of these
// bytes makes figures from before and after incomparable.
func TestStreamIsFixed(t *testing.T) {
	l := newLoad(t, 20)
	var all []byte
	for _, lane := range l.Lanes(3) {
		for range 100 {
			all = append(all, lane.Next().Raw...)
		}
	}
	require.Equal(t, "0x8b41dbca468a79396342e88987ac5954c700b13cced645acb7aa9ebe730291db", fmt.Sprint(chain.Keccak256(all)))
	require.Equal(t, "0x83f8fd25c89ef1e975e18f15629744ec123577e50d216032ce567b3021894e14", fmt.Sprint(l.State().Digest()))
}

func TestAccounts(t *testing.T) {
	l := newLoad(t, 50)
	seen := make(map[common.Address]bool)
	for i := range l.Accounts() {
		require.Equal(t, crypto.PubkeyToAddress(l.Key(i).PublicKey), l.Address(i))
		require.False(t, seen[l.Address(i)])
		seen[l.Address(i)] = true
	}
	other, err := New(Config{Seed: 2, Accounts: 50, ChainID: 31337})
	require.NoError(t, err)
	require.False(t, seen[other.Address(0)], "another seed, other accounts")
	for _, known := range []string{ // of the tools that everybody has
		"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
	} {
		require.False(t, seen[common.HexToAddress(known)])
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"one account":   {Accounts: 1, ChainID: 1},
		"too many":      {Accounts: MaxAccounts + 1, ChainID: 1},
		"no chain":      {Accounts: 2},
		"base fee huge": {Accounts: 2, ChainID: 1, BaseFee: new(uint256.Int).SetAllOne()},
	} {
		_, err := New(cfg)
		require.Error(t, err, name)
	}
}

// Lanes do not share accounts; within a lane the nonces of an account are
// contiguous from 0; what a transaction says is what its signature says.
func TestLanes(t *testing.T) {
	const accounts = 23
	l := newLoad(t, accounts)
	signer := types.NewPragueSigner(big.NewInt(31337))
	for _, n := range []int{1, 5, accounts, accounts + 1} {
		owner := make(map[common.Address]int)
		for i, lane := range l.Lanes(n) {
			nonces := make(map[common.Address]uint64)
			for range 3 * accounts {
				tx := lane.Next()
				var decoded types.Transaction
				require.NoError(t, decoded.UnmarshalBinary(tx.Raw))
				from, err := types.Sender(signer, &decoded)
				require.NoError(t, err)
				require.Equal(t, tx.From, from)
				require.Equal(t, tx.Nonce, decoded.Nonce())
				require.Equal(t, nonces[from], tx.Nonce)
				nonces[from]++
				if prev, ok := owner[from]; ok {
					require.Equal(t, prev, i, "account %s is in two lanes", from)
				}
				owner[from] = i
			}
		}
		require.Len(t, owner, accounts, "%d lanes", n)
	}
}

func TestBatchIsNext(t *testing.T) {
	l := newLoad(t, 7)
	batch := l.Lanes(2)[1].Batch(40)
	lane := l.Lanes(2)[1]
	for _, tx := range batch {
		require.Equal(t, lane.Next(), tx)
	}
}

func TestMix(t *testing.T) {
	for _, mix := range []Mix{DefaultMix, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 3}} {
		l, err := New(Config{Seed: 9, Accounts: 4, ChainID: 1, Mix: mix})
		require.NoError(t, err)
		const n = 4000
		var got [kinds]int
		lane := l.Lanes(1)[0]
		for range n {
			got[lane.draw().kind]++
		}
		for k, weight := range mix {
			require.InDelta(t, n*float64(weight)/float64(mix.total()), got[k], n/20, "%v of %v", Kind(k), mix)
		}
	}
}

func TestStateIsCanonical(t *testing.T) {
	state := newLoad(t, 100).State()
	require.NoError(t, state.Validate())
	require.Len(t, state.Accounts, 104)
	require.Len(t, state.Codes, 3)
	require.Equal(t, 104+2*(201+3)+9+2, state.Len())
}

func BenchmarkNext(b *testing.B) {
	lane := newLoad(b, 1000).Lanes(1)[0]
	for b.Loop() {
		lane.Next()
	}
}

func BenchmarkState(b *testing.B) {
	for _, n := range []int{2_000, 100_000} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newLoad(b, n).State()
			}
		})
	}
}
