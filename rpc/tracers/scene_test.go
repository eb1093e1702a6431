package tracers

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/crypto"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Contracts of the scene.
var (
	recorder  = common.HexToAddress("0xc0de000000000000000000000000000000000001") // stores and logs its input
	reverter  = common.HexToAddress("0xc0de000000000000000000000000000000000002") // Error("no")
	delegator = common.HexToAddress("0xc0de000000000000000000000000000000000003") // as recorder, by delegatecall
	juggler   = common.HexToAddress("0xc0de000000000000000000000000000000000004") // calls of all kinds
	factory   = common.HexToAddress("0xc0de000000000000000000000000000000000005") // creates, destroys
	mortal    = common.HexToAddress("0xc0de000000000000000000000000000000000006") // destroys itself
	looper    = common.HexToAddress("0xc0de000000000000000000000000000000000007") // never ends
	nester    = common.HexToAddress("0xc0de000000000000000000000000000000000008") // calls juggler and reverts
	twins     = [2]common.Address{{0xc0, 0xde, 19: 0x11}, {0xc0, 0xde, 19: 0x12}}
)

func recorderCode() []byte {
	return program.New().
		Push(32).Op(vm.CALLDATALOAD).Push(0).Op(vm.CALLDATALOAD, vm.SSTORE).
		Op(vm.CALLDATASIZE).Push(0).Push(0).Op(vm.CALLDATACOPY).
		Push(0xbeef).Op(vm.CALLDATASIZE).Push(0).Op(vm.LOG1).
		Return(0, 32).Bytes()
}

func reverterCode() []byte {
	reason := common.FromHex("08c379a0" +
		"0000000000000000000000000000000000000000000000000000000000000020" +
		"0000000000000000000000000000000000000000000000000000000000000002" +
		"6e6f000000000000000000000000000000000000000000000000000000000000")
	return program.New().Mstore(reason, 0).Push(len(reason)).Push(0).Op(vm.REVERT).Bytes()
}

func delegatorCode() []byte {
	return program.New().
		Op(vm.CALLDATASIZE).Push(0).Push(0).Op(vm.CALLDATACOPY).
		DelegateCall(nil, recorder, 0, 64, 0, 32).Op(vm.POP).
		Push(0).Push(0).Op(vm.LOG0).Return(0, 32).Bytes()
}

// jugglerCode calls what there is to call; later also what later forks brought.
func jugglerCode(later bool) []byte {
	p := program.New().
		Mstore(bytes.Repeat([]byte{7}, 64), 0).
		Call(nil, recorder, 5, 0, 64, 0, 32).Op(vm.POP).
		Call(nil, reverter, 0, 0, 0, 0, 0).Op(vm.POP).
		Op(vm.RETURNDATASIZE).Push(0).Push(128).Op(vm.RETURNDATACOPY).
		StaticCall(uint256.NewInt(30_000), recorder, 0, 64, 0, 32).Op(vm.POP). // fails
		CallCode(nil, recorder, 0, 0, 64, 0, 32).Op(vm.POP).
		Call(nil, common.Address{19: 2}, 0, 0, 64, 0, 32).Op(vm.POP).                     // sha256
		Call(nil, common.Address{19: 1}, 0, 0, 64, 0, 32).Op(vm.POP).                     // ecrecover of nonsense
		StaticCall(nil, common.Address{19: 4}, 0, 96, 0, 96).Op(vm.POP).                  // identity
		Call(uint256.NewInt(2000), common.Address{19: 8}, 0, 0, 5, 0, 32).Op(vm.POP).     // pairing, fails
		Call(uint256.NewInt(0), common.HexToAddress("0xdead"), 1, 0, 0, 0, 0).Op(vm.POP). // a new account
		Push(64).Push(0).Op(vm.KECCAK256).Push(3).Op(vm.SSTORE).
		Push(1).Op(vm.NUMBER, vm.SUB, vm.BLOCKHASH).Push(4).Op(vm.SSTORE).
		Push(reverter).Op(vm.EXTCODEHASH, vm.POP).
		Push(twins[0]).Op(vm.EXTCODESIZE, vm.POP).
		Push(twins[1]).Op(vm.BALANCE, vm.POP).
		ExtcodeCopy(delegator, 0, 0, 32)
	if later {
		p.Tstore(1, 9).Push(1).Op(vm.TLOAD).Push(5).Op(vm.SSTORE).
			Push(32).Push(0).Push(64).Op(vm.MCOPY).
			Push(1).Op(vm.NUMBER, vm.SUB).Push(0).Op(vm.MSTORE).
			StaticCall(nil, params.HistoryStorageAddress, 0, 32, 0, 32).Op(vm.POP). // what the opening of the block wrote
			Push(0).Op(vm.MLOAD).Push(6).Op(vm.SSTORE).                             // (go-ethereum's chain maker writes the beacon root last)
			StaticCall(nil, common.Address{18: 1}, 0, 160, 0, 32).Op(vm.POP)        // P256VERIFY
	}
	return p.Op(vm.ADDRESS, vm.COINBASE).Push(0).Push(0).Op(vm.LOG2).Return(0, 64).Bytes()
}

