package datagen

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen/contracts"
)

// What accounts and the pair begin with, in wei and in the tokens' smallest units
// (both have 18 decimals). A swap takes at most maxSwap, and the sides take
// turns by chance, so nobody runs out within the first million swaps of one
// account.
var (
	accountEther  = coins(1000)
	accountTokens = coins(1_000_000)
	pairReserve   = coins(10_000_000)
	// Every second account trusts the router without limit, which saves a write
	// per swap; the others gave it this.
	finiteAllowance = coins(1_000_000_000_000)
	endless         = new(uint256.Int).SetAllOne()
)

// lockedLiquidity is what a pair keeps for ever of the first liquidity.
const lockedLiquidity = 1000

func coins(n uint64) *uint256.Int {
	return new(uint256.Int).Mul(uint256.NewInt(n), uint256.NewInt(params.Ether))
}

// State returns accounts and contracts as canonical Changes of the empty state:
// the state that deploying the contracts, minting, approving and adding liquidity
// would leave, but for the nonces. It is made anew by each call and belongs to the
// caller.
func (l *Load) State() *chain.Changes {
	state := &chain.Changes{Accounts: make([]chain.AccountChange, 0, len(l.addresses)+4)}
	for _, addr := range l.addresses {
		state.Accounts = append(state.Accounts, chain.AccountChange{
			Address: addr, Exists: true,
			After: chain.Account{Balance: *accountEther, CodeHash: chain.EmptyCodeHash},
		})
	}
	c := l.contracts
	holders := l.holders()
	deploy(state, c.Token0, contracts.Token, l.tokenStorage("Vivace Token 0", "VT0", holders))
	deploy(state, c.Token1, contracts.Token, l.tokenStorage("Vivace Token 1", "VT1", holders))
	deploy(state, c.Pair, contracts.Pair, l.pairStorage())
	deploy(state, c.Router, contracts.Router, l.routerStorage())
	state.Normalize()
	return state
}

func deploy(state *chain.Changes, addr common.Address, c *contracts.Contract, slots []chain.SlotChange) {
	code := chain.Code{Hash: chain.Keccak256(c.Runtime), Bytes: c.Runtime}
	state.Codes = append(state.Codes, code)
	state.Accounts = append(state.Accounts, chain.AccountChange{
		Address: addr, Exists: true,
		After: chain.Account{Nonce: 1, CodeHash: code.Hash},
		Slots: slots,
	})
}

func set(slots []chain.SlotChange, key common.Hash, value *uint256.Int) []chain.SlotChange {
	return append(slots, chain.SlotChange{Key: key, After: *value})
}

func setWord(slots []chain.SlotChange, key, value common.Hash) []chain.SlotChange {
	var v uint256.Int
	v.SetBytes32(value[:])
	return append(slots, chain.SlotChange{Key: key, After: v})
}

// holders are the balances and allowances that both tokens have alike.
func (l *Load) holders() []chain.SlotChange {
	slots := make([]chain.SlotChange, 0, 2*len(l.addresses)+4)
	for i, addr := range l.addresses {
		allowance := endless
		if i%2 == 1 {
			allowance = finiteAllowance
		}
		slots = set(slots, contracts.Token.Slot("balanceOf", addr), accountTokens)
		slots = set(slots, contracts.Token.Slot("allowance", addr, l.contracts.Router), allowance)
	}
	return set(slots, contracts.Token.Slot("balanceOf", l.contracts.Pair), pairReserve)
}

func (l *Load) tokenStorage(name, symbol string, holders []chain.SlotChange) []chain.SlotChange {
	supply := new(uint256.Int).Mul(accountTokens, uint256.NewInt(uint64(len(l.addresses))))
	supply.Add(supply, pairReserve)
	slots := append(make([]chain.SlotChange, 0, len(holders)+3), holders...)
	slots = set(slots, contracts.Token.Slot("totalSupply"), supply)
	slots = setWord(slots, contracts.Token.Slot("name"), contracts.ShortString(name))
	return setWord(slots, contracts.Token.Slot("symbol"), contracts.ShortString(symbol))
}

// pairStorage is a pair to which account 0 gave all the liquidity.
func (l *Load) pairStorage() []chain.SlotChange {
	var (
		pair     = contracts.Pair
		provided = new(uint256.Int).SubUint64(pairReserve, lockedLiquidity)
		reserves = new(uint256.Int)
		slots    []chain.SlotChange
	)
	for _, name := range []string{"reserve0", "reserve1"} {
		v := pair.Shift(name, pairReserve)
		reserves.Or(reserves, &v)
	}
	slots = set(slots, pair.Slot("balanceOf", common.Address{}), uint256.NewInt(lockedLiquidity))
	slots = set(slots, pair.Slot("balanceOf", l.addresses[0]), provided)
	slots = set(slots, pair.Slot("totalSupply"), pairReserve)
	slots = setWord(slots, pair.Slot("name"), contracts.ShortString("Vivace LP"))
	slots = setWord(slots, pair.Slot("symbol"), contracts.ShortString("VLP"))
	slots = setWord(slots, pair.Slot("token0"), contracts.Address(l.contracts.Token0))
	slots = setWord(slots, pair.Slot("token1"), contracts.Address(l.contracts.Token1))
	slots = set(slots, pair.Slot("reserve0"), reserves)
	return setWord(slots, pair.Slot("unlocked"), contracts.Number(1))
}

func (l *Load) routerStorage() []chain.SlotChange {
	var (
		c     = l.contracts
		pair  = contracts.Address(c.Pair)
		slots []chain.SlotChange
	)
	slots = setWord(slots, contracts.Router.Slot("getPair", c.Token0, c.Token1), pair)
	return setWord(slots, contracts.Router.Slot("getPair", c.Token1, c.Token0), pair)
}
