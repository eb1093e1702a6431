package datagen

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen/contracts"
)

// State is computed; here it is earned: the contracts are deployed by
// transactions, tokens handed out, allowances given, liquidity added. Both ways
// must lead to the same storage.
func TestStateIsWhatDeploymentLeaves(t *testing.T) {
	load := newLoad(t, 6)
	w := newWorld(t, load, etherOnly(load))
	const deployer = 0
	c := Contracts{
		Token0: crypto.CreateAddress(load.Address(deployer), 0),
		Token1: crypto.CreateAddress(load.Address(deployer), 1),
		Pair:   crypto.CreateAddress(load.Address(deployer), 2),
		Router: crypto.CreateAddress(load.Address(deployer), 3),
	}
	names := [][2]string{{"Vivace Token 0", "VT0"}, {"Vivace Token 1", "VT1"}}
	first, second := names[0], names[1]
	if c.Token1.Cmp(c.Token0) < 0 {
		c.Token0, c.Token1 = c.Token1, c.Token0
		first, second = second, first
	}
	supply := new(uint256.Int).Mul(accountTokens, uint256.NewInt(6))
	supply.Add(supply, pairReserve)
	for _, creation := range [][]byte{
		tokenCreation(first, load.Address(deployer), supply),
		tokenCreation(second, load.Address(deployer), supply),
		contracts.Append(common.CopyBytes(contracts.Pair.Creation), contracts.Address(c.Token0), contracts.Address(c.Token1)),
		contracts.Router.Creation,
	} {
		r := w.send(deployer, nil, creation)
		require.Equal(t, uint64(1), r.Receipt.Status)
	}
	for _, token := range []common.Address{c.Token0, c.Token1} {
		for i := 1; i < load.Accounts(); i++ {
			w.must(deployer, token, contracts.Token.Call("transfer(address,uint256)",
				contracts.Address(load.Address(i)), accountTokens.Bytes32()))
		}
		for i := range load.Accounts() {
			allowance := endless
			if i%2 == 1 {
				allowance = finiteAllowance
			}
			w.must(i, token, contracts.Token.Call("approve(address,uint256)", contracts.Address(c.Router), allowance.Bytes32()))
		}
		w.must(deployer, token, contracts.Token.Call("transfer(address,uint256)", contracts.Address(c.Pair), pairReserve.Bytes32()))
	}
	w.must(deployer, c.Pair, contracts.Pair.Call("mint(address)", contracts.Address(load.Address(0))))
	w.must(deployer, c.Router, contracts.Router.Call("register(address)", contracts.Address(c.Pair)))
	w.seal()

	computed := *load
	computed.contracts = c
	want := computed.State()
	for _, addr := range []common.Address{c.Token0, c.Token1, c.Pair, c.Router} {
		entry := want.Account(addr)
		account := w.state.accounts[addr]
		require.Equal(t, entry.After.CodeHash, account.CodeHash, "code of %s", addr)
		got := w.state.slots[addr]
		if addr == c.Pair { // the one thing that tells when liquidity was added
			key := contracts.Pair.Slot("reserve0")
			packed := got[key]
			packed.Lsh(&packed, 32).Rsh(&packed, 32)
			got[key] = packed
		}
		require.Len(t, got, len(entry.Slots), "slots of %s", addr)
		for _, s := range entry.Slots {
			require.Equal(t, s.After, got[s.Key], "slot %s of %s", s.Key, addr)
		}
	}
}

func etherOnly(l *Load) *chain.Changes {
	state := new(chain.Changes)
	for _, addr := range l.addresses {
		state.Accounts = append(state.Accounts, chain.AccountChange{
			Address: addr, Exists: true,
			After: chain.Account{Balance: *accountEther, CodeHash: chain.EmptyCodeHash},
		})
	}
	return state
}

// tokenCreation is Token's creation code with its constructor's arguments:
// two strings, which follow the fixed part, an address and a number.
func tokenCreation(name [2]string, holder common.Address, supply *uint256.Int) []byte {
	data := contracts.Append(common.CopyBytes(contracts.Token.Creation),
		contracts.Number(4*32), contracts.Number(6*32), contracts.Address(holder), supply.Bytes32())
	for _, s := range name {
		var word common.Hash
		copy(word[:], s)
		data = contracts.Append(data, contracts.Number(uint64(len(s))), word)
	}
	return data
}

var (
	transferEvent = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	syncEvent     = crypto.Keccak256Hash([]byte("Sync(uint112,uint112)"))
	swapEvent     = crypto.Keccak256Hash([]byte("Swap(address,uint256,uint256,uint256,uint256,address)"))
)

