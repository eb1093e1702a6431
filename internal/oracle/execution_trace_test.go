package oracle_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/eth/tracers/logger"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/bench"
	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// traceKinds are go-ethereum's tracers (but for erc7562Tracer, which panics where a stack
// is too short), with their configurations. The one without a name is the
// struct logger.
var traceKinds = []struct{ name, config string }{
	{"", `{}`},
	{"", `{"enableMemory":true,"enableReturnData":true}`},
	{"callTracer", `{"withLog":true}`},
	{"callTracer", `{"onlyTopCall":true}`},
	{"flatCallTracer", `{}`},
	{"prestateTracer", `{}`},
	{"prestateTracer", `{"includeEmpty":true}`},
	{"prestateTracer", `{"diffMode":true}`},
	{"4byteTracer", `{}`},
	{"keccak256PreimageTracer", `{}`},
	{"muxTracer", `{"callTracer":{"withLog":true},"prestateTracer":{"diffMode":true},"4byteTracer":{}}`},
}

func newTracer(t testing.TB, kind int, config *params.ChainConfig) *tracers.Tracer {
	t.Helper()
	k := traceKinds[kind]
	if k.name == "" {
		var c logger.Config
		if err := json.Unmarshal([]byte(k.config), &c); err != nil {
			t.Fatal(err)
		}
		l := logger.NewStructLogger(&c)
		return &tracers.Tracer{Hooks: l.Hooks(), GetResult: l.GetResult, Stop: l.Stop}
	}
	tracer, err := tracers.DefaultDirectory.New(k.name, &tracers.Context{}, json.RawMessage(k.config), config)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// TestTraces runs random blocks of transactions and calls, each message watched by
// one of go-ethereum's tracers, there and here: the traces must be equal.
func TestTraces(t *testing.T) {
	for _, fork := range worldForks {
		t.Run(fork, func(t *testing.T) {
			t.Parallel()
			traced := 0
			for seed := range traceSeeds() {
				traced += traceWorld(t, newWorld(2000+seed, fork, nil), func(w *world) (a, b watcher) {
					kind := w.rng.IntN(len(traceKinds))
					return &traceWatcher{newTracer(t, kind, w.config)}, &traceWatcher{newTracer(t, kind, w.config)}
				})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			if traced < int(traceSeeds()) {
				t.Fatalf("only %d messages were traced", traced)
			}
		})
	}
}

// TestHooks compares every call of every hook, state hooks with their reasons and
// system calls among them.
func TestHooks(t *testing.T) {
	for _, fork := range worldForks {
		t.Run(fork, func(t *testing.T) {
			t.Parallel()
			seen := make(map[string]int)
			for seed := range traceSeeds() {
				traceWorld(t, newWorld(3000+seed, fork, nil), func(*world) (a, b watcher) {
					return newDiary(seen), newDiary(seen)
				})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Log(seen)
			if testing.Short() {
				return // too few to call everything
			}
			for _, hook := range []string{"TxStart", "TxEnd", "Enter", "Exit", "Opcode", "Fault", "GasChange", "BalanceChange", "NonceChange",
				"CodeChange", "StorageChange", "Log", "BlockHashRead"} {
				if seen[hook] == 0 {
					t.Errorf("hook %s was never called", hook)
				}
			}
			if newWorld(0, fork, nil).rules.IsCancun && seen["SystemCallStart"] == 0 {
				t.Error("no system call was seen")
			}
		})
	}
}

func traceSeeds() uint64 {
	if testing.Short() {
		return 10
	}
	return 60
}

// A watcher has hooks, and what they saw.
type watcher interface {
	hooks() *tracing.Hooks
	result() (string, error)
}

type traceWatcher struct{ *tracers.Tracer }

func (w *traceWatcher) hooks() *tracing.Hooks { return w.Hooks }
func (w *traceWatcher) result() (string, error) {
	out, err := w.GetResult()
	return string(out), err
}

// A duel is a block that both engines execute, message by message, each with a
// watcher of its own.
type duel struct {
	t      *testing.T
	how    manner
	engine *execution.Sequential
	ours   *execution.Scratch
	theirs *oracle.Messages
	config *params.ChainConfig
	env    *chain.Env
	run    int // messages that could be executed
}

func newDuel(t *testing.T, config *params.ChainConfig, env *chain.Env, ancestors chain.Ancestors, prior chain.StateView) *duel {
	t.Helper()
	d := &duel{t: t, config: config, env: env, how: manner{
		ScratchConfig: execution.ScratchConfig{SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true},
		options:       oracle.MessageOptions{NoBaseFee: true, ZeroFees: true, GasLimit: 1 << 62},
	}}
	var err error
	if d.engine, err = execution.New(execution.Config{Chain: config}); err != nil {
		t.Fatal(err)
	}
	if d.ours, err = d.engine.Scratch(env, ancestors, prior, d.how.ScratchConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.ours.Discard)
	if d.theirs, err = oracle.NewReferee(config).Messages(t.Context(), env, ancestors, prior, d.how.options); err != nil {
		t.Fatal(err)
	}
	return d
}

// watch runs both sides with watchers, which must see the same; nil for nobody.
func (d *duel) watch(what any, a, b watcher, run func() error) {
	d.t.Helper()
	if a == nil {
		d.ours.Watch(nil)
		d.theirs.Watch(nil)
		if err := run(); err != nil {
			d.t.Fatal(err)
		}
		return
	}
	d.ours.Watch(a.hooks())
	d.theirs.Watch(b.hooks())
	if err := run(); err != nil {
		d.t.Fatal(err)
	}
	got, gotErr := a.result()
	want, wantErr := b.result()
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		d.t.Fatalf("%+v: trace fails with %v and %v", what, gotErr, wantErr)
	}
	if got != want {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		i -= min(i, 300)
		d.t.Fatalf("%+v: traces differ\nours:          %.600s\ngo-ethereum's: %.600s", what, got[i:], want[i:])
	}
}

// call executes a Call on both sides, if it can be executed: of others, hooks hear
// there only.
func (d *duel) call(call *execution.Call, a, b watcher) {
	d.t.Helper()
	msg, tx := d.message(call), unsigned(d.config, call, d.theirs.Nonce(call.From), d.how)
	d.theirs.Watch(nil)
	if d.theirs.Try(msg, tx) != nil {
		return
	}
	d.run++
	d.watch(call, a, b, func() error {
		got, err := d.ours.Call(d.t.Context(), call)
		if err != nil {
			return err
		}
		want, receipt, err := d.theirs.Apply(msg, tx)
		if err != nil {
			return err
		}
		receipt.TxHash = common.Hash{}
		d.compare(got, want, receipt)
		return nil
	})
}

// push executes a transaction on both sides, if it can be executed.
func (d *duel) push(tx *chain.Tx, a, b watcher) {
	d.t.Helper()
	parsed, err := execution.Decode(tx)
	if err != nil {
		d.t.Fatal(err)
	}
	var baseFee *big.Int
	if d.env.BaseFee != nil {
		baseFee = d.env.BaseFee.ToBig()
	}
	signer := types.MakeSigner(d.config, new(big.Int).SetUint64(d.env.Number), d.env.Timestamp)
	msg, err := core.TransactionToMessage(parsed, signer, baseFee)
	if err != nil {
		d.t.Fatal(err)
	}
	msg.SkipNonceCheck().SkipEOACheck().SkipGasLimitCapCheck()
	d.theirs.Watch(nil)
	if d.engine.CheckTx(tx, d.env) != nil || d.theirs.Try(msg, parsed) != nil {
		return
	}
	d.run++
	d.watch(tx.Hash(), a, b, func() error {
		got, err := d.ours.Push(d.t.Context(), tx)
		if err != nil {
			return err
		}
		want, receipt, err := d.theirs.Apply(msg, parsed)
		if err != nil {
			return err
		}
		got.Receipt.ContractAddress = receipt.ContractAddress // go-ethereum believes the nonce
		d.compare(got, want, receipt)
		return nil
	})
}

func (d *duel) compare(got *execution.CallResult, want *core.ExecutionResult, receipt *chain.Receipt) {
	d.t.Helper()
	if diff := diffResults(got, want, receipt); diff != "" {
		d.t.Error(diff)
	}
}

// message is a Call as go-ethereum has it.
func (d *duel) message(c *execution.Call) *core.Message { return message(d.env.BaseFee, c, d.how) }

// traceWorld executes a block of random messages with a pair of watchers for each,
// and one for what opens the block and what closes it. It returns how many messages
// were executed.
func traceWorld(t *testing.T, w *world, watchers func(*world) (a, b watcher)) int {
	ctx := t.Context()
	d := newDuel(t, w.config, w.env, w.ancestors(), w.state)
	system := func(what string, run func() error) {
		a, b := watchers(w)
		if _, isDiary := a.(*diary); !isDiary { // tracers know nothing outside of transactions
			a, b = nil, nil
		}
		d.watch(what, a, b, run)
	}
	system("opening", func() error {
		d.theirs.Begin(w.parent.Hash())
		return d.ours.Begin(ctx)
	})
	for range 1 + w.rng.IntN(6) {
		a, b := watchers(w)
		if w.rng.IntN(2) == 0 {
			d.push(w.transaction(), a, b)
		} else {
			d.call(w.call(d.theirs.Nonce, d.how), a, b)
		}
	}
	if w.rules.IsMerge { // before, there are rewards
		system("closing", func() error {
			if _, err := d.ours.End(ctx); err != nil {
				return err
			}
			_, err := d.theirs.End(w.env.Withdrawals)
			return err
		})
	}
	return d.run
}

// TestTracesOfContracts traces contracts that people use; of millions of steps, the
// first.
func TestTracesOfContracts(t *testing.T) {
	dir := testdata.Workloads(t)
	for name, gasLimit := range map[string]uint64{
		"airdrop": 0, "counter": 0, "eip4788": 0, "fiat_token": 0, "push0_proxy": 0, "seaport": 0, "uniswap_v2_pair": 0, "univ2_router": 0,
		"burntpix": 100_000, "erc20_transfer": 100_000, "evmbench_erc20_transfer": 100_000, "snailtracer": 100_000,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load, err := bench.Contract(t.Context(), dir, name, gasLimit)
			if err != nil {
				t.Fatal(err)
			}
			for kind := range traceKinds {
				traceBlock(t, load, load.Blocks[0], kind)
			}
		})
	}
}

