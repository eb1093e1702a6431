package oracle_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"math/big"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/tests"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// worldForks are the rules that random blocks run under.
var worldForks = []string{
	"Frontier", "Homestead", "EIP150", "EIP158", "Byzantium", "Constantinople", "ConstantinopleFix", "Istanbul",
	"Berlin", "London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka",
}

const (
	worldUsers     = 4
	worldContracts = 6
	kzgVersion     = 0x01 // of blob hashes (EIP-4844)
)

// A world is a small random state with users who know their keys, contracts that
// call, create and destroy each other, and the block to come.
type world struct {
	rng    *rand.Rand
	config *params.ChainConfig
	rules  params.Rules
	keys   []*ecdsa.PrivateKey
	nonces []uint64         // of users, after the block so far
	pool   []common.Address // everyone that code may speak of
	state  chain.StateView
	parent *chain.Header
	env    *chain.Env
}

// newWorld makes the world of a seed; code is one more contract.
func newWorld(seed uint64, fork string, code []byte) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), config: tests.Forks[fork]}
	merged := w.config.TerminalTotalDifficulty != nil
	w.rules = w.config.Rules(big.NewInt(1), merged, 1)
	for i := range worldUsers {
		key, err := crypto.ToECDSA(chain.Keccak256([]byte{byte(i)}).Bytes())
		if err != nil {
			panic(err)
		}
		w.keys = append(w.keys, key)
		w.pool = append(w.pool, crypto.PubkeyToAddress(key.PublicKey))
	}
	w.nonces = make([]uint64, worldUsers)
	for i := range worldContracts {
		w.pool = append(w.pool, common.Address{0xc0, 19: byte(i)})
	}
	w.pool = append(w.pool, common.Address{0xab, 19: 1}, params.SystemAddress, params.HistoryStorageAddress, params.BeaconRootsAddress)
	w.pool = append(w.pool, vm.ActivePrecompiles(w.rules)...)
	w.makeState(code)
	w.makeEnv(merged)
	return w
}

func (w *world) makeState(code []byte) {
	c, placed := new(chain.Changes), make(map[common.Address]bool)
	add := func(addr common.Address, nonce, balance uint64, code []byte, slots int) {
		a := chain.AccountChange{Address: addr, Exists: true, After: chain.Account{
			Nonce: nonce, Balance: *uint256.NewInt(balance), CodeHash: chain.Keccak256(code),
		}}
		for i := range slots {
			a.Slots = append(a.Slots, chain.SlotChange{Key: common.Hash{31: byte(i)}, After: *uint256.NewInt(1 + w.rng.Uint64N(3))})
		}
		if len(code) > 0 {
			c.Codes = append(c.Codes, chain.Code{Hash: a.After.CodeHash, Bytes: code})
		}
		c.Accounts = append(c.Accounts, a)
	}
	for i := range worldUsers {
		add(w.pool[i], 0, 1<<62, nil, 0)
	}
	for i := range worldContracts {
		program := w.program(1 + w.rng.IntN(12))
		switch {
		case i == 0 && len(code) > 0:
			program = code
		case w.pool[worldUsers+i] == w.factory():
			program = append(w.create(), w.create()...)
		}
		add(w.pool[worldUsers+i], 1, w.rng.Uint64N(3), program, w.rng.IntN(4))
	}
	for range worldContracts { // children from before the block
		child := w.rng.IntN(len(children))
		addr := crypto.CreateAddress2(w.pool[worldUsers+w.rng.IntN(worldContracts)], [32]byte{}, chain.Keccak256(birth(child)).Bytes())
		if len(children[child][1]) > 0 && !placed[addr] {
			placed[addr] = true
			add(addr, 1, w.rng.Uint64N(2), children[child][1], w.rng.IntN(4))
		}
	}
	if w.rng.IntN(2) == 0 && !w.rules.IsEIP158 {
		add(common.Address{0xab, 19: 1}, 0, 0, nil, 0) // empty
	}
	if w.rules.IsCancun {
		add(params.BeaconRootsAddress, 1, 0, params.BeaconRootsCode, 0)
	}
	if w.rules.IsPrague {
		add(params.HistoryStorageAddress, 1, 0, params.HistoryStorageCode, 0)
		add(params.WithdrawalQueueAddress, 1, 0, params.WithdrawalQueueCode, 0)
		add(params.ConsolidationQueueAddress, 1, 0, params.ConsolidationQueueCode, 0)
	}
	c.Normalize()
	w.state = chain.NewOverlay(nil, c)
}

