package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Traffic says what the transactions of a made-up block are.
type Traffic struct {
	Kind     string
	Mix      datagen.Mix
	Accounts int // that take part; all have tokens
	Txs      int
}

// String is the workload's name.
func (t Traffic) String() string {
	return fmt.Sprintf("load=%s/accounts=%d/txs=%d", t.Kind, t.Accounts, t.Txs)
}

// ERC20 is transfers of two tokens between accounts that all have some already.
func ERC20(accounts, txs int) Traffic {
	return Traffic{"erc20", datagen.Mix{datagen.TokenTransfer: 1}, accounts, txs}
}

// Swaps are swaps of one token for another at one pair in the manner of Uniswap V2,
// through its router.
func Swaps(accounts, txs int) Traffic {
	return Traffic{"swap", datagen.Mix{datagen.Swap: 1}, accounts, txs}
}

// Generated is one block of traffic, by the rules of Osaka, the same at every call.
func Generated(ctx context.Context, t Traffic) (*Workload, error) {
	load, err := datagen.New(datagen.Config{Seed: 1, Accounts: t.Accounts, Mix: t.Mix, ChainID: genesis.DevChainID})
	if err != nil {
		return nil, err
	}
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	if err != nil {
		return nil, err
	}
	b := firstBlock(spec)
	for _, tx := range load.Lanes(1)[0].Batch(t.Txs) {
		b.add(chain.NewTx(tx.Raw), tx.From)
	}
	w := &Workload{Name: t.String(), Config: spec.Config, Blocks: []*Block{b}}
	if err := b.referee(ctx, w.Config); err != nil {
		return nil, err
	}
	for i, r := range b.Want.Receipts {
		if r.Status != 1 {
			return nil, fmt.Errorf("transaction %d of %s failed", i, w.Name)
		}
	}
	return w, nil
}

// Contract is one transaction that calls a contract of the data set in dir, of the
// file name.json, by the rules of Prague (Osaka would not let one transaction have
// that much gas). The transaction has the file's gas limit, or gasLimit if that is
// not 0: a small one ends the run early, out of gas.
func Contract(ctx context.Context, dir, name string, gasLimit uint64) (*Workload, error) {
	call, err := readCall(filepath.Join(dir, name+".json"), name)
	if err != nil {
		return nil, err
	}
	if gasLimit != 0 {
		call.gas = gasLimit
	}
	key := crypto.ToECDSAUnsafe(crypto.Keccak256([]byte("vivace bench")))
	from := crypto.PubkeyToAddress(key.PublicKey)
	call.state.Accounts = append(call.state.Accounts, chain.AccountChange{
		Address: from, Exists: true,
		After: chain.Account{Balance: *new(uint256.Int).Lsh(uint256.NewInt(1), 128), CodeHash: chain.EmptyCodeHash},
	})
	spec, err := genesis.Dev(genesis.DevOptions{State: call.state})
	if err != nil {
		return nil, err
	}
	config := *spec.Config
	config.OsakaTime = nil
	tx, err := types.SignNewTx(key, types.NewPragueSigner(config.ChainID), &types.LegacyTx{
		GasPrice: big.NewInt(genesis.DevBaseFee), Gas: call.gas, To: &call.to, Data: call.data,
	})
	if err != nil {
		return nil, err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := firstBlock(spec)
	b.add(chain.NewTx(raw), from)
	w := &Workload{Name: contractName(name, gasLimit), Config: &config, Blocks: []*Block{b}}
	if err := b.referee(ctx, w.Config); err != nil {
		return nil, err
	}
	if failed := b.Want.Receipts[0].Status != 1; failed != (gasLimit != 0) {
		return nil, fmt.Errorf("%s: transaction failed: %t, with gas limit %d", name, failed, call.gas)
	}
	return w, nil
}

func contractName(name string, gasLimit uint64) string {
	if gasLimit == 0 {
		return "load=" + name
	}
	return fmt.Sprintf("load=%s/gaslimit=%d", name, gasLimit)
}

// firstBlock is an empty block after the genesis of a development chain.
func firstBlock(spec *genesis.Spec) *Block {
	parent := spec.Genesis.Header
	header := &chain.Header{
		ParentHash: parent.Hash(), OmmersHash: chain.EmptyOmmersHash,
		Coinbase: common.HexToAddress("0xc01bba5e"), Number: 1, GasLimit: parent.GasLimit, Timestamp: parent.Timestamp + 1,
		BaseFee: parent.BaseFee, BlobGasUsed: new(uint64), ExcessBlobGas: new(uint64),
		WithdrawalsRoot: &chain.EmptyRoot, ParentBeaconBlockRoot: new(common.Hash), RequestsHash: new(common.Hash),
	}
	return &Block{
		Block: &chain.Block{Header: header, Withdrawals: []chain.Withdrawal{}},
		Ancestors: chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
			if number != parent.Number {
				return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
			}
			return header.ParentHash, nil
		}),
		Parent: parent, State: spec.Genesis.State, Prior: newMaps(spec.Genesis.State),
	}
}

func (b *Block) add(tx *chain.Tx, from common.Address) {
	tx.SetSender(from)
	b.Txs = append(b.Txs, tx)
	b.Senders = append(b.Senders, from)
}

// A call is what a file of the data set says: contracts, and one of them to call.
type call struct {
	state *chain.Changes // without the caller
	to    common.Address
	data  []byte
	gas   uint64
}

// readCall reads the contracts and the call of the state test in a file. Its
// sender, whose key nobody has, is left out, and so are its environment and price.
func readCall(file, name string) (*call, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var tests map[string]struct {
		Pre map[common.Address]struct {
			Code    hexutil.Bytes
			Nonce   math.HexOrDecimal64
			Storage map[string]string
		}
		Transaction []struct {
			To       *common.Address
			Data     hexutil.Bytes
			GasLimit math.HexOrDecimal64
		}
	}
	if err := json.Unmarshal(src, &tests); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	test := tests[name]
	if len(test.Transaction) != 1 {
		return nil, fmt.Errorf("%s: %d transactions, want 1", file, len(test.Transaction))
	}
	tx := test.Transaction[0]
	if tx.To == nil {
		return nil, fmt.Errorf("%s: transaction calls no contract", file)
	}
	c := &call{state: new(chain.Changes), to: *tx.To, data: tx.Data, gas: uint64(tx.GasLimit)}
	for addr, a := range test.Pre {
		if len(a.Code) == 0 {
			continue
		}
		code := chain.Code{Hash: chain.Keccak256(a.Code), Bytes: a.Code}
		account := chain.AccountChange{
			Address: addr, Exists: true, After: chain.Account{Nonce: uint64(a.Nonce), CodeHash: code.Hash},
		}
		for key, value := range a.Storage {
			slot := chain.SlotChange{Key: common.HexToHash(key)}
			slot.After.SetBytes(common.FromHex(value))
			account.Slots = append(account.Slots, slot)
		}
		c.state.Codes = append(c.state.Codes, code)
		c.state.Accounts = append(c.state.Accounts, account)
	}
	return c, nil
}
