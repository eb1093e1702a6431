package calls

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/vivace-chain/vivace/chain"
)

// What a payment of ether looks like as a log: ERC-20's Transfer, of the address that
// stands for ether (ERC-7528).
var (
	transferTopic = common.HexToHash("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
	etherAddress  = common.HexToAddress("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
)

// A logTracer gathers the logs of calls, in order, with payments between them if they
// are wanted. Logs of what was reverted are dropped, but their indices are not given
// again: so the execution API's suite has it. (go-ethereum 1.17.10 gives them again.)
type logTracer struct {
	transfers bool
	count     uint32 // of logs in the block
	logs      []tracedLog
	frames    []int // how many logs there were as each open call began
}

// A tracedLog is a log and its index in the block.
type tracedLog struct {
	chain.Log
	index uint32
}

func (t *logTracer) hooks() *tracing.Hooks {
	return &tracing.Hooks{OnEnter: t.onEnter, OnExit: t.onExit, OnLog: t.onLog}
}

// reset begins the next call of the block.
func (t *logTracer) reset() { t.logs, t.frames = nil, t.frames[:0] }

// found are the logs since reset; they are the caller's.
func (t *logTracer) found() []tracedLog { return t.logs }

func (t *logTracer) onEnter(_ int, op byte, from, to common.Address, _ []byte, _ uint64, value *big.Int) {
	t.frames = append(t.frames, len(t.logs))
	if !t.transfers || value == nil || value.Sign() == 0 || op == opDelegateCall || op == opCallCode {
		return
	}
	amount := common.BigToHash(value)
	t.add(chain.Log{
		Address: etherAddress,
		Topics:  []common.Hash{transferTopic, common.BytesToHash(from[:]), common.BytesToHash(to[:])},
		Data:    amount[:],
	})
}

func (t *logTracer) onExit(_ int, _ []byte, _ uint64, _ error, reverted bool) {
	last := len(t.frames) - 1
	if last < 0 {
		return
	}
	if reverted {
		t.logs = t.logs[:t.frames[last]]
	}
	t.frames = t.frames[:last]
}

func (t *logTracer) onLog(l *types.Log) {
	t.add(chain.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
}

func (t *logTracer) add(l chain.Log) {
	t.logs = append(t.logs, tracedLog{l, t.count})
	t.count++
}