func factoryCode() []byte {
	child := program.New().ReturnViaCodeCopy(recorderCode()).Bytes()
	dying := program.New().Sstore(1, 1).Selfdestruct(recorder).Bytes()
	grave := program.New().ReturnViaCodeCopy(program.New().Selfdestruct(reverter).Bytes()).Bytes()
	failing := program.New().Op(vm.INVALID).Bytes()
	p := program.New().
		Mstore(child, 0).Push(len(child)).Push(0).Push(3).Op(vm.CREATE, vm.POP).
		Mstore(dying, 0).Push(len(dying)).Push(0).Push(1).Op(vm.CREATE, vm.POP).
		Create2ThenCall(grave, 7).
		Create2(child, 8).
		Mstore(failing, 0).Push(len(failing)).Push(0).Push(0).Op(vm.CREATE, vm.POP) // takes nearly all gas
	return p.Op(vm.STOP).Bytes()
}

func looperCode() []byte {
	p, top := program.New().Jumpdest()
	return p.Push(1).Op(vm.POP).Jump(top).Bytes()
}

func nesterCode() []byte {
	return program.New().
		Call(nil, juggler, 0, 0, 0, 0, 0).Op(vm.POP).
		Call(nil, delegator, 0, 0, 64, 0, 0).Op(vm.POP).
		Push(0).Push(0).Op(vm.REVERT).Bytes()
}

// A scene is a chain that go-ethereum made, and two nodes that have it.
type scene struct {
	spec   *core.Genesis
	blocks []*types.Block
	node   *rpctest.Node
	ours   *rpc.Client
	theirs *rpc.Client
}

// forks are the rules that scenes are played under.
var forks = map[string]struct {
	config *params.ChainConfig
	engine consensus.Engine
	later  bool
}{
	"Osaka":  {params.MergedTestChainConfig, beacon.New(ethash.NewFaker()), true},
	"London": {params.TestChainConfig, ethash.NewFaker(), false},
}

func newScene(t *testing.T, fork string, opts rpctest.Options, config Config) *scene {
	rules := forks[fork]
	s := &scene{spec: sceneGenesis(rules.config, rules.later)}
	_, s.blocks, _ = core.GenerateChainWithGenesis(s.spec, rules.engine, 4, (&play{later: rules.later, config: rules.config}).block)
	s.theirs = client(t, gethtracers.NewAPI(newReferee(t, s.spec, rules.engine, s.blocks)))

	file, err := json.Marshal(s.spec)
	require.NoError(t, err)
	spec, err := genesis.Read(bytes.NewReader(file))
	require.NoError(t, err)
	s.node = rpctest.New(t, spec, opts)
	for _, b := range s.blocks {
		raw, err := rlp.EncodeToBytes(b)
		require.NoError(t, err)
		require.Equal(t, b.Hash(), s.node.Import(raw).Hash())
	}
	s.ours = client(t, New(s.node, s.node.Engine(), config))
	return s
}

func sceneGenesis(config *params.ChainConfig, later bool) *core.Genesis {
	alloc := types.GenesisAlloc{
		recorder: {Code: recorderCode(), Storage: map[common.Hash]common.Hash{{31: 9}: {31: 1}}},
		reverter: {Code: reverterCode()}, delegator: {Code: delegatorCode(), Nonce: 3},
		juggler: {Code: jugglerCode(later), Balance: big.NewInt(1000)},
		factory: {Code: factoryCode(), Balance: big.NewInt(1000)},
		mortal: {
			Code: program.New().Sstore(2, 2).Selfdestruct(looper).Bytes(), Balance: big.NewInt(50),
			Storage: map[common.Hash]common.Hash{{31: 1}: {31: 1}},
		},
		looper: {Code: looperCode()}, nester: {Code: nesterCode()},
		twins[0]: {Code: recorderCode()}, twins[1]: {Code: recorderCode()},
	}
	if later {
		for addr, account := range core.SystemContractAllocs() {
			alloc[addr] = account
		}
	}
	for addr, account := range alloc {
		if account.Balance == nil {
			account.Balance = new(big.Int)
			alloc[addr] = account
		}
	}
	for i := range 3 {
		alloc[addressOf(i)] = types.Account{Balance: new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether))}
	}
	g := &core.Genesis{Config: config, GasLimit: 30_000_000, Timestamp: 1, Alloc: alloc, BaseFee: big.NewInt(params.InitialBaseFee), Difficulty: new(big.Int)}
	if !later {
		g.Difficulty = big.NewInt(131072)
	}
	return g
}

