package tracers

import (
	"encoding/json"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/eth/tracers/logger"

	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// Config bounds what traces may cost. The zero value is useful.
type Config struct {
	// Timeout is how long one transaction may execute when the caller does not say.
	// Default 5 s.
	Timeout time.Duration
	// TimeoutMax is how long a request may take in all, whatever the caller says: with
	// the transactions before the traced one, or all of a block. Default 2 min.
	TimeoutMax time.Duration
	// ResultMax is how large an answer may be, in bytes, and about how much a tracer
	// may gather for it. Default 64 MiB.
	ResultMax int
	// Concurrency is how many requests execute at a time; others wait. Default:
	// GOMAXPROCS.
	Concurrency int
	// GasCap is how much gas debug_traceCall may use. Default 50 million.
	GasCap uint64
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.TimeoutMax <= 0 {
		c.TimeoutMax = 2 * time.Minute
	}
	if c.ResultMax <= 0 {
		c.ResultMax = 64 << 20
	}
	if c.Concurrency <= 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
	}
	if c.GasCap == 0 {
		c.GasCap = 50_000_000
	}
	return c
}

// A TraceConfig is what a caller wants to see. The fields of the struct logger stand
// beside the others, as in go-ethereum.
type TraceConfig struct {
	*logger.Config
	// Tracer is a name; nil is the struct logger.
	Tracer *string
	// Timeout of one transaction, as time.ParseDuration reads it.
	Timeout *string
	// TracerConfig is for the tracer.
	TracerConfig json.RawMessage
}

// timeout is the time that a transaction gets.
func (c *TraceConfig) timeout(otherwise time.Duration) (time.Duration, error) {
	if c == nil || c.Timeout == nil {
		return otherwise, nil
	}
	return time.ParseDuration(*c.Timeout)
}

// A TraceCallConfig is a TraceConfig for a call, which may change the world first.
type TraceCallConfig struct {
	TraceConfig
	StateOverrides *call.StateOverride
	BlockOverrides *call.BlockOverrides
	// TxIndex puts the call before the transaction of that index in the block; nil
	// puts it after the block.
	TxIndex *hexutil.Uint
}