// TestTracesOfBlocks traces every tenth transaction of blocks of tokens and swaps, and
// of real ones, after all that came before it.
func TestTracesOfBlocks(t *testing.T) {
	var loads []*bench.Workload
	for _, traffic := range []bench.Traffic{bench.ERC20(50, 100), bench.Swaps(50, 100)} {
		load, err := bench.Generated(t.Context(), traffic)
		if err != nil {
			t.Fatal(err)
		}
		loads = append(loads, load)
	}
	load, err := bench.Mainnet(t.Context(), testdata.Mainnet(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range append(loads, load) {
		t.Run(load.Name, func(t *testing.T) {
			t.Parallel()
			for i, block := range load.Blocks {
				traceBlock(t, load, block, i%len(traceKinds))
			}
		})
	}
}

func traceBlock(t *testing.T, load *bench.Workload, block *bench.Block, kind int) {
	d := newDuel(t, load.Config, block.Env(), block.Ancestors, block.Prior)
	for i, tx := range block.Txs {
		if i%10 != (len(block.Txs)-1)%10 {
			d.push(tx, nil, nil)
			continue
		}
		d.push(tx, &traceWatcher{newTracer(t, kind, d.config)}, &traceWatcher{newTracer(t, kind, d.config)})
	}
	if d.run != len(block.Txs) {
		t.Errorf("%d of %d transactions were executed", d.run, len(block.Txs))
	}
}

// A diary writes down every call of every hook.
type diary struct {
	lines []string
	db    tracing.StateDB
	seen  map[string]int // calls, by hook
}

func newDiary(seen map[string]int) *diary { return &diary{seen: seen} }

func (d *diary) result() (string, error) { return strings.Join(d.lines, "\n"), nil }

func (d *diary) note(hook string, args ...any) {
	d.seen[hook]++
	for i, arg := range args {
		if err, failed := arg.(error); failed { // its insides are pointers
			args[i] = err.Error()
		}
	}
	d.lines = append(d.lines, fmt.Sprintf("%s %+v", hook, args))
}

func (d *diary) context(vm *tracing.VMContext) string {
	d.db = vm.StateDB
	return fmt.Sprint(vm.Coinbase, vm.BlockNumber, vm.Time, vm.Random, vm.BaseFee)
}

// look reads the state as a tracer may at any time.
func (d *diary) look(addr common.Address, key common.Hash) string {
	if d.db == nil {
		return ""
	}
	return fmt.Sprint(d.db.GetBalance(addr), d.db.GetNonce(addr), d.db.GetCodeHash(addr), len(d.db.GetCode(addr)),
		d.db.GetState(addr, key), d.db.GetTransientState(addr, key), d.db.Exist(addr), d.db.GetRefund())
}

// hooks are those of the first version; the others are called alike.
func (d *diary) hooks() *tracing.Hooks {
	return &tracing.Hooks{
		OnTxStart: func(vm *tracing.VMContext, tx *types.Transaction, from common.Address) {
			d.note("TxStart", d.context(vm), from, tx.Type(), tx.Gas(), tx.To(), tx.Value(), tx.Data(), tx.GasFeeCap(), tx.GasTipCap(),
				tx.AccessList(), tx.BlobHashes(), len(tx.SetCodeAuthorizations()), d.look(from, common.Hash{}))
		},
		OnTxEnd: func(r *types.Receipt, err error) {
			logs := ""
			for _, l := range r.Logs {
				logs += fmt.Sprint(l.Address, l.Topics, l.Data, l.BlockNumber, l.TxIndex, l.Index)
			}
			d.note("TxEnd", err, r.Type, r.Status, r.CumulativeGasUsed, chain.Keccak256(r.Bloom[:]), r.GasUsed, r.BlobGasUsed, r.BlobGasPrice,
				r.BlockNumber, r.TransactionIndex, logs)
		},
		OnEnter: func(depth int, typ byte, from, to common.Address, input []byte, gas uint64, value *big.Int) {
			d.note("Enter", depth, typ, from, to, input, gas, value, d.look(to, common.Hash{}))
		},
		OnExit: func(depth int, output []byte, gasUsed uint64, err error, reverted bool) {
			d.note("Exit", depth, output, gasUsed, err, reverted)
		},
		OnOpcode: func(pc uint64, op byte, gas, cost uint64, scope tracing.OpContext, data []byte, depth int, err error) {
			d.note("Opcode", pc, op, gas, cost, scope.StackData(), len(scope.MemoryData()), data, depth, err, d.look(scope.Address(), common.Hash{31: 1}))
		},
		OnFault: func(pc uint64, op byte, gas, cost uint64, _ tracing.OpContext, depth int, err error) {
			d.note("Fault", pc, op, gas, cost, depth, err)
		},
		OnGasChange: func(old, new uint64, why tracing.GasChangeReason) { d.note("GasChange", old, new, why) },
		OnBalanceChange: func(addr common.Address, prev, new *big.Int, why tracing.BalanceChangeReason) {
			d.note("BalanceChange", addr, prev, new, why)
		},
		OnNonceChangeV2: func(addr common.Address, prev, new uint64, why tracing.NonceChangeReason) {
			d.note("NonceChange", addr, prev, new, why)
		},
		OnCodeChangeV2: func(addr common.Address, prevHash common.Hash, prev []byte, hash common.Hash, code []byte, why tracing.CodeChangeReason) {
			d.note("CodeChange", addr, prevHash, prev, hash, code, why)
		},
		OnStorageChange: func(addr common.Address, key, prev, new common.Hash) { d.note("StorageChange", addr, key, prev, new) },
		OnLog:           func(l *types.Log) { d.note("Log", l.Address, l.Topics, l.Data, l.TxIndex, l.Index) },
		OnBlockHashRead: func(number uint64, hash common.Hash) { d.note("BlockHashRead", number, hash) },
		OnSystemCallStartV2: func(vm *tracing.VMContext) {
			d.note("SystemCallStart", d.context(vm))
		},
		OnSystemCallEnd: func() { d.note("SystemCallEnd") },
	}
}