func (w *world) makeEnv(merged bool) {
	const number = 300
	w.parent = &chain.Header{Number: number - 1, Timestamp: 1000, ExtraData: []byte{}}
	w.env = &chain.Env{
		Number: number, Timestamp: 1012, GasLimit: 5_000_000, ExtraData: []byte{},
		Coinbase: w.anyone(), Difficulty: *uint256.NewInt(131072), PrevRandao: common.Hash{3},
	}
	if merged {
		w.env.Difficulty.Clear()
	} else if w.rng.IntN(3) == 0 {
		w.env.Ommers = []*chain.Header{{Number: number - 1 - w.rng.Uint64N(3), Coinbase: w.anyone(), ExtraData: []byte{}}}
	}
	if w.rules.IsLondon {
		w.env.BaseFee = uint256.NewInt(7)
	}
	if w.rules.IsShanghai {
		w.env.Withdrawals = []chain.Withdrawal{}
		for range w.rng.IntN(3) {
			w.env.Withdrawals = append(w.env.Withdrawals, chain.Withdrawal{Address: w.anyone(), Amount: w.rng.Uint64N(2)})
		}
	}
	if w.rules.IsCancun {
		w.env.ExcessBlobGas, w.env.ParentBeaconBlockRoot = new(uint64), &common.Hash{9}
	}
}

// ancestors are the blocks before.
func (w *world) ancestors() chain.Ancestors {
	return chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
		if number == w.parent.Number {
			return w.parent.Hash(), nil
		}
		return common.Hash{1, 31: byte(number)}, nil
	})
}

// anyone is an address that means something here.
func (w *world) anyone() common.Address {
	if w.rng.IntN(4) == 0 {
		return w.child()
	}
	return w.pool[w.rng.IntN(len(w.pool))]
}