// The load runs: every receipt succeeds and has the events of its kind, tokens are
// conserved, the pair's k never falls and its reserves are its balances.
func TestLoadExecutes(t *testing.T) {
	load := newLoad(t, 40)
	w := newWorld(t, load, load.State())
	lanes := load.Lanes(4)
	c := load.contracts
	k := func() *uint256.Int {
		r0, r1, _ := w.reserves()
		return new(uint256.Int).Mul(r0, r1)
	}
	var (
		seen  [kinds]int
		gas   [kinds]uint64
		lastK = k()
	)
	for range 6 {
		for i := range 200 {
			tx := lanes[i%len(lanes)].Next()
			r := w.push(tx.Raw)
			require.Equal(t, uint64(1), r.Receipt.Status, "%s reverted with %x", tx.Kind, r.Output)
			requireEvents(t, tx.Kind, c, r.Receipt.Logs)
			seen[tx.Kind]++
			gas[tx.Kind] = max(gas[tx.Kind], r.Receipt.GasUsed)
		}
		w.seal()
		r0, r1, timestamp := w.reserves()
		require.Equal(t, w.env.Timestamp-12, timestamp)
		require.Equal(t, *r0, w.number(c.Token0, contracts.Token, "balanceOf", c.Pair))
		require.Equal(t, *r1, w.number(c.Token1, contracts.Token, "balanceOf", c.Pair))
		now := k()
		require.Positive(t, now.Cmp(lastK), "fees make k grow")
		lastK = now
	}
	for kind, n := range seen {
		require.Greater(t, n, 100, "%s", Kind(kind))
	}
	// Room for what these blocks did not meet, but not for a block half empty.
	require.Equal(t, uint64(transferGas), gas[Transfer])
	require.Less(t, gas[TokenTransfer], uint64(tokenTransferGas))
	require.Less(t, gas[Swap], uint64(swapGas*9/10))

	for _, token := range []common.Address{c.Token0, c.Token1} {
		var sum uint256.Int
		for _, holder := range append([]common.Address{c.Pair}, load.addresses...) {
			v := w.number(token, contracts.Token, "balanceOf", holder)
			sum.Add(&sum, &v)
		}
		require.Equal(t, w.number(token, contracts.Token, "totalSupply"), sum)
	}
	price := w.number(c.Pair, contracts.Pair, "price0CumulativeLast")
	require.False(t, price.IsZero(), "prices accumulate")
}

func requireEvents(t *testing.T, kind Kind, c Contracts, logs []chain.Log) {
	t.Helper()
	var topics []common.Hash
	for _, l := range logs {
		topics = append(topics, l.Topics[0])
	}
	switch kind {
	case Transfer:
		require.Empty(t, logs)
	case TokenTransfer:
		require.Equal(t, []common.Hash{transferEvent}, topics)
	case Swap:
		require.Equal(t, []common.Hash{transferEvent, transferEvent, syncEvent, swapEvent}, topics)
		require.Equal(t, c.Pair, logs[2].Address)
		require.Equal(t, c.Pair, logs[3].Address)
	}
}

// The pair pays what the formula says, and not one unit more.
func TestPairPaysTheFormula(t *testing.T) {
	load := newLoad(t, 2)
	w := newWorld(t, load, load.State())
	c := load.contracts
	in := coins(5)
	before := w.number(c.Token1, contracts.Token, "balanceOf", load.Address(0))
	w.must(0, c.Router, routerSwap(in, uint256.NewInt(1), load.Address(0), c.Token0, c.Token1))
	w.seal()
	after := w.number(c.Token1, contracts.Token, "balanceOf", load.Address(0))

	fee := new(uint256.Int).Mul(in, uint256.NewInt(997))
	want := new(uint256.Int).Mul(fee, pairReserve)
	want.Div(want, new(uint256.Int).Add(new(uint256.Int).Mul(pairReserve, uint256.NewInt(1000)), fee))
	require.Equal(t, want, new(uint256.Int).Sub(&after, &before))

	// By hand, without the router: one unit too much is refused.
	r0, r1, _ := w.reserves()
	fee.Mul(in, uint256.NewInt(997))
	out := new(uint256.Int).Mul(fee, r1)
	out.Div(out, new(uint256.Int).Add(new(uint256.Int).Mul(r0, uint256.NewInt(1000)), fee))
	w.must(1, c.Token0, contracts.Token.Call("transfer(address,uint256)", contracts.Address(c.Pair), in.Bytes32()))
	w.fails("K()", 1, c.Pair, pairSwap(uint256.NewInt(0), new(uint256.Int).AddUint64(out, 1), load.Address(1)))
	w.must(1, c.Pair, pairSwap(uint256.NewInt(0), out, load.Address(1)))
}

