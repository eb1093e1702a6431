package sequencer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// richView is a state in which everybody has nonce 5 and some wei.
type richView struct{ chain.StateView }

var rich = chain.Account{Nonce: 5, Balance: *uint256.NewInt(1 << 40), CodeHash: chain.EmptyCodeHash}

func (richView) Account(common.Address) (chain.Account, bool, error) { return rich, true, nil }

func newTestPool() *pool {
	return newPool(&Config{PoolTxs: 100, PoolBytes: 1 << 20, PoolTxsPerSender: 10}, richView{})
}

// takeAll takes for a mini-block that everything fits into.
func takeAll(p *pool, n int) []*pending {
	batch, _ := p.take(n, room{bytes: 1 << 30, gas: 1 << 60})
	return batch
}

var alice, bob = common.Address{1}, common.Address{2}

// put adds a transaction with the given sender and nonce to the pool.
func put(t *testing.T, p *pool, sender common.Address, nonce uint64, expires time.Time) *pending {
	tx := &pending{
		tx: chain.NewTx([]byte{sender[0], byte(nonce)}), sender: sender, nonce: nonce,
		expires: expires, executed: make(chan outcome, 1),
	}
	require.NoError(t, p.add(tx))
	return tx
}

// changesTo is what a transaction left of accounts' nonces.
func changesTo(nonces map[common.Address]uint64) *chain.Changes {
	c := new(chain.Changes)
	for addr, nonce := range nonces {
		after := rich
		after.Nonce = nonce
		c.Accounts = append(c.Accounts, chain.AccountChange{Address: addr, Before: rich, After: after, Existed: true, Exists: true})
	}
	return c
}

// In one batch Bob's transaction executes, and then Alice's carries his
// authorization (EIP-7702) for the nonce after it. His queued transaction with that
// nonce is answered at once, and the one after it is next.
func TestAuthorizationAfterOwnTransaction(t *testing.T) {
	p := newTestPool()
	later := time.Now().Add(time.Hour)
	put(t, p, bob, 5, later)
	overtaken := put(t, p, bob, 6, later)
	next := put(t, p, bob, 7, later)
	put(t, p, alice, 5, later)
	batch := takeAll(p, 10)
	require.Len(t, batch, 2)
	require.Equal(t, bob, batch[0].sender)
	p.done(batch, []chain.TxResult{
		{Changes: changesTo(map[common.Address]uint64{bob: 6})},
		{Changes: changesTo(map[common.Address]uint64{alice: 6, bob: 7})},
	})
	select {
	case o := <-overtaken.executed:
		require.ErrorContains(t, o.err, "nonce too low")
	default:
		t.Fatal("the overtaken transaction has no answer")
	}
	require.Equal(t, []*pending{next}, takeAll(p, 10))
	require.Equal(t, 1, p.len())
}

// Only what waits for a missing predecessor expires, not what waits for its turn.
func TestEvictKeepsWhatCanExecute(t *testing.T) {
	p := newTestPool()
	now := time.Now()
	for nonce := uint64(5); nonce < 8; nonce++ {
		put(t, p, bob, nonce, now.Add(-time.Second))
	}
	stray := put(t, p, bob, 9, now.Add(-time.Second))
	p.evict(now)
	require.Equal(t, 3, p.len())
	require.ErrorContains(t, (<-stray.executed).err, "transaction expired")
	batch := takeAll(p, 1)
	p.evict(now)
	require.Equal(t, 3, p.len(), "also while the first is with the builder")
	p.done(batch, []chain.TxResult{{Err: chain.ErrInvalidTx}})
	p.evict(now)
	require.Zero(t, p.len(), "the others lack it now")
	require.Empty(t, p.senders)
}

// The counts are those of the list, whatever happens to the pool.
func TestPoolStatus(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for range 200 {
		p, nonces := newTestPool(), make(map[common.Address]uint64)
		for range 60 {
			sender := common.Address{byte(1 + random.IntN(3))}
			if nonces[sender] == 0 {
				nonces[sender] = rich.Nonce
			}
			switch random.IntN(6) {
			default:
				tx := &pending{
					nonce: nonces[sender] + random.Uint64N(6), sender: sender, executed: make(chan outcome, 1),
					expires: now.Add(time.Duration(random.IntN(2)) * time.Hour),
				}
				tx.tx = chain.NewTx([]byte{sender[0], byte(tx.nonce)})
				_ = p.add(tx) // some nonces are taken
			case 0:
				p.evict(now)
			case 1, 2:
				batch := takeAll(p, 1+random.IntN(3))
				results := make([]chain.TxResult, len(batch))
				for i, tx := range batch {
					if random.IntN(3) == 0 {
						results[i].Err = chain.ErrInvalidTx
						continue
					}
					// Some carry an authorization of EIP-7702 for another's nonces.
					moved := map[common.Address]uint64{tx.sender: tx.nonce + 1}
					if other := (common.Address{byte(1 + random.IntN(3))}); !slices.ContainsFunc(batch, func(p *pending) bool { return p.sender == other }) {
						moved[other] = max(nonces[other], rich.Nonce) + random.Uint64N(3)
					}
					results[i].Changes = changesTo(moved)
					maps.Copy(nonces, moved)
				}
				p.done(batch, results)
			}
			var queued int
			content := p.content()
			for i, w := range content {
				if w.Queued {
					queued++
				}
				if i > 0 && content[i-1].Sender == w.Sender {
					require.Less(t, content[i-1].Nonce, w.Nonce, "sorted")
				}
			}
			gotPending, gotQueued := p.status()
			require.Equal(t, []int{len(content) - queued, queued}, []int{gotPending, gotQueued})
		}
		p.expire(chain.ErrClosed)
		gotPending, gotQueued := p.status()
		require.Zero(t, gotPending+gotQueued)
	}
}
