package genesis

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// A Spec is a chain's rules and its beginning.
type Spec struct {
	Config  *params.ChainConfig
	Genesis *chain.Genesis
}

// maxExtraData is Ethereum's bound on a header's extraData, in bytes.
const maxExtraData = 32

// fields are the members of genesis.json that are not rules or state.
type fields struct {
	Nonce         uint64
	Timestamp     uint64
	ExtraData     []byte
	GasLimit      uint64
	Difficulty    uint256.Int
	Mixhash       common.Hash
	Coinbase      common.Address
	GasUsed       uint64
	ParentHash    common.Hash
	BaseFee       *uint256.Int
	ExcessBlobGas *uint64
	BlobGasUsed   *uint64
}

// build puts rules, fields and state together. It brings state into canonical
// form in place and keeps it.
func build(config *params.ChainConfig, f *fields, state *chain.Changes) (*Spec, error) {
	if err := checkConfig(config, f.Timestamp); err != nil {
		return nil, err
	}
	header, err := f.header(config)
	if err != nil {
		return nil, err
	}
	state.Normalize()
	if err := state.Validate(); err != nil {
		return nil, fmt.Errorf("genesis state: %w", err)
	}
	if config.IsPrague(common.Big0, f.Timestamp) { // a later one leaves time to deploy them
		if err := CheckSystemContracts(chain.NewOverlay(nil, state)); err != nil {
			return nil, fmt.Errorf("genesis: %w: add it to alloc", err)
		}
	}
	if header.StateRoot, err = stateRoot(state); err != nil {
		return nil, fmt.Errorf("genesis state root: %w", err)
	}
	return &Spec{
		Config:  config,
		Genesis: &chain.Genesis{ChainID: config.ChainID.Uint64(), Header: header, State: state},
	}, nil
}

// checkConfig refuses rules that contradict themselves, and those under which
// block 0 would look otherwise than Vivace can make it. Forks after Osaka that are
// only scheduled are the executor's to refuse when they come.
func checkConfig(c *params.ChainConfig, time uint64) error {
	active := func(fork *uint64) bool { return fork != nil && *fork <= time }
	switch {
	case c.ChainID == nil || !c.ChainID.IsUint64():
		return fmt.Errorf("%w: genesis: chain id %v is not a 64-bit number", chain.ErrInvalidBlock, c.ChainID)
	case c.Clique != nil:
		return fmt.Errorf("%w: genesis: proof of authority (clique) is not supported", chain.ErrInvalidBlock)
	case active(c.AmsterdamTime), active(c.BogotaTime), active(c.UBTTime), c.EnableUBTAtGenesis:
		return fmt.Errorf("%w: genesis: begins with a fork after Osaka", chain.ErrInvalidBlock)
	}
	if err := c.CheckConfigForkOrder(); err != nil {
		return fmt.Errorf("%w: genesis: %w", chain.ErrInvalidBlock, err)
	}
	return nil
}

// header is block 0 without its state root, after core.Genesis.ToBlock of
// go-ethereum.
func (f *fields) header(config *params.ChainConfig) (*chain.Header, error) {
	if len(f.ExtraData) > maxExtraData {
		return nil, fmt.Errorf("%w: genesis: extraData has %d bytes, limit %d", chain.ErrTooLarge, len(f.ExtraData), maxExtraData)
	}
	h := &chain.Header{
		ParentHash:       f.ParentHash,
		OmmersHash:       chain.EmptyOmmersHash,
		Coinbase:         f.Coinbase,
		TransactionsRoot: chain.EmptyRoot,
		ReceiptsRoot:     chain.EmptyRoot,
		Difficulty:       f.Difficulty,
		GasLimit:         f.GasLimit,
		GasUsed:          f.GasUsed,
		Timestamp:        f.Timestamp,
		ExtraData:        f.ExtraData,
		PrevRandao:       f.Mixhash,
		BaseFee:          f.BaseFee,
	}
	binary.BigEndian.PutUint64(h.Nonce[:], f.Nonce)
	if h.GasLimit == 0 {
		h.GasLimit = params.GenesisGasLimit
	}
	if config.IsLondon(common.Big0) && h.BaseFee == nil {
		h.BaseFee = uint256.NewInt(params.InitialBaseFee)
	}
	if config.IsShanghai(common.Big0, h.Timestamp) {
		h.WithdrawalsRoot = &common.Hash{}
		*h.WithdrawalsRoot = chain.EmptyRoot
	}
	cancun := config.IsCancun(common.Big0, h.Timestamp)
	if !cancun && (f.ExcessBlobGas != nil || f.BlobGasUsed != nil) {
		return nil, fmt.Errorf("%w: genesis: blob gas before Cancun", chain.ErrInvalidBlock)
	}
	if cancun {
		h.BlobGasUsed = orZero(f.BlobGasUsed)
		h.ExcessBlobGas = orZero(f.ExcessBlobGas)
		h.ParentBeaconBlockRoot = new(common.Hash) // it has no parent
	}
	if config.IsPrague(common.Big0, h.Timestamp) {
		none := chain.RequestsHash(nil)
		h.RequestsHash = &none
	}
	return h, nil
}

func orZero(v *uint64) *uint64 {
	if v == nil {
		return new(uint64)
	}
	return v
}

func stateRoot(state *chain.Changes) (common.Hash, error) {
	ctx := context.Background()
	commitment, err := trie.New(trie.Config{}).Begin(ctx, chain.EmptyRoot)
	if err != nil {
		return common.Hash{}, err
	}
	defer commitment.Discard()
	if err := commitment.Apply(state); err != nil {
		return common.Hash{}, err
	}
	return commitment.Root(ctx)
}
