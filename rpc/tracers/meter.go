package tracers

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
)

// What an event costs beside the bytes that it carries: the record of a frame with
// its maps, of a log, of an account.
const (
	frameBytes   = 512
	logBytes     = 128
	accountBytes = 256
)

// paddingMax is how far beyond the memory, which grows only after a step is seen,
// tracers read zeros.
const paddingMax = 1 << 20

// A meter counts what a tracer gathers. A contract can have a megabyte copied for
// the gas of a few thousand simple steps, and tracers keep the inputs and outputs of
// all calls, so gas alone bounds nothing. When too much was gathered, the meter says
// so once, and from then on the tracer sees nothing more: its answer is lost anyway.
type meter struct {
	left     int // bytes; below zero when exceeded
	factor   int // tracers that see the same events
	exceeded func()
	codes    map[common.Address]bool // whose code was counted
}

// take counts n bytes, and reports whether the tracer may have them.
func (m *meter) take(n int) bool {
	if m.left < 0 {
		return false
	}
	if m.left -= n * m.factor; m.left < 0 {
		m.exceeded()
		return false
	}
	return true
}

// wrap puts m between the execution and a tracer.
func (m *meter) wrap(t *gethtracers.Tracer) {
	hooks := *t.Hooks // the tracer's own stays as it is
	t.Hooks = &hooks
	m.wrapFrames(&hooks)
	if start := hooks.OnTxStart; start != nil {
		hooks.OnTxStart = func(env *tracing.VMContext, tx *types.Transaction, from common.Address) {
			metered := *env
			metered.StateDB = &meteredState{env.StateDB, m}
			start(&metered, tx, from)
		}
	}
	if end := hooks.OnTxEnd; end != nil {
		hooks.OnTxEnd = func(receipt *types.Receipt, err error) {
			if m.take(0) {
				end(receipt, err)
			}
		}
	}
	if log := hooks.OnLog; log != nil {
		hooks.OnLog = func(l *types.Log) {
			if m.take(logBytes + len(l.Topics)*common.HashLength + len(l.Data)) {
				log(l)
			}
		}
	}
	if opcode := hooks.OnOpcode; opcode != nil {
		hooks.OnOpcode = func(pc uint64, op byte, gas, cost uint64, scope tracing.OpContext, rData []byte, depth int, err error) {
			if m.take(preimageSize(op, scope)) {
				opcode(pc, op, gas, cost, scope, rData, depth, err)
			}
		}
	}
	if opcode := hooks.OnOpcodeV2; opcode != nil {
		hooks.OnOpcodeV2 = func(pc uint64, op byte, gas, cost tracing.Gas, scope tracing.OpContext, rData []byte, depth int, err error) {
			if m.take(preimageSize(op, scope)) {
				opcode(pc, op, gas, cost, scope, rData, depth, err)
			}
		}
	}
}

// wrapFrames counts what goes into calls and comes out.
func (m *meter) wrapFrames(hooks *tracing.Hooks) {
	if enter := hooks.OnEnter; enter != nil {
		hooks.OnEnter = func(depth int, typ byte, from, to common.Address, input []byte, gas uint64, value *big.Int) {
			if m.take(frameBytes + len(input)) {
				enter(depth, typ, from, to, input, gas, value)
			}
		}
	}
	if enter := hooks.OnEnterV2; enter != nil {
		hooks.OnEnterV2 = func(depth int, typ byte, from, to common.Address, input []byte, gas tracing.Gas, value *big.Int) {
			if m.take(frameBytes + len(input)) {
				enter(depth, typ, from, to, input, gas, value)
			}
		}
	}
	if exit := hooks.OnExit; exit != nil {
		hooks.OnExit = func(depth int, output []byte, gasUsed uint64, err error, reverted bool) {
			if m.take(len(output)) {
				exit(depth, output, gasUsed, err, reverted)
			}
		}
	}
	if exit := hooks.OnExitV2; exit != nil {
		hooks.OnExitV2 = func(depth int, output []byte, gasLeft tracing.Gas, err error, reverted bool) {
			if m.take(len(output)) {
				exit(depth, output, gasLeft, err, reverted)
			}
		}
	}
}

// preimageSize is how much is hashed by a step; two tracers keep it.
func preimageSize(op byte, scope tracing.OpContext) int {
	if op != byte(vm.KECCAK256) {
		return 0
	}
	stack := scope.StackData()
	if len(stack) < 2 {
		return 0
	}
	size, most := &stack[len(stack)-2], len(scope.MemoryData())+paddingMax
	if !size.IsUint64() || size.Uint64() > uint64(most) {
		return most
	}
	return int(size.Uint64())
}

// meteredState counts the codes that a tracer reads, each once: the state's own
// slices cost nothing, but an answer repeats a code for each account that has it.
type meteredState struct {
	tracing.StateDB
	meter *meter
}

func (s *meteredState) GetCode(addr common.Address) []byte {
	code := s.StateDB.GetCode(addr)
	if m := s.meter; !m.codes[addr] {
		if m.codes == nil {
			m.codes = make(map[common.Address]bool)
		}
		m.codes[addr] = true
		if !m.take(accountBytes + len(code)) {
			return nil
		}
	}
	return code
}
