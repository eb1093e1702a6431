package ethapi_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

var (
	// emitter stores word 1 of its input under word 0, and logs the input with none,
	// two and four topics.
	emitter     = common.HexToAddress("0xe0000000000000000000000000000000000000e1")
	emitterCode = common.FromHex("365f5f37" + "6020355f3555" + "365fa0" + "6020355f35365fa2" + "5f355f355f355f35365fa4" + "00")
	// reverter gives its input back.
	reverter     = common.HexToAddress("0xe0000000000000000000000000000000000000e2")
	reverterCode = common.FromHex("365f5f37365ffd")
)

// refereeGenesis is a chain with every fork that there is.
func refereeGenesis() *core.Genesis {
	before, after := uint64(1_600_000_000), uint64(4_102_444_800) // genesis, and all blocks
	config := *params.MergedTestChainConfig
	config.AmsterdamTime, config.BogotaTime, config.UBTTime = nil, nil, nil
	config.BPO1Time, config.BPO3Time, config.BPO4Time, config.BPO5Time = nil, nil, nil, nil
	config.OsakaTime, config.BPO2Time = &before, &after
	config.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig,
		BPO2: params.DefaultBPO2BlobConfig,
	}
	ether := new(big.Int).Mul(big.NewInt(rpctest.Ether), big.NewInt(params.Ether))
	alloc := types.GenesisAlloc{
		emitter:                          {Code: emitterCode, Balance: big.NewInt(1), Storage: map[common.Hash]common.Hash{{}: {31: 9}}},
		reverter:                         {Code: reverterCode, Balance: new(big.Int)},
		params.HistoryStorageAddress:     {Code: params.HistoryStorageCode, Nonce: 1, Balance: new(big.Int)},
		params.BeaconRootsAddress:        {Code: params.BeaconRootsCode, Nonce: 1, Balance: new(big.Int)},
		params.WithdrawalQueueAddress:    {Code: params.WithdrawalQueueCode, Nonce: 1, Balance: new(big.Int)},
		params.ConsolidationQueueAddress: {Code: params.ConsolidationQueueCode, Nonce: 1, Balance: new(big.Int)},
	}
	for i := range rpctest.Accounts {
		alloc[rpctest.AccountAt(i).Address] = types.Account{Balance: ether}
	}
	return &core.Genesis{
		Config: &config, Alloc: alloc, GasLimit: 30_000_000, BaseFee: big.NewInt(params.GWei),
		Difficulty: new(big.Int), Timestamp: 1_700_000_000, Coinbase: common.Address{0xc0}, ExtraData: []byte("referee"),
	}
}

// A pair is our node and go-ethereum's, of the same chain.
type pair struct {
	node *rpctest.Node
	ours *server
	geth string // URL
	txs  []*chain.Tx
	rng  *rand.Rand
}