func routerSwap(in, minOut *uint256.Int, to common.Address, path ...common.Address) []byte {
	data := contracts.Router.Call("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
		in.Bytes32(), minOut.Bytes32(), contracts.Number(5*32), contracts.Address(to), endless.Bytes32(),
		contracts.Number(uint64(len(path))))
	for _, token := range path {
		data = contracts.Append(data, contracts.Address(token))
	}
	return data
}

func pairSwap(out0, out1 *uint256.Int, to common.Address) []byte {
	return contracts.Pair.Call("swap(uint256,uint256,address,bytes)",
		out0.Bytes32(), out1.Bytes32(), contracts.Address(to), contracts.Number(4*32), contracts.Number(0))
}

func TestContractsRefuse(t *testing.T) {
	load := newLoad(t, 4)
	w := newWorld(t, load, load.State())
	c := load.contracts
	none, one := uint256.NewInt(0), uint256.NewInt(1)
	me := load.Address(0)
	w.fails("InsufficientOutputAmount()", 0, c.Pair, pairSwap(none, none, me))
	w.fails("InsufficientInputAmount()", 0, c.Pair, pairSwap(one, none, me))
	w.fails("InsufficientLiquidity()", 0, c.Pair, pairSwap(pairReserve, none, me))
	w.fails("InvalidTo()", 0, c.Pair, pairSwap(one, none, c.Token0))
	w.fails("InsufficientLiquidityMinted()", 0, c.Pair, contracts.Pair.Call("mint(address)", contracts.Address(me)))
	w.fails("InsufficientLiquidityBurned()", 0, c.Pair, contracts.Pair.Call("burn(address)", contracts.Address(me)))
	w.fails("InsufficientOutputAmount()", 0, c.Router, routerSwap(one, coins(1), me, c.Token0, c.Token1))
	w.fails("InvalidPath()", 0, c.Router, routerSwap(one, none, me, c.Token0))
	w.fails("InvalidPath()", 0, c.Router, routerSwap(one, none, me, c.Token0, c.Pair))
	w.fails("Exists()", 0, c.Router, contracts.Router.Call("register(address)", contracts.Address(c.Pair)))
	tooMuch := new(uint256.Int).AddUint64(accountTokens, 1)
	w.fails("InsufficientBalance(address,uint256,uint256)", 0, c.Token0,
		contracts.Token.Call("transfer(address,uint256)", contracts.Address(me), tooMuch.Bytes32()))
	w.fails("InsufficientAllowance(address,uint256,uint256)", 0, c.Token0,
		contracts.Token.Call("transferFrom(address,address,uint256)", contracts.Address(load.Address(1)), contracts.Address(me), one.Bytes32()))
	w.fails("InvalidReceiver(address)", 0, c.Token0,
		contracts.Token.Call("transfer(address,uint256)", contracts.Address(common.Address{}), one.Bytes32()))
}

// Liquidity goes in and comes out; skim and sync settle what was sent by mistake.
func TestPairLiquidity(t *testing.T) {
	load := newLoad(t, 3)
	w := newWorld(t, load, load.State())
	c := load.contracts
	send := func(token common.Address, amount *uint256.Int) {
		w.must(1, token, contracts.Token.Call("transfer(address,uint256)", contracts.Address(c.Pair), amount.Bytes32()))
	}
	supply := w.number(c.Pair, contracts.Pair, "totalSupply")
	send(c.Token0, coins(100))
	send(c.Token1, coins(300)) // 200 too many: a gift to the pool
	w.must(1, c.Pair, contracts.Pair.Call("mint(address)", contracts.Address(load.Address(1))))
	w.seal()
	require.Equal(t, *coins(100), w.number(c.Pair, contracts.Pair, "balanceOf", load.Address(1)))

	w.must(1, c.Pair, contracts.Pair.Call("transfer(address,uint256)", contracts.Address(c.Pair), coins(100).Bytes32()))
	w.must(1, c.Pair, contracts.Pair.Call("burn(address)", contracts.Address(load.Address(2))))
	w.seal()
	require.Equal(t, supply, w.number(c.Pair, contracts.Pair, "totalSupply"))
	got := w.number(c.Token0, contracts.Token, "balanceOf", load.Address(2))
	require.Equal(t, *new(uint256.Int).Add(accountTokens, coins(100)), got)

	send(c.Token0, coins(7))
	w.must(1, c.Pair, contracts.Pair.Call("skim(address)", contracts.Address(load.Address(2))))
	w.seal()
	got = w.number(c.Token0, contracts.Token, "balanceOf", load.Address(2))
	require.Equal(t, *new(uint256.Int).Add(accountTokens, coins(107)), got)

	r0, _, _ := w.reserves()
	send(c.Token0, coins(9))
	w.must(1, c.Pair, contracts.Pair.Call("sync()"))
	w.seal()
	after, _, _ := w.reserves()
	require.Equal(t, coins(9), new(uint256.Int).Sub(after, r0))
}
