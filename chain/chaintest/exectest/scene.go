package exectest

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// New makes the Executor under test, for a chain.
type New func(t testing.TB, config *params.ChainConfig) chain.Executor

// A scene is a chain up to some block, with people who can sign.
type scene struct {
	config   *params.ChainConfig
	executor chain.Executor
	world    *world
	env      *chain.Env
	parent   *chain.Header
	signer   types.Signer
	keys     []*ecdsa.PrivateKey
	people   []common.Address
	nonces   []uint64
}

// Ether each of the people has, and other figures of every scene.
const (
	peopleCount  = 12
	wealth       = 1000 // ether
	parentNumber = 9000 // above EIP-2935's window, so that its slots wrap
	blockGas     = 30_000_000
	baseFee      = 7
	tip          = 2
)

var coinbase = named("coinbase")

// A fork decides what a scene's chain can do.
type fork int

const (
	paris fork = iota // no system contracts
	shanghai
	osaka
)

// newScene makes the state after block parentNumber.
func newScene(t testing.TB, f fork, newExecutor New) *scene {
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(77)
	if f < osaka {
		config.CancunTime, config.PragueTime, config.OsakaTime = nil, nil, nil
	}
	if f < shanghai {
		config.ShanghaiTime = nil
	}
	s := &scene{
		config: &config, world: newWorld(), signer: types.LatestSigner(&config),
		executor: newExecutor(t, &config),
		parent:   &chain.Header{Number: parentNumber, Timestamp: 5000, GasLimit: blockGas, BaseFee: uint256.NewInt(baseFee)},
	}
	s.env = &chain.Env{
		Number: parentNumber + 1, Timestamp: 5012, GasLimit: blockGas, Coinbase: coinbase,
		PrevRandao: common.Hash{7}, BaseFee: uint256.NewInt(baseFee), ExtraData: []byte("exectest"),
	}
	if f >= shanghai {
		s.env.Withdrawals = []chain.Withdrawal{{Index: 1, Validator: 2, Address: named("validator"), Amount: 3}}
	}
	if f >= osaka {
		s.env.ExcessBlobGas, s.env.ParentBeaconBlockRoot = new(uint64), &common.Hash{8}
		s.deploySystem()
	}
	for addr, code := range codes {
		s.world.put(addr, 0, code)
	}
	for i := range uint64(2) {
		s.world.setSlot(refundAddress, slotNumber(i+1), *uint256.NewInt(1))
	}
	for i := range peopleCount {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "exectest %d", i)))
		if err != nil {
			t.Fatal(err)
		}
		s.keys = append(s.keys, key)
		s.people = append(s.people, crypto.PubkeyToAddress(key.PublicKey))
		s.nonces = append(s.nonces, 0)
		s.world.put(s.people[i], wealth, nil)
	}
	return s
}

func (s *scene) deploySystem() {
	for addr, code := range map[common.Address][]byte{
		params.BeaconRootsAddress:        params.BeaconRootsCode,
		params.HistoryStorageAddress:     params.HistoryStorageCode,
		params.WithdrawalQueueAddress:    params.WithdrawalQueueCode,
		params.ConsolidationQueueAddress: params.ConsolidationQueueCode,
	} {
		s.world.put(addr, 0, code)
	}
	s.world.setSlot(chain.HistoryStorageAddress, chain.HistorySlot(parentNumber), *uint256.NewInt(12345))
}

// BlockHash implements chain.Ancestors: the scene's past.
func (s *scene) BlockHash(_ context.Context, number uint64) (common.Hash, error) {
	if number == s.parent.Number {
		return s.parent.Hash(), nil
	}
	return chain.Keccak256(word(number)), nil
}

// An intent is a transaction that is not signed yet. Unset fields have the values
// that a usual transaction has.
type intent struct {
	from  int // index into people
	to    *common.Address
	value uint64 // wei
	data  []byte
	gas   uint64
}

// sign makes a dynamic fee transaction of it, with the sender's next nonce.
func (s *scene) sign(t testing.TB, in intent) *chain.Tx {
	t.Helper()
	if in.gas == 0 {
		in.gas = 300_000
	}
	s.nonces[in.from]++
	return s.signData(t, in.from, &types.DynamicFeeTx{
		ChainID: s.config.ChainID, Nonce: s.nonces[in.from] - 1, To: in.to, Value: new(big.Int).SetUint64(in.value),
		Gas: in.gas, GasFeeCap: big.NewInt(100), GasTipCap: big.NewInt(tip), Data: in.data,
	})
}

func (s *scene) signData(t testing.TB, from int, data types.TxData) *chain.Tx {
	t.Helper()
	tx, err := types.SignNewTx(s.keys[from], s.signer, data)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, tx)
}

func wrap(t testing.TB, tx *types.Transaction) *chain.Tx {
	t.Helper()
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return chain.NewTx(raw)
}

// block is a closed block of txs. Fields of the header that execution determines
// are not set: an Executor does not compare them.
func (s *scene) block(txs ...*chain.Tx) *chain.Block {
	env := s.env
	h := &chain.Header{
		ParentHash: s.parent.Hash(), Number: env.Number, Timestamp: env.Timestamp, GasLimit: env.GasLimit,
		Coinbase: env.Coinbase, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee, ExtraData: env.ExtraData,
		ExcessBlobGas: env.ExcessBlobGas, ParentBeaconBlockRoot: env.ParentBeaconBlockRoot,
	}
	return &chain.Block{Header: h, Txs: txs, Withdrawals: env.Withdrawals}
}

