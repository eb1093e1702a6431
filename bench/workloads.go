package bench

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/trie"
)

// A Workload is blocks to execute, each with the state before it. It is read only,
// and may be used by many benchmarks, one after the other.
type Workload struct {
	Name   string // without /impl=...: "load=mainnet/blocks=45"
	Config *params.ChainConfig
	Blocks []*Block
}

// A Block is one block of a Workload.
type Block struct {
	*chain.Block // its transactions know their senders
	Ancestors    chain.Ancestors
	Parent       *chain.Header    // nil if it is not at hand
	State        *chain.Changes   // the state before, as Changes of the empty state
	Prior        chain.StateView  // the same, as plain maps
	Want         *chain.Result    // what it does according to the referee
	Senders      []common.Address // of Txs
}

// Gas is the gas that all blocks use.
func (w *Workload) Gas() (gas uint64) {
	for _, b := range w.Blocks {
		gas += b.Want.GasUsed
	}
	return gas
}

// Txs is the number of transactions of all blocks.
func (w *Workload) Txs() (n int) {
	for _, b := range w.Blocks {
		n += len(b.Txs)
	}
	return n
}

// referee fills in Want, with state roots of zero in receipts from before
// Byzantium.
func (b *Block) referee(ctx context.Context, config *params.ChainConfig) error {
	var err error
	if b.Want, err = oracle.NewReferee(config).Execute(ctx, b.Block, b.Ancestors, b.Prior); err != nil {
		return fmt.Errorf("block %d: referee: %w", b.Header.Number, err)
	}
	if !isByzantium(config, b.Header.Number) {
		for _, r := range b.Want.Receipts {
			r.HasPostState, r.Status = true, 0
		}
	}
	return nil
}

// outcome is what every engine should make of the block.
func (b *Block) outcome() *Outcome {
	return &Outcome{
		GasUsed: b.Want.GasUsed, LogsBloom: b.Want.LogsBloom,
		ReceiptsRoot: trie.ReceiptsRoot(b.Want.Receipts), Changes: b.Want.Changes,
	}
}

// transactions are the block's, each a new object that knows its sender if it is
// to be known: what one engine keeps in them is not another's.
func (b *Block) transactions(sendersKnown bool) []*chain.Tx {
	txs := make([]*chain.Tx, len(b.Txs))
	for i, tx := range b.Txs {
		txs[i] = chain.NewTx(tx.Raw())
		if sendersKnown {
			txs[i].SetSender(b.Senders[i])
		}
	}
	return txs
}

// maps is a state as plain maps: the least that a view can cost, and the same for
// all.
type maps struct {
	accounts map[common.Address]chain.Account
	slots    map[common.Address]map[common.Hash]uint256.Int
	codes    map[common.Hash][]byte
}

// newMaps is the state that canonical Changes make of the empty one.
func newMaps(c *chain.Changes) *maps {
	m := &maps{
		accounts: make(map[common.Address]chain.Account, len(c.Accounts)),
		slots:    make(map[common.Address]map[common.Hash]uint256.Int),
		codes:    make(map[common.Hash][]byte, len(c.Codes)),
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		m.accounts[a.Address] = a.After
		if len(a.Slots) > 0 {
			slots := make(map[common.Hash]uint256.Int, len(a.Slots))
			for _, s := range a.Slots {
				slots[s.Key] = s.After
			}
			m.slots[a.Address] = slots
		}
	}
	for _, code := range c.Codes {
		m.codes[code.Hash] = code.Bytes
	}
	return m
}

// Account implements chain.StateView.
func (m *maps) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := m.accounts[addr]
	return a, ok, nil
}

// Slot implements chain.StateView.
func (m *maps) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return m.slots[addr][key], nil
}

// Code implements chain.StateView.
func (m *maps) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, nil
	}
	code, ok := m.codes[hash]
	if !ok {
		return nil, fmt.Errorf("code %s: %w", hash, chain.ErrNotFound)
	}
	return code, nil
}
