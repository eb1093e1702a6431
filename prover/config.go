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
	"github.com/vivace-chain/vivace/statediff"
)

// A Subscriber gives access to topics, each a sequence of messages numbered from
// 0. Package internal/link has transports that implement it.
type Subscriber interface {
	// Subscribe reads a topic from message number from on. The function it
	// returns waits for the next message; msg is valid until the next call.
	Subscribe(ctx context.Context, topic string, from uint64) (next func(context.Context) (seq uint64, msg []byte, err error), err error)
}

// A Publisher appends messages to topics.
type Publisher interface {
	// Publish does not keep msg.
	Publish(ctx context.Context, topic string, msg []byte) (seq uint64, err error)
}

// Config says what a Prover works with. DA, Key, Subscriber and Publisher are
// required, and Executor or ChainConfig.
type Config struct {
	// ChainID goes into attestations. Default: ChainConfig's.
	ChainID uint64
	// Executor runs the blocks. Default: execution.New for ChainConfig.
	Executor chain.Executor
	// ChainConfig is the chain's rules, of which the default Executor is made.
	ChainConfig *params.ChainConfig
	// Program is what attestations name as the checker. Default
	// ReexecutionProgram; whoever brings another Executor has reason to bring
	// another name.
	Program Program

	// DA is where the objects of blocks are.
	DA chain.DAClient
	// Diff makes a decoder for the diffs of whole blocks; each worker has its
	// own. Default: statediff, stateless.
	Diff func() chain.DiffEncoder
	// Key signs attestations: secp256k1.
	Key *ecdsa.PrivateKey

	// Subscriber has the publications, Publisher takes the attestations.
	Subscriber Subscriber
	Publisher  Publisher
	// From is the number of the first publication to read. Default 0.
	From uint64

	// Workers is how many blocks are verified at once. Default 1.
	Workers int
	// QueueMax is how many publications may wait for a worker; then reading
	// stops until one is free. Default 64.
	QueueMax int
	// FailuresMax is how much Evidence is kept; the oldest goes first. Default
	// 256.
	FailuresMax int

	// Attempts is how often an object that is not found, or corrupt, is asked for
	// before that is Evidence. Other errors of DA may pass, and are retried for
	// ever. Default 8.
	Attempts int
	// RetryMin is the pause before the second attempt; it doubles from one to
	// the next, up to RetryMax. Defaults 20 ms and 5 s.
	RetryMin, RetryMax time.Duration

	// Logger defaults to slog.Default.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Program == (Program{}) {
		c.Program = ReexecutionProgram
	}
	if c.Diff == nil {
		c.Diff = func() chain.DiffEncoder { return statediff.New(statediff.Config{Stateless: true}) }
	}
	if c.ChainID == 0 && c.ChainConfig != nil && c.ChainConfig.ChainID != nil && c.ChainConfig.ChainID.IsUint64() {
		c.ChainID = c.ChainConfig.ChainID.Uint64()
	}
	if c.Executor == nil && c.ChainConfig != nil {
		executor, err := execution.New(execution.Config{Chain: c.ChainConfig})
		if err != nil {
			return c, fmt.Errorf("prover: %w", err)
		}
		c.Executor = executor
	}
	for _, d := range []struct {
		value   *int
		initial int
	}{{&c.Workers, 1}, {&c.QueueMax, 64}, {&c.FailuresMax, 256}, {&c.Attempts, 8}} {
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

// Validate reports the first thing that is missing or wrong, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Executor == nil && c.ChainConfig == nil:
		return errors.New("prover: Config.Executor or Config.ChainConfig is required")
	case c.ChainID == 0 && (c.ChainConfig == nil || c.ChainConfig.ChainID == nil || !c.ChainConfig.ChainID.IsUint64()):
		return errors.New("prover: Config.ChainID is required")
	case c.DA == nil:
		return errors.New("prover: Config.DA is required")
	case c.Key == nil:
		return errors.New("prover: Config.Key is required")
	case c.Key.Curve != crypto.S256():
		return errors.New("prover: Config.Key is not a secp256k1 key")
	case c.Subscriber == nil:
		return errors.New("prover: Config.Subscriber is required")
	case c.Publisher == nil:
		return errors.New("prover: Config.Publisher is required")
	}
	return nil
}