// execute runs a block of txs, which must succeed with all laws kept.
func (s *scene) execute(t testing.TB, txs ...*chain.Tx) *chain.Result {
	t.Helper()
	r, err := s.executor.Execute(t.Context(), s.block(txs...), s, s.world)
	if err != nil {
		t.Fatal(err)
	}
	checkResult(t, r, len(txs))
	return r
}

// checkResult verifies what holds for every result.
func checkResult(t testing.TB, r *chain.Result, txs int) {
	t.Helper()
	if err := r.Changes.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(r.Receipts) != txs {
		t.Fatalf("%d receipts of %d transactions", len(r.Receipts), txs)
	}
	var (
		gas, blobGas uint64
		logs         uint32
		bloom        chain.Bloom
	)
	for i, receipt := range r.Receipts {
		gas += receipt.GasUsed
		blobGas += receipt.BlobGasUsed
		if receipt.CumulativeGasUsed != gas || receipt.TransactionIndex != uint32(i) || receipt.FirstLogIndex != logs {
			t.Fatalf("receipt %d is not in its place: %+v", i, receipt)
		}
		if want := chain.LogsBloom(receipt.Logs); receipt.LogsBloom != want {
			t.Fatalf("receipt %d: wrong bloom", i)
		}
		logs += uint32(len(receipt.Logs))
		bloom.Or(&receipt.LogsBloom)
	}
	if r.GasUsed != gas || r.BlobGasUsed != blobGas || r.LogsBloom != bloom {
		t.Fatalf("the block's gas %d, blob gas %d or bloom is not its receipts'", r.GasUsed, r.BlobGasUsed)
	}
	checkAccessSet(t, r.Accesses)
	for i := range r.Changes.Accounts {
		checkAccessed(t, r.Accesses, &r.Changes.Accounts[i])
	}
}

// checkAccessSet verifies that the set is normalized.
func checkAccessSet(t testing.TB, set *chain.AccessSet) {
	t.Helper()
	var again chain.AccessSet
	for _, a := range set.Accounts {
		a.Slots = append([]common.Hash(nil), a.Slots...)
		again.Accounts = append(again.Accounts, a)
	}
	again.Ancestors = append(again.Ancestors, set.Ancestors...)
	again.Normalize()
	if d := set.Diff(&again); d != "" {
		t.Fatalf("access set is not normalized: %s", d)
	}
}

// checkAccessed verifies that nothing is written that was not accessed.
func checkAccessed(t testing.TB, set *chain.AccessSet, c *chain.AccountChange) {
	t.Helper()
	access := accessOf(set, c.Address)
	if access == nil {
		t.Fatalf("account %s changed without an access", c.Address)
		return // which linters do not know of a testing.TB
	}
	seen := make(map[common.Hash]bool)
	for _, key := range access.Slots {
		seen[key] = true
	}
	for i := range c.Slots {
		if !seen[c.Slots[i].Key] {
			t.Fatalf("slot %s of %s changed without an access", c.Slots[i].Key, c.Address)
		}
	}
}

// accessOf is the entry of addr, or nil.
func accessOf(set *chain.AccessSet, addr common.Address) *chain.AccountAccess {
	for i := range set.Accounts {
		if set.Accounts[i].Address == addr {
			return &set.Accounts[i]
		}
	}
	return nil
}

// crowd signs n valid transactions of all kinds, the same for the same seed.
func (s *scene) crowd(t testing.TB, seed uint64, n int) []*chain.Tx {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	txs := make([]*chain.Tx, n)
	for i := range txs {
		in := intent{from: rng.IntN(peopleCount)}
		switch rng.IntN(12) {
		case 0, 1, 2:
			in.to, in.value = &s.people[rng.IntN(peopleCount)], rng.Uint64N(1e18)
		case 3:
			newcomer := named(fmt.Sprint("newcomer ", rng.IntN(4)))
			in.to, in.value = &newcomer, rng.Uint64N(3)
		case 4, 5:
			in.to, in.data = &storeAddress, append(word(rng.Uint64N(4)), word(rng.Uint64N(3))...)
		case 6:
			in.to = &revertAddress
		case 7:
			in.to, in.data = &logAddress, word(rng.Uint64())
		case 8:
			in.to, in.data = &blockHashAddress, word(parentNumber-rng.Uint64N(300))
		case 9:
			in.to, in.value = &factoryAddress, rng.Uint64N(2)
		case 10:
			in.to, in.data = &mortalMade, word(rng.Uint64N(3))[:32*rng.IntN(2)]
		case 11:
			switch rng.IntN(3) {
			case 0:
				in.data = mortalInit
			case 1:
				in.to, in.value = &ephemeralAddress, rng.Uint64N(2)
			case 2:
				in.to, in.data = &historyAddress, word(parentNumber-rng.Uint64N(2))
			}
		}
		txs[i] = s.sign(t, in)
	}
	return txs
}
