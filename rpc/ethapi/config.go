package ethapi

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/vivace-chain/vivace/chain"
)

// A ForkConfig is what a fork has (EIP-7910).
type ForkConfig struct {
	ActivationTime  uint64                    `json:"activationTime"` // 0 if it was active at genesis
	BlobSchedule    *params.BlobConfig        `json:"blobSchedule"`
	ChainID         *hexutil.Big              `json:"chainId"`
	ForkID          hexutil.Bytes             `json:"forkId"` // EIP-6122
	Precompiles     map[string]common.Address `json:"precompiles"`
	SystemContracts map[string]common.Address `json:"systemContracts"`
}

// ForkConfigs is the answer of eth_config: the fork that is active, the next and the
// last one, null if none is planned.
type ForkConfigs struct {
	Current *ForkConfig `json:"current"`
	Next    *ForkConfig `json:"next"`
	Last    *ForkConfig `json:"last"`
}

// Config is eth_config (EIP-7910). Precompiles are those of Ethereum's forks.
func (a *API) Config() (*ForkConfigs, error) {
	genesis, err := a.backend.History().Header(0)
	if err != nil {
		return nil, err
	}
	head, err := a.backend.History().Header(a.backend.History().Head().Number)
	if err != nil {
		return nil, err
	}
	var (
		config  = a.backend.ChainConfig()
		current = config.LatestFork(head.Timestamp)
		last    = config.LatestFork(^uint64(0))
		next    *uint64
	)
	// Forks that the chain leaves out have no time.
	for fork := current + 1; fork <= last && next == nil; fork++ {
		next = config.Timestamp(fork)
	}
	out := &ForkConfigs{
		Current: forkConfig(config, genesis, config.Timestamp(current)),
		Next:    forkConfig(config, genesis, next),
	}
	if next != nil {
		out.Last = forkConfig(config, genesis, config.Timestamp(last))
	}
	return out, nil
}

func forkConfig(config *params.ChainConfig, genesis *chain.Header, time *uint64) *ForkConfig {
	if time == nil {
		return nil
	}
	id := forkid.NewID(config, gethBlock(genesis), ^uint64(0), *time).Hash
	out := &ForkConfig{
		ActivationTime:  *time,
		BlobSchedule:    config.BlobConfig(config.LatestFork(*time)),
		ChainID:         (*hexutil.Big)(config.ChainID),
		ForkID:          id[:],
		Precompiles:     precompiles(config.Rules(config.LondonBlock, true, *time)),
		SystemContracts: config.ActiveSystemContracts(*time),
	}
	if genesis.Timestamp >= *time {
		out.ActivationTime = 0
	}
	return out
}

// gethBlock is a block with a header's hash, number and time, all that forkid looks
// at.
func gethBlock(h *chain.Header) *types.Block {
	var (
		raw, _ = h.AppendBinary(nil)
		out    = new(types.Header)
	)
	if err := rlp.DecodeBytes(raw, out); err != nil {
		// What we encode go-ethereum decodes: it is the same format.
		panic("ethapi: header " + h.Hash().Hex() + ": " + err.Error())
	}
	return types.NewBlockWithHeader(out)
}

// precompileNames are the names that EIP-7910 has for precompiles, and from which
// fork on they are there.
var precompileNames = []struct {
	name   string
	at     uint64
	active func(params.Rules) bool
}{
	{"ECREC", 0x01, always},
	{"SHA256", 0x02, always},
	{"RIPEMD160", 0x03, always},
	{"ID", 0x04, always},
	{"MODEXP", 0x05, always},
	{"BN254_ADD", 0x06, always},
	{"BN254_MUL", 0x07, always},
	{"BN254_PAIRING", 0x08, always},
	{"BLAKE2F", 0x09, always},
	{"KZG_POINT_EVALUATION", 0x0a, func(r params.Rules) bool { return r.IsCancun }},
	{"BLS12_G1ADD", 0x0b, isPrague},
	{"BLS12_G1MSM", 0x0c, isPrague},
	{"BLS12_G2ADD", 0x0d, isPrague},
	{"BLS12_G2MSM", 0x0e, isPrague},
	{"BLS12_PAIRING_CHECK", 0x0f, isPrague},
	{"BLS12_MAP_FP_TO_G1", 0x10, isPrague},
	{"BLS12_MAP_FP2_TO_G2", 0x11, isPrague},
	{"P256VERIFY", 0x100, func(r params.Rules) bool { return r.IsOsaka }},
}

func always(params.Rules) bool { return true } // since London, before which EIP-7910 does not look

func isPrague(r params.Rules) bool { return r.IsPrague }

func precompiles(rules params.Rules) map[string]common.Address {
	out := make(map[string]common.Address)
	for _, p := range precompileNames {
		if p.active(rules) {
			out[p.name] = common.BigToAddress(new(big.Int).SetUint64(p.at))
		}
	}
	return out
}