// transaction is a random transaction of a random user; some cannot be included.
func (w *world) transaction() *chain.Tx {
	user := w.rng.IntN(worldUsers)
	nonce := w.nonces[user]
	switch w.rng.IntN(20) {
	case 0:
		nonce++
	case 1:
		nonce--
	}
	var (
		id    = uint256.MustFromBig(w.config.ChainID)
		to    = w.pool[worldUsers+w.rng.IntN(worldContracts)]
		gas   = 21000 + w.rng.Uint64N(400_000)
		value = uint256.NewInt(w.rng.Uint64N(3))
		data  = w.bytes(w.rng.IntN(40))
		price = uint256.NewInt(7 + w.rng.Uint64N(20))
		tip   = uint256.NewInt(w.rng.Uint64N(9))
		list  types.AccessList
		inner types.TxData
	)
	switch w.rng.IntN(5) {
	case 0:
		to = w.anyone()
	case 1:
		to = w.child()
	case 2:
		to = w.factory()
	}
	if w.rng.IntN(3) == 0 {
		list = types.AccessList{{Address: w.anyone(), StorageKeys: []common.Hash{{}, {31: 1}}}}
	}
	kinds := 1
	for _, active := range []bool{w.rules.IsBerlin, w.rules.IsLondon, w.rules.IsCancun, w.rules.IsPrague} {
		if active {
			kinds++
		}
	}
	switch w.rng.IntN(kinds) {
	case 0:
		legacy := &types.LegacyTx{Nonce: nonce, GasPrice: price.ToBig(), Gas: gas, To: &to, Value: value.ToBig(), Data: data}
		if w.rng.IntN(4) == 0 {
			legacy.To, legacy.Data = nil, w.initCode()
		}
		inner = legacy
	case 1:
		inner = &types.AccessListTx{ChainID: w.config.ChainID, Nonce: nonce, GasPrice: price.ToBig(), Gas: gas, To: &to, Value: value.ToBig(), Data: data, AccessList: list}
	case 2:
		inner = &types.DynamicFeeTx{ChainID: w.config.ChainID, Nonce: nonce, GasFeeCap: price.ToBig(), GasTipCap: tip.ToBig(), Gas: gas, To: &to, Value: value.ToBig(), Data: data, AccessList: list}
	case 3:
		inner = &types.BlobTx{ChainID: id, Nonce: nonce, GasFeeCap: price, GasTipCap: tip, Gas: gas, To: to, Value: value, Data: data, AccessList: list,
			BlobFeeCap: uint256.NewInt(w.rng.Uint64N(10)), BlobHashes: make([]common.Hash, 1+w.rng.IntN(3))}
		for i := range inner.(*types.BlobTx).BlobHashes {
			inner.(*types.BlobTx).BlobHashes[i] = common.Hash{kzgVersion, byte(i)}
		}
	case 4:
		inner = &types.SetCodeTx{ChainID: id, Nonce: nonce, GasFeeCap: price, GasTipCap: tip, Gas: gas, To: w.anyone(), Value: value, Data: data, AccessList: list, AuthList: w.authorizations()}
	}
	signer := types.LatestSigner(w.config)
	tx, err := types.SignNewTx(w.keys[user], signer, inner)
	if err != nil {
		panic(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return chain.NewTx(raw)
}

// included tells the world what a transaction in the block did.
func (w *world) included(changes *chain.Changes) {
	for i := range worldUsers {
		if a := changes.Account(w.pool[i]); a != nil {
			w.nonces[i] = a.After.Nonce
		}
	}
}

func (w *world) authorizations() []types.SetCodeAuthorization {
	var out []types.SetCodeAuthorization
	for range 1 + w.rng.IntN(3) {
		user := w.rng.IntN(worldUsers)
		auth := types.SetCodeAuthorization{Address: w.anyone(), Nonce: w.nonces[user] + w.rng.Uint64N(2), ChainID: *uint256.NewInt(w.rng.Uint64N(3))}
		if w.rng.IntN(4) == 0 {
			auth.Address = common.Address{} // takes the delegation away
		}
		signed, err := types.SignSetCode(w.keys[user], auth)
		if err != nil {
			panic(err)
		}
		if w.rng.IntN(8) == 0 {
			signed.V ^= 1 // somebody else's
		}
		out = append(out, signed)
	}
	return out
}

func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return b
}

// program is code of n random statements, each of which leaves the stack as it
// was, or ends the frame.
func (w *world) program(n int) (code []byte) {
	for range n {
		code = append(code, w.statement()...)
	}
	return code
}

// initCode makes a contract: it runs a program and returns some of it as code.
func (w *world) initCode() []byte {
	code := w.program(w.rng.IntN(3))
	runtime := w.program(1 + w.rng.IntN(3))
	runtime = runtime[:min(len(runtime), 32)]
	var word [32]byte
	copy(word[:], runtime)
	code = append(append(code, byte(vm.PUSH32)), word[:]...)
	return append(code, push(0, vm.MSTORE, len(runtime), 0, vm.RETURN)...)
}

// push makes code of small numbers to push and of instructions.
func push(items ...any) (code []byte) {
	for _, item := range items {
		switch item := item.(type) {
		case int:
			code = append(code, byte(vm.PUSH2), byte(item>>8), byte(item))
		case common.Address:
			code = append(append(code, byte(vm.PUSH20)), item[:]...)
		case vm.OpCode:
			code = append(code, byte(item))
		case []byte:
			code = append(code, item...)
		}
	}
	return code
}

func (w *world) statement() []byte {
	var (
		n    = func(below int) int { return w.rng.IntN(below) }
		pick = func(ops ...vm.OpCode) vm.OpCode { return ops[w.rng.IntN(len(ops))] }
		addr = w.anyone()
		slot = n(4)
	)
	switch n(18) {
	case 0, 1:
		return push(n(3), slot, vm.SSTORE)
	case 2:
		return push(slot, vm.SLOAD, 1, vm.ADD, n(4), vm.SSTORE)
	case 3:
		return push(n(3), slot, vm.TSTORE, slot, vm.TLOAD, n(4), vm.SSTORE)
	case 4, 5:
		gas := push(n(1<<16), n(4), vm.MUL)
		if n(2) == 0 {
			gas = push(vm.GAS)
		}
		if n(2) == 0 {
			return push(32, 0, n(40), 0, n(2), addr, gas, pick(vm.CALL, vm.CALLCODE), slot, vm.SSTORE)
		}
		return push(32, 0, n(40), 0, addr, gas, pick(vm.DELEGATECALL, vm.STATICCALL), slot, vm.SSTORE)
	case 6, 7:
		return w.create()
	case 8:
		return push(addr, vm.SELFDESTRUCT)
	case 9:
		return push(addr, pick(vm.BALANCE, vm.EXTCODESIZE, vm.EXTCODEHASH), slot, vm.SSTORE)
	case 10:
		return push(n(40), n(10), n(40), addr, vm.EXTCODECOPY)
	case 11:
		return push(n(5)-1, vm.NUMBER, vm.SUB, vm.BLOCKHASH, slot, vm.SSTORE)
	case 12:
		return push(1, 2, n(40), 0, pick(vm.LOG0, vm.LOG1, vm.LOG2), vm.POP, vm.POP)
	case 13:
		return push(n(40), n(64), pick(vm.REVERT, vm.RETURN))
	case 14:
		return push(pick(vm.INVALID, vm.STOP, vm.SELFBALANCE, vm.BASEFEE, vm.BLOBBASEFEE, vm.PUSH0, vm.CHAINID, vm.GASPRICE, vm.ORIGIN, vm.RETURNDATASIZE), slot, vm.SSTORE)
	case 15:
		return push(n(40), 0, vm.CALLDATALOAD, slot, vm.MSTORE, slot, n(100), n(100), vm.MCOPY)
	case 16:
		return push(n(64), 0, vm.KECCAK256, vm.SLOAD, slot, vm.SSTORE)
	default:
		return w.bytes(1 + n(3))
	}
}

// children are contracts that contracts make: code to run first, and what it leaves
// behind. Some of it reads what an earlier contract at the address may have left.
var children = [][2][]byte{
	{push(1, vm.SLOAD, 3, vm.SSTORE), push(1, 1, vm.SSTORE, vm.CALLER, vm.SELFDESTRUCT)},
	{push(2, vm.SLOAD, 3, vm.SSTORE), push(1, 1, vm.SSTORE, 0, vm.SLOAD, 2, vm.SSTORE, vm.CALLER, vm.SELFDESTRUCT)},
	{push(1, vm.SLOAD, 3, vm.SSTORE), push(1, vm.SLOAD, 1, vm.ADD, 1, vm.SSTORE)},
	{push(2, 1, vm.SSTORE), push(vm.ADDRESS, vm.SELFDESTRUCT)},
	{push(2, 1, vm.SSTORE, vm.CALLER, vm.SELFDESTRUCT), nil},
	{push(2, 1, vm.SSTORE, 0, 0, vm.REVERT), nil},
	{nil, nil},
}

// birth is the code that makes a child.
func birth(child int) []byte {
	code, runtime := bytes.Clone(children[child][0]), children[child][1]
	code = append(append(code, byte(vm.PUSH32)), pad(runtime)...)
	return append(code, push(0, vm.MSTORE, len(runtime), 0, vm.RETURN)...)
}

// child is where a contract makes a random child by CREATE2.
func (w *world) child() common.Address {
	parent, salt := w.factory(), [32]byte{31: byte(w.rng.IntN(2))}
	if w.rng.IntN(4) == 0 {
		parent = w.pool[worldUsers+w.rng.IntN(worldContracts)]
	}
	return crypto.CreateAddress2(parent, salt, chain.Keccak256(birth(w.rng.IntN(len(children)))).Bytes())
}

// factory is the contract that does nothing but make children.
func (w *world) factory() common.Address { return w.pool[worldUsers+worldContracts-1] }

// create makes a child, perhaps calls it, and keeps its address. With CREATE2 the
// same may be tried again in a later transaction, perhaps after it was destroyed.
func (w *world) create() (code []byte) {
	made := birth(w.rng.IntN(len(children)))
	for i := 0; i < len(made); i += 32 {
		code = append(append(code, byte(vm.PUSH32)), pad(made[i:min(i+32, len(made))])...)
		code = append(code, push(i, vm.MSTORE)...)
	}
	if w.rng.IntN(4) == 0 {
		code = append(code, push(len(made), 0, w.rng.IntN(2), vm.CREATE)...)
	} else {
		code = append(code, push(w.rng.IntN(2), len(made), 0, w.rng.IntN(2), vm.CREATE2)...)
	}
	if w.rng.IntN(3) == 0 {
		code = append(code, push(vm.DUP1, 0, 0, 0, 0, 0, vm.DUP6, vm.GAS, vm.CALL, vm.POP)...)
	}
	if w.rng.IntN(2) == 0 {
		return append(code, byte(vm.POP))
	}
	return append(code, push(w.rng.IntN(4), vm.SSTORE)...)
}

// pad is code in the first bytes of a word.
func pad(code []byte) []byte {
	var word [32]byte
	copy(word[:], code)
	return word[:]
}