// newPair makes a chain of random blocks, and has go-ethereum execute them.
func newPair(t *testing.T, seed uint64, blocks int) *pair {
	t.Helper()
	g := refereeGenesis()
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := genesis.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	geth, err := gethdev.Start(gethdev.Config{Genesis: g})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := geth.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &pair{node: rpctest.New(t, spec, rpctest.Options{}), geth: geth.URL(), rng: rand.New(rand.NewPCG(seed, 1))}
	p.ours = serveWith(t, p.node, ethapi.Options{TipDefault: uint256.NewInt(1)}) // as the referee's miner has it
	for n := range blocks {
		for range p.rng.IntN(8) {
			p.push(n)
		}
		header := p.node.Seal()
		b, err := p.node.History().Block(header.Number)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := oracle.Block(&chain.Block{Header: b.Header, Txs: b.Txs, Withdrawals: b.Env.Withdrawals})
		if err != nil {
			t.Fatal(err)
		}
		if err := geth.Import(sealed); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// push executes a random transaction.
func (p *pair) push(block int) {
	tx := p.tx(p.rng.IntN(rpctest.Accounts))
	p.txs = append(p.txs, tx)
	p.node.Push(tx)
}

func (p *pair) gwei(most int) *big.Int { return big.NewInt(p.rng.Int64N(int64(most) * params.GWei)) }

func (p *pair) word() []byte { return common.LeftPadBytes([]byte{byte(p.rng.IntN(4))}, 32) }

// tx is a random transaction of account i.
func (p *pair) tx(i int) *chain.Tx {
	var (
		config = p.node.ChainConfig()
		nonce  = p.node.Nonce(i)
		to     = []*common.Address{&emitter, &emitter, &emitter, &reverter, {0x77, byte(p.rng.IntN(3))}, nil}[p.rng.IntN(6)]
		data   = append(p.word(), p.word()...)
		value  = big.NewInt(0)
		gas    = uint64(300_000)
		list   = types.AccessList{}
	)
	if to == nil || to[0] == 0x77 {
		value = p.gwei(1_000_000)
	}
	if p.rng.IntN(5) == 0 {
		gas = 24_000 // too little for the emitter
		data = nil
	}
	if to == nil {
		gas, data = 300_000, append(common.FromHex("600d600c600039600d6000f3"), make([]byte, 13)...)
	}
	if p.rng.IntN(2) == 0 {
		gas += 20_000
		list = types.AccessList{{Address: emitter, StorageKeys: []common.Hash{{}, {31: 1}}}, {Address: common.Address{9}, StorageKeys: []common.Hash{}}}
	}
	tip, cap := p.gwei(4), new(big.Int).Add(p.gwei(4), big.NewInt(5*params.GWei))
	if p.rng.IntN(3) == 0 {
		tip = big.NewInt(p.rng.Int64N(3)) // less than 2 wei does not count for suggestions
	}
	if to == nil && p.rng.IntN(2) == 0 {
		value = new(big.Int)
	}
	switch kind := p.rng.IntN(6); {
	case kind == 0:
		return p.node.Sign(i, &types.LegacyTx{Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data})
	case kind == 1: // signed for no chain
		tx := types.MustSignNewTx(rpctest.AccountAt(i).Key, types.HomesteadSigner{}, &types.LegacyTx{Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data})
		raw, err := tx.MarshalBinary()
		if err != nil {
			panic(err)
		}
		return chain.NewTx(raw)
	case kind == 2:
		return p.node.Sign(i, &types.AccessListTx{ChainID: config.ChainID, Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data, AccessList: list})
	case kind == 3 && to != nil:
		return p.node.Sign(i, &types.BlobTx{
			ChainID: uint256.MustFromBig(config.ChainID), Nonce: nonce, To: *to, Gas: gas, GasTipCap: uint256.MustFromBig(tip),
			GasFeeCap: uint256.MustFromBig(cap), Value: uint256.MustFromBig(value), Data: data, AccessList: list,
			BlobFeeCap: uint256.NewInt(params.GWei), BlobHashes: []common.Hash{{1, 2}, {1, 3}}[:1+p.rng.IntN(2)],
		})
	case kind == 4 && to != nil:
		return p.node.Sign(i, &types.SetCodeTx{
			ChainID: uint256.MustFromBig(config.ChainID), Nonce: nonce, To: *to, Gas: gas + 50_000, GasTipCap: uint256.MustFromBig(tip),
			GasFeeCap: uint256.MustFromBig(cap), Value: uint256.MustFromBig(value), Data: data, AccessList: list,
			AuthList: []types.SetCodeAuthorization{p.authorization(), p.authorization()},
		})
	}
	return p.node.Sign(i, &types.DynamicFeeTx{ChainID: config.ChainID, Nonce: nonce, To: to, Gas: gas, GasTipCap: tip, GasFeeCap: cap, Value: value, Data: data, AccessList: list})
}

// authorization is of somebody who sends no transactions, valid as long as its nonce
// is.
func (p *pair) authorization() types.SetCodeAuthorization {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(p.rng.IntN(3))}))
	if err != nil {
		panic(err)
	}
	auth, err := types.SignSetCode(key, types.SetCodeAuthorization{
		ChainID: *uint256.NewInt([]uint64{0, p.node.ChainConfig().ChainID.Uint64()}[p.rng.IntN(2)]), Address: emitter, Nonce: uint64(p.rng.IntN(2)),
	})
	if err != nil {
		panic(err)
	}
	return auth
}
