package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Updates says what state roots are computed of: accounts, each with a balance in
// the storage of one big token, and blocks that pay and transfer. Half of a block's
// updates are of accounts, half of slots; of the slots one in ten is new and one in
// ten is emptied, so that the size of the state stays about what it is.
type Updates struct {
	Accounts int
	PerBlock int // accounts and slots together
}

// String is the workload's name.
func (u Updates) String() string {
	return fmt.Sprintf("load=token/accounts=%d/updates=%d", u.Accounts, u.PerBlock)
}

// History begins the history of a state: the same for the same Updates.
func (u Updates) History() *History {
	h := &History{
		updates:  u,
		rng:      rand.New(rand.NewPCG(1, uint64(u.Accounts))),
		accounts: make([]chain.Account, u.Accounts),
		slots:    make([]heldSlot, u.Accounts),
		token:    chain.Account{Nonce: 1, CodeHash: chain.Keccak256(tokenCode)},
	}
	for i := range h.accounts {
		h.accounts[i] = chain.Account{Balance: h.amount(), CodeHash: chain.EmptyCodeHash}
		h.slots[i] = heldSlot{h.newKey(), h.amount()}
	}
	return h
}

// A History is blocks that follow one from the other. One goroutine at a time uses
// it.
type History struct {
	updates  Updates
	rng      *rand.Rand
	accounts []chain.Account
	token    chain.Account
	slots    []heldSlot // of the token; none is zero
	keys     uint64     // made so far
}

type heldSlot struct {
	key   common.Hash
	value uint256.Int
}

var (
	tokenAddress = common.HexToAddress("0x70ce4")
	tokenCode    = []byte("the token's code, which nobody runs")
)

// Genesis is the state before the first block, as Changes of the empty state. It
// comes before Next.
func (h *History) Genesis() *chain.Changes {
	c := &chain.Changes{Codes: []chain.Code{{Hash: h.token.CodeHash, Bytes: tokenCode}}}
	for i := range h.accounts {
		c.Accounts = append(c.Accounts, chain.AccountChange{Address: holder(i), After: h.accounts[i], Exists: true})
	}
	token := chain.AccountChange{Address: tokenAddress, After: h.token, Exists: true}
	for i := range h.slots {
		token.Slots = append(token.Slots, chain.SlotChange{Key: h.slots[i].key, After: h.slots[i].value})
	}
	c.Accounts = append(c.Accounts, token)
	c.Normalize()
	return c
}

// Next is the next block.
func (h *History) Next() *chain.Changes {
	half := h.updates.PerBlock / 2
	c := &chain.Changes{Accounts: make([]chain.AccountChange, 0, half+1)}
	for _, i := range h.pick(len(h.accounts), half) {
		before := h.accounts[i]
		h.accounts[i].Nonce++
		h.accounts[i].Balance = h.amount()
		c.Accounts = append(c.Accounts, chain.AccountChange{
			Address: holder(i), Before: before, After: h.accounts[i], Existed: true, Exists: true,
		})
	}
	token := chain.AccountChange{Address: tokenAddress, Before: h.token, After: h.token, Existed: true, Exists: true}
	for n, i := range h.pick(len(h.slots), half) {
		s := &h.slots[i]
		switch n % 10 {
		case 0: // one goes, another comes, in its place
			token.Slots = append(token.Slots, chain.SlotChange{Key: s.key, Before: s.value})
			s.key, s.value = h.newKey(), uint256.Int{}
		case 1: // went or came with the last
			continue
		}
		before := s.value
		s.value = h.amount()
		token.Slots = append(token.Slots, chain.SlotChange{Key: s.key, Before: before, After: s.value})
	}
	c.Accounts = append(c.Accounts, token)
	c.Normalize()
	return c
}

// pick is k different numbers below n, or all of them.
func (h *History) pick(n, k int) []int {
	if k >= n {
		return h.rng.Perm(n)
	}
	var (
		seen = make(map[int]bool, k)
		out  = make([]int, 0, k)
	)
	for len(out) < k {
		if i := h.rng.IntN(n); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// amount is of up to 80 bits, as amounts of wei are, and never zero or twice the
// same by more than the rarest chance.
func (h *History) amount() uint256.Int {
	return uint256.Int{h.rng.Uint64(), 1 + h.rng.Uint64()>>48}
}

// newKey is a slot number as Solidity makes them for the entries of a mapping.
func (h *History) newKey() common.Hash {
	h.keys++
	return chain.Keccak256(binary.BigEndian.AppendUint64(nil, h.keys), tokenAddress[:])
}

func holder(i int) common.Address {
	hash := chain.Keccak256([]byte("holder"), binary.BigEndian.AppendUint64(nil, uint64(i)))
	return common.BytesToAddress(hash[12:])
}
