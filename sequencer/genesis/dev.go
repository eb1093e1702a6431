package genesis

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Defaults of DevOptions.
const (
	DevChainID  = 31337
	DevGasLimit = 10_000_000_000
	DevBaseFee  = params.GWei // wei
)

// DevOptions says what a development chain is like. The zero value is a chain
// with no accounts but the system contracts.
type DevOptions struct {
	ChainID   uint64       // 0: DevChainID
	GasLimit  uint64       // 0: DevGasLimit
	BaseFee   *uint256.Int // of block 0, wei; nil: DevBaseFee
	Timestamp uint64       // of block 0, seconds
	Coinbase  common.Address
	// State is what is there beside the system contracts, as Changes of the empty
	// state, not necessarily sorted. It belongs to the Spec from then on.
	State *chain.Changes
}

// Dev makes a chain on which Osaka and all before it are active from block 0, with
// the system contracts of EIP-4788, 2935, 7002 and 7251 at their addresses. Same
// options, same chain. An account in State where a system contract is, or
// there twice, matches chain.ErrCorrupt.
func Dev(o DevOptions) (*Spec, error) {
	if o.ChainID == 0 {
		o.ChainID = DevChainID
	}
	if o.GasLimit == 0 {
		o.GasLimit = DevGasLimit
	}
	if o.BaseFee == nil {
		o.BaseFee = uint256.NewInt(DevBaseFee)
	}
	if o.State == nil {
		o.State = new(chain.Changes)
	}
	appendSystemContracts(o.State)
	return build(devConfig(o.ChainID), &fields{
		Timestamp: o.Timestamp,
		GasLimit:  o.GasLimit,
		Coinbase:  o.Coinbase,
		BaseFee:   o.BaseFee,
	}, o.State)
}

func devConfig(chainID uint64) *params.ChainConfig {
	var (
		block = new(big.Int)
		time  = new(uint64)
	)
	return &params.ChainConfig{
		ChainID:                 new(big.Int).SetUint64(chainID),
		HomesteadBlock:          block,
		EIP150Block:             block,
		EIP155Block:             block,
		EIP158Block:             block,
		ByzantiumBlock:          block,
		ConstantinopleBlock:     block,
		PetersburgBlock:         block,
		IstanbulBlock:           block,
		MuirGlacierBlock:        block,
		BerlinBlock:             block,
		LondonBlock:             block,
		ArrowGlacierBlock:       block,
		GrayGlacierBlock:        block,
		MergeNetsplitBlock:      block,
		TerminalTotalDifficulty: block,
		ShanghaiTime:            time,
		CancunTime:              time,
		PragueTime:              time,
		OsakaTime:               time,
		BlobScheduleConfig: &params.BlobScheduleConfig{
			Cancun: params.DefaultCancunBlobConfig,
			Prague: params.DefaultPragueBlobConfig,
		},
	}
}
