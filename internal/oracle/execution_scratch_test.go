package oracle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/oracle"
)

// TestScratch executes random messages, one on top of the other, under all forks,
// with every leniency: output, error, gas, receipt, changes and accesses must equal
// go-ethereum's.
func TestScratch(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 10
	}
	for _, fork := range worldForks {
		t.Run(fork, func(t *testing.T) {
			t.Parallel()
			sum := make(callOutcomes)
			for seed := range seeds {
				testScratch(t, newWorld(1000+seed, fork, nil), sum)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Log(sum)
			if testing.Short() {
				return // too few to come to everything
			}
			for _, want := range []string{"", "execution reverted", "out of gas", "nonce too", "insufficient funds", "intrinsic gas"} {
				if !sum.has(want) && (want != "execution reverted" || newWorld(0, fork, nil).rules.IsByzantium) {
					t.Errorf("no message came to %q", want)
				}
			}
		})
	}
}

// callOutcomes counts messages by what they came to.
type callOutcomes map[string]int

func (o callOutcomes) add(err error) {
	if err == nil {
		o[""]++
		return
	}
	text, _, _ := strings.Cut(err.Error(), ":")
	text, _, _ = strings.Cut(text, " (")
	o[text]++
}

func (o callOutcomes) has(prefix string) bool {
	for text := range o {
		if text == prefix || prefix != "" && strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// manner is how messages are executed, in both engines' words.
type manner struct {
	execution.ScratchConfig
	options oracle.MessageOptions
}

// manner is strict, eth_call's or eth_simulateV1's, with or without validation.
func (w *world) manner() manner {
	m := manner{options: oracle.MessageOptions{GasLimit: w.env.GasLimit}}
	switch w.rng.IntN(4) {
	case 0: // strict
		return m
	case 1: // call
		m.ScratchConfig = execution.ScratchConfig{SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true}
		m.options = oracle.MessageOptions{NoBaseFee: true, ZeroFees: true, GasLimit: 1 << 62}
	case 2: // simulation
		m.ScratchConfig = execution.ScratchConfig{SkipNonce: true, SkipSenderCode: true, SkipGasCap: true, NoBaseFee: true, KeepBaseFee: true}
		m.options = oracle.MessageOptions{NoBaseFee: true, GasLimit: 1 << 62}
	case 3: // simulation with validation
		m.ScratchConfig = execution.ScratchConfig{SkipSenderCode: true, SkipGasCap: true}
		m.options = oracle.MessageOptions{GasLimit: 1 << 62}
	}
	if w.rng.IntN(3) == 0 {
		m.move(w)
	}
	return m
}

// move moves the first precompile to a contract's address, and takes the second away.
func (m *manner) move(w *world) {
	to, from, gone := w.pool[worldUsers], common.Address{19: 1}, common.Address{19: 2}
	m.Moved = map[common.Address]common.Address{to: from, gone: {}}
	m.options.Precompiles = vm.ActivePrecompiledContracts(w.rules)
	m.options.Precompiles[to] = m.options.Precompiles[from]
	delete(m.options.Precompiles, from)
	delete(m.options.Precompiles, gone)
}

func testScratch(t *testing.T, w *world, sum callOutcomes) {
	ctx, how := t.Context(), w.manner()
	engine, err := execution.New(execution.Config{Chain: w.config})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := engine.Scratch(w.env, w.ancestors(), w.state, how.ScratchConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Discard()
	theirs, err := oracle.NewReferee(w.config).Messages(ctx, w.env, w.ancestors(), w.state, how.options)
	if err != nil {
		t.Fatal(err)
	}
	whole := w.rng.IntN(2) == 0
	if whole {
		theirs.Begin(w.parent.Hash())
		if err := ours.Begin(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var (
		changes []*chain.Changes
		refused bool
	)
	for range 1 + w.rng.IntN(8) {
		call := w.call(theirs.Nonce, how)
		got, err := ours.Call(ctx, call)
		want, receipt, wantErr := theirs.Apply(message(w.env.BaseFee, call, how), unsigned(w.config, call, theirs.Nonce(call.From), how))
		if d := diffRefusals(err, wantErr); d != "" {
			t.Fatalf("%+v: %s", call, d)
		}
		sum.add(err)
		if err != nil {
			refused = true
			continue
		}
		receipt.TxHash = common.Hash{}
		if d := diffResults(got, want, receipt); d != "" {
			t.Fatalf("%+v: %s", call, d)
		}
		sum.add(got.Err)
		changes = append(changes, got.Changes)
	}
	// What a refused message reads is no access of ours; and go-ethereum reads the code
	// of a recipient that is a precompile now.
	if !refused && how.Moved == nil {
		checkAccesses(t, ours, theirs)
	}
	if whole {
		w.end(t, ours, theirs)
		return
	}
	merged, err := chain.Merge(changes...)
	if err != nil {
		t.Fatal(err)
	}
	checkChanges(t, merged, theirs)
}

// checkAccesses compares what was accessed so far; asking does not alter it.
func checkAccesses(t *testing.T, ours *execution.Scratch, theirs *oracle.Messages) {
	t.Helper()
	for range 2 {
		if d := ours.Accesses().Diff(theirs.Accesses()); d != "" {
			t.Errorf("access set: %s", d)
		}
	}
}

func checkChanges(t *testing.T, got *chain.Changes, theirs *oracle.Messages) {
	t.Helper()
	want, err := theirs.Changes()
	if err != nil {
		t.Fatal(err)
	}
	if d := oracle.DiffChanges(got, want); d != "" {
		t.Error(d)
	}
}

// end closes the block on both sides.
func (w *world) end(t *testing.T, ours *execution.Scratch, theirs *oracle.Messages) {
	result, err := ours.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	requests, err := theirs.End(w.env.Withdrawals)
	if err != nil {
		t.Fatal(err)
	}
	if chain.RequestsHash(result.Requests) != chain.RequestsHash(requests) {
		t.Errorf("requests %x and %x", result.Requests, requests)
	}
	if !w.rules.IsMerge {
		return // rewards are not the referee's here
	}
	checkChanges(t, result.Changes, theirs)
}

// diffRefusals compares why a message cannot be executed.
func diffRefusals(got, want error) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("refused with %v, by go-ethereum with %v", got, want)
	case errors.Is(got, chain.ErrBlockFull) && errors.Is(want, core.ErrGasLimitReached): // we say how much
		return ""
	case !errors.Is(got, chain.ErrInvalidTx):
		return fmt.Sprintf("refusal without a class: %v", got)
	case got.Error() != want.Error():
		return fmt.Sprintf("refused with %q, by go-ethereum with %q", got, want)
	}
	return ""
}

// diffResults compares what a message did.
func diffResults(got *execution.CallResult, want *core.ExecutionResult, receipt *chain.Receipt) string {
	switch {
	case fmt.Sprint(got.Err) != fmt.Sprint(want.Err), errors.Is(got.Err, execution.ErrReverted) != errors.Is(want.Err, vm.ErrExecutionReverted),
		errors.Is(got.Err, execution.ErrOutOfGas) != errors.Is(want.Err, vm.ErrOutOfGas):
		return fmt.Sprintf("error %v and %v", got.Err, want.Err)
	case string(got.Output) != string(want.ReturnData):
		return fmt.Sprintf("output %x and %x", got.Output, want.ReturnData)
	case got.GasUsed != want.UsedGas, got.GasPeak != want.MaxUsedGas:
		return fmt.Sprintf("gas %d, %d and %d, %d", got.GasUsed, got.GasPeak, want.UsedGas, want.MaxUsedGas)
	}
	return oracle.DiffReceipts(got.Receipt, receipt)
}

// call is a random message; many cannot be executed.
func (w *world) call(nonce func(common.Address) uint64, how manner) *execution.Call {
	n := w.rng.IntN
	c := &execution.Call{From: w.anyone(), Gas: 21000 + w.rng.Uint64N(400_000), Data: w.bytes(n(40)), Value: *uint256.NewInt(w.rng.Uint64N(3))}
	if n(3) > 0 {
		c.From = w.pool[n(worldUsers)]
	}
	c.Nonce = nonce(c.From)
	if n(15) == 0 {
		c.Nonce += w.rng.Uint64N(3) - 1
	}
	switch n(12) {
	case 0:
		c.Gas = w.rng.Uint64N(60_000)
	case 1:
		c.Gas = params.MaxTxGas + w.rng.Uint64N(1<<24)
	case 2:
		c.Value.SetUint64(1 << 63)
	}
	to := w.pool[worldUsers+n(worldContracts)]
	if n(3) == 0 {
		to = w.anyone()
	}
	c.To = &to
	if n(6) == 0 {
		c.To, c.Data = nil, w.initCode()
		if n(10) == 0 {
			c.Data = make([]byte, params.MaxInitCodeSize+n(2))
		}
	}
	if n(2) == 0 {
		c.TipCap.SetUint64(w.rng.Uint64N(9))
		c.FeeCap.SetUint64(5 + w.rng.Uint64N(20))
		if n(20) == 0 {
			c.FeeCap.SetAllOne()
		}
	}
	c.Type = types.DynamicFeeTxType
	if !w.rules.IsLondon || n(4) == 0 {
		c.Type, c.TipCap = types.LegacyTxType, c.FeeCap
	}
	if n(4) == 0 && (w.rules.IsBerlin || n(5) == 0) {
		c.AccessList = types.AccessList{{Address: w.anyone(), StorageKeys: []common.Hash{{}, {31: 1}}}}
	}
	w.addFeature(c, how)
	return c
}

// addFeature makes blobs or authorizations of some messages, before their forks of
// few.
func (w *world) addFeature(c *execution.Call, how manner) {
	n, most := w.rng.IntN, 8
	if !how.SkipGasCap { // the block's blobs are no affair of go-ethereum's transition
		most = 2
	}
	switch {
	case n(5) == 0 && (w.rules.IsCancun || n(5) == 0):
		c.BlobHashes = make([]common.Hash, n(most))
		for i := range c.BlobHashes {
			c.BlobHashes[i] = common.Hash{kzgVersion, byte(i)}
		}
		if len(c.BlobHashes) > 0 && n(10) == 0 {
			c.BlobHashes[0][0] = 7
		}
		c.BlobFeeCap.SetUint64(w.rng.Uint64N(4))
		if how.KeepBaseFee && c.BlobFeeCap.IsZero() { // go-ethereum charges whom it did not check
			c.BlobFeeCap.SetOne()
		}
	case n(5) == 0 && (w.rules.IsPrague || n(5) == 0):
		c.Authorizations = w.authorizations()[:n(2)]
	}
}

// message is the Call as go-ethereum's RPC would have it.
func message(baseFee *uint256.Int, c *execution.Call, how manner) *core.Message {
	m := &core.Message{
		From: c.From, To: c.To, Nonce: c.Nonce, Value: &c.Value, GasLimit: c.Gas, GasFeeCap: &c.FeeCap, GasTipCap: &c.TipCap,
		GasPrice: new(uint256.Int), Data: c.Data, AccessList: c.AccessList, BlobHashes: c.BlobHashes, SetCodeAuthorizations: c.Authorizations,
	}
	if c.BlobHashes != nil {
		m.BlobGasFeeCap = &c.BlobFeeCap
	}
	switch {
	case baseFee == nil:
		m.GasPrice = &c.FeeCap
	case !c.FeeCap.IsZero() || !c.TipCap.IsZero():
		if _, over := m.GasPrice.AddOverflow(&c.TipCap, baseFee); over || m.GasPrice.Gt(&c.FeeCap) {
			m.GasPrice = &c.FeeCap
		}
	}
	if how.SkipNonce {
		m.SkipNonceCheck()
	}
	if how.SkipSenderCode {
		m.SkipEOACheck()
	}
	if how.SkipGasCap {
		m.SkipGasLimitCapCheck()
	}
	return m
}

// unsigned is the transaction that the Call stands for.
func unsigned(config *params.ChainConfig, c *execution.Call, nonce uint64, how manner) *types.Transaction {
	var (
		id = uint256.MustFromBig(config.ChainID)
		to common.Address
	)
	if c.To != nil {
		to = *c.To
	}
	if !how.SkipNonce {
		nonce = c.Nonce
	}
	switch {
	case c.Authorizations != nil:
		return types.NewTx(&types.SetCodeTx{ChainID: id, Nonce: nonce, GasFeeCap: &c.FeeCap, GasTipCap: &c.TipCap, Gas: c.Gas, To: to,
			Value: &c.Value, Data: c.Data, AccessList: c.AccessList, AuthList: c.Authorizations})
	case c.BlobHashes != nil:
		return types.NewTx(&types.BlobTx{ChainID: id, Nonce: nonce, GasFeeCap: &c.FeeCap, GasTipCap: &c.TipCap, Gas: c.Gas, To: to,
			Value: &c.Value, Data: c.Data, AccessList: c.AccessList, BlobFeeCap: &c.BlobFeeCap, BlobHashes: c.BlobHashes})
	case c.Type == types.DynamicFeeTxType:
		return types.NewTx(&types.DynamicFeeTx{ChainID: config.ChainID, Nonce: nonce, GasFeeCap: c.FeeCap.ToBig(), GasTipCap: c.TipCap.ToBig(),
			Gas: c.Gas, To: c.To, Value: c.Value.ToBig(), Data: c.Data, AccessList: c.AccessList})
	case c.AccessList != nil:
		return types.NewTx(&types.AccessListTx{ChainID: config.ChainID, Nonce: nonce, GasPrice: c.FeeCap.ToBig(), Gas: c.Gas, To: c.To,
			Value: c.Value.ToBig(), Data: c.Data, AccessList: c.AccessList})
	}
	return types.NewTx(&types.LegacyTx{Nonce: nonce, GasPrice: c.FeeCap.ToBig(), Gas: c.Gas, To: c.To, Value: c.Value.ToBig(), Data: c.Data})
}