func keyOf(i int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
	if err != nil {
		panic(err)
	}
	return key
}

func addressOf(i int) common.Address { return crypto.PubkeyToAddress(keyOf(i).PublicKey) }

// play makes the blocks of a scene.
type play struct {
	later  bool
	config *params.ChainConfig
}

func (p *play) block(i int, b *core.BlockGen) {
	if p.later {
		b.SetPoS()
		b.SetParentBeaconRoot(common.Hash{byte(i + 1)})
		b.AddWithdrawal(&types.Withdrawal{Validator: 1, Address: common.Address{9}, Amount: 5})
	}
	b.SetCoinbase(common.Address{0xcb, byte(i)})
	word := func(v byte) []byte { return common.LeftPadBytes([]byte{v}, 32) }
	input := func(k, v byte) []byte { return append(word(k), word(v)...) }
	switch i {
	case 0:
		p.add(b, 0, &common.Address{7}, 12345, nil)
		p.add(b, 0, &recorder, 0, input(1, 5))
		p.add(b, 1, &delegator, 1, input(2, 6))
		p.add(b, 0, &juggler, 20, nil)
		p.add(b, 1, &reverter, 0, []byte{1, 2, 3, 4})
		p.add(b, 0, nil, 1, program.New().Sstore(0, 1).ReturnViaCodeCopy(recorderCode()).Bytes())
	case 1:
		p.add(b, 0, &factory, 0, nil)
		p.add(b, 0, &mortal, 3, nil)
		p.add(b, 1, &mortal, 3, nil)
		p.add(b, 1, &looper, 0, nil)
		p.add(b, 0, nil, 0, program.New().Op(vm.INVALID).Bytes())
		p.add(b, 0, nil, 0, reverterCode())
		p.add(b, 0, &nester, 0, input(4, 4))
	case 2:
		p.add(b, 0, &recorder, 0, input(9, 0)) // clears a slot: a refund
		p.add(b, 1, &juggler, 0, []byte{0xaa, 0xbb, 0xcc, 0xdd, 1})
		if p.later {
			p.delegate(b, recorder)
			p.add(b, 0, ptr(addressOf(2)), 7, input(1, 2))
			p.add(b, 0, &delegator, 0, input(3, 3))
		}
	case 3: // empty
	}
}

func ptr[T any](v T) *T { return &v }

func (p *play) add(b *core.BlockGen, from int, to *common.Address, wei int64, data []byte) {
	nonce, price := b.TxNonce(addressOf(from)), new(big.Int).Add(b.BaseFee(), big.NewInt(params.GWei))
	gas := uint64(1_000_000)
	if to == &looper {
		gas = 60_000 // all of which it uses
	}
	var tx types.TxData = &types.LegacyTx{Nonce: nonce, To: to, Value: big.NewInt(wei), Gas: gas, GasPrice: price, Data: data}
	if nonce%2 == 1 {
		tx = &types.DynamicFeeTx{
			ChainID: p.config.ChainID, Nonce: nonce, To: to, Value: big.NewInt(wei), Gas: gas,
			GasFeeCap: new(big.Int).Mul(price, big.NewInt(2)), GasTipCap: big.NewInt(1000), Data: data,
			AccessList: types.AccessList{{Address: recorder, StorageKeys: []common.Hash{{31: 1}}}},
		}
	}
	b.AddTx(types.MustSignNewTx(keyOf(from), b.Signer(), tx))
}

// delegate has account 2 delegate to target, in a transaction of account 1 that
// calls it at once, beside authorizations that are of no effect.
func (p *play) delegate(b *core.BlockGen, target common.Address) {
	id := uint256.MustFromBig(p.config.ChainID)
	sign := func(from int, auth types.SetCodeAuthorization) types.SetCodeAuthorization {
		signed, err := types.SignSetCode(keyOf(from), auth)
		if err != nil {
			panic(err)
		}
		return signed
	}
	b.AddTx(types.MustSignNewTx(keyOf(1), b.Signer(), &types.SetCodeTx{
		ChainID: id, Nonce: b.TxNonce(addressOf(1)), To: addressOf(2), Gas: 1_000_000,
		GasFeeCap: uint256.NewInt(100 * params.GWei), GasTipCap: uint256.NewInt(1), Value: uint256.NewInt(2),
		Data: common.LeftPadBytes([]byte{8}, 64),
		AuthList: []types.SetCodeAuthorization{
			sign(2, types.SetCodeAuthorization{ChainID: *id, Address: target, Nonce: 0}),
			sign(0, types.SetCodeAuthorization{ChainID: *id, Address: target, Nonce: 99}),
			{ChainID: *id, Address: target, R: *uint256.NewInt(1), S: *uint256.NewInt(1)},
		},
	}))
}
