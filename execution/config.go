package execution

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// Executor computes what a block does.
type Executor = chain.Executor

// Builder makes a block.
type Builder = chain.Builder

// blockSizeHeadroom is what a Builder leaves free below the protocol's size cap.
const blockSizeHeadroom = 1 << 20

// Config says which chain is executed, and how. The zero value of each field but
// Chain is useful.
type Config struct {
	// Chain is the fork schedule and chain id. Required, and not altered after.
	Chain *params.ChainConfig
	// TxRoot returns the state root after a transaction, from the transaction's own
	// net changes. It is called once for each transaction of a block before
	// Byzantium, in order; the first call also has what opened the block (the DAO
	// fork). Required for such blocks (ErrTxRootRequired) and unused from Byzantium
	// on. It cannot tell blocks apart: with TxRoot, execute one block at a time.
	TxRoot func(*chain.Changes) (common.Hash, error)
	// Hints fills the Hints of results: changes grouped by transaction, and inputs
	// of KECCAK256 that became slot numbers. It costs some time per KECCAK256.
	Hints bool
	// BlockSizeMax is the size, in bytes of RLP of the whole block, up to which a
	// Builder takes transactions. 0 means 1 MiB less than Osaka's cap of 8 MiB
	// (EIP-7934) from Osaka on, and no bound before. A rollup may lift it above the
	// protocol's cap; then Execute takes such blocks too.
	BlockSizeMax uint64
	// Precompiles are a rollup's own, by address, from block 0 on, besides those of
	// Ethereum's forks; they are warm as those are (EIP-2929). They are part of the
	// protocol: sequencer, full nodes and provers must have the same. Not altered
	// after.
	Precompiles map[common.Address]Precompile
}

// Validate reports the first thing that is wrong with c, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Chain == nil:
		return errors.New("execution: Config.Chain is required")
	case c.Chain.ChainID == nil || c.Chain.ChainID.Sign() <= 0:
		return errors.New("execution: Config.Chain.ChainID must be positive")
	}
	return validatePrecompiles(c.Precompiles)
}

// Sequential executes blocks one transaction after the other. It is an Executor
// and a Builder. It may be used concurrently, for different blocks.
type Sequential struct {
	config Config
}

var (
	_ Executor        = (*Sequential)(nil)
	_ Builder         = (*Sequential)(nil)
	_ chain.OpenBlock = (*openBlock)(nil)
)

// New returns the sequential engine for a chain.
func New(config Config) (*Sequential, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Sequential{config: config}, nil
}

// ctxErr is the reason why ctx ended, or nil.
func ctxErr(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
