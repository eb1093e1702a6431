package prover

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover/attest"
)

// Config says what a Prover works with. Required are Key or Signer; Source, or
// Subscriber and Publisher; DA, unless the Source's jobs bring all objects; and what
// the default of Backend needs: Executor or ChainConfig.
type Config struct {
	// ChainID goes into attestations. Default: ChainConfig's.
	ChainID uint64
	// ChainConfig is the chain's rules. A Backend gets it as JSON; the default Executor
	// is made of it.
	ChainConfig *params.ChainConfig

	// Backend makes the proofs. Default: NewReexecution of the next three.
	Backend ProofBackend
	// Executor runs the blocks. Default: execution.New for ChainConfig.
	Executor chain.Executor
	// Program is what attestations name as the checker. Default
	// ReexecutionProgram; whoever brings another Executor has reason to bring
	// another name.
	Program Program
	// Diff makes a decoder for the diffs of whole blocks. Default: statediff,
	// stateless.
	Diff func() chain.DiffEncoder

	// Signer signs attestations. Default: Key.
	Signer attest.Signer
	// Key is a Signer in memory: secp256k1.
	Key *ecdsa.PrivateKey
	// Proven, if set, is called with every signed attestation and its proof before
	// they are submitted: the network carries no proofs. It may be called concurrently.
	// Its error keeps the block from being attested.
	Proven func(ctx context.Context, a *chain.Attestation, proof []byte) error

	// DA is where the objects of blocks are.
	DA chain.DAClient
	// Source has work and takes attestations. Default: FromTopic of the next three.
	Source Source
	// Subscriber has the publications, Publisher takes the attestations.
	Subscriber Subscriber
	Publisher  Publisher
	// From is the number of the first publication to read. Default 0.
	From uint64

	// Workers is how many blocks are verified at once. Default 1.
	Workers int
	// QueueMax is how many jobs may wait for a worker; then no more are asked for until
	// one is free. What waits here, nobody else is given meanwhile. Default: Workers.
	QueueMax int
	// FailuresMax is how much Evidence is kept; the oldest goes first. Default
	// 256.
	FailuresMax int

	// Attempts is how often an object that is not found, or corrupt, is asked for
	// before that is Evidence, and any object before an ObjectSource is asked, a Signer that fails, and a Backend whose error may pass.
	// Other errors of DA, and of the Source, that may pass are met by trying for ever.
	// Default 8.
	Attempts int
	// RetryMin is the pause before the second attempt; it doubles from one to
	// the next, up to RetryMax. A layer that says when to come back is asked then.
	// Defaults 20 ms and 5 s.
	RetryMin, RetryMax time.Duration

	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.ChainID == 0 && c.ChainConfig != nil && c.ChainConfig.ChainID != nil && c.ChainConfig.ChainID.IsUint64() {
		c.ChainID = c.ChainConfig.ChainID.Uint64()
	}
	var err error
	if c.Backend == nil {
		if c.Backend, err = c.reexecution(); err != nil {
			return c, fmt.Errorf("prover: %w", err)
		}
	}
	if c.Signer == nil {
		if c.Signer, err = attest.NewKey(crypto.FromECDSA(c.Key)); err != nil {
			return c, fmt.Errorf("prover: Config.Key: %w", err)
		}
	}
	if c.Source == nil {
		c.Source = FromTopic(c.Subscriber, c.Publisher, c.From)
	}
	c.Workers = max(c.Workers, 1)
	for _, d := range []struct {
		value   *int
		initial int
	}{{&c.QueueMax, c.Workers}, {&c.FailuresMax, 256}, {&c.Attempts, 8}} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if c.RetryMin <= 0 {
		c.RetryMin = 20 * time.Millisecond
	}
	if c.RetryMax <= 0 {
		c.RetryMax = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func (c *Config) reexecution() (ProofBackend, error) {
	executor := c.Executor
	if executor == nil {
		var err error
		if executor, err = execution.New(execution.Config{Chain: c.ChainConfig}); err != nil {
			return nil, err
		}
	}
	return NewReexecution(executor, c.Program, c.Diff), nil
}

// Validate reports the first thing that is missing or wrong, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Backend == nil && c.Executor == nil && c.ChainConfig == nil:
		return errors.New("prover: Config.Backend, Config.Executor or Config.ChainConfig is required")
	case c.ChainID == 0 && (c.ChainConfig == nil || c.ChainConfig.ChainID == nil || !c.ChainConfig.ChainID.IsUint64()):
		return errors.New("prover: Config.ChainID is required")
	case c.DA == nil && c.Source == nil:
		return errors.New("prover: Config.DA is required")
	case c.Signer == nil && c.Key == nil:
		return errors.New("prover: Config.Key or Config.Signer is required")
	case c.Signer == nil && c.Key.Curve != crypto.S256():
		return errors.New("prover: Config.Key is not a secp256k1 key")
	case c.Source == nil && c.Subscriber == nil:
		return errors.New("prover: Config.Source or Config.Subscriber is required")
	case c.Source == nil && c.Publisher == nil:
		return errors.New("prover: Config.Publisher is required")
	}
	return nil
}
