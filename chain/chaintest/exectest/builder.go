package exectest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// testBuilder tests the Builder side, or skips.
func testBuilder(t *testing.T, newExecutor New) {
	for _, test := range []struct {
		name string
		fork fork
		run  func(*testing.T, *scene)
	}{
		{"Splits", osaka, testSplits},
		{"SplitsBeforeCancun", shanghai, testSplits},
		{"EmptyMiniBlocks", osaka, testEmptyMinis},
		{"InvalidLeavesNothing", osaka, testInvalidLeavesNothing},
		{"BlockFull", osaka, testBlockFull},
		{"NobodyWaits", osaka, testNobodyWaits},
		{"OneWaits", osaka, testOneWaits},
		{"BlockHashWaits", osaka, testBlockHashWaits},
		{"WaitEndsWithContext", osaka, testWaitEnds},
		{"OtherHistoryContract", osaka, testOtherHistory},
		{"UnknownBreaks", osaka, testUnknownBreaks},
		{"Discard", osaka, testDiscard},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t, test.fork, newExecutor)
			if _, ok := s.executor.(chain.Builder); !ok {
				t.Skip("the executor is not a chain.Builder")
			}
			test.run(t, s)
		})
	}
}

// A building is a block under construction and what came out of it so far.
type building struct {
	chain.OpenBlock
	t     testing.TB
	ctx   context.Context // ends after a minute: a Builder must not wait for ever
	scene *scene
	minis []*chain.MiniBlock
}

func (s *scene) open(t testing.TB, ancestors chain.Ancestors, view chain.StateView) *building {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	block, err := s.executor.(chain.Builder).Open(ctx, s.env, ancestors, view)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(block.Discard)
	return &building{block, t, ctx, s, nil}
}

// push executes txs, all of which must be included.
func (b *building) push(txs ...*chain.Tx) []chain.TxResult {
	b.t.Helper()
	results, err := b.Push(b.ctx, txs)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(results) != len(txs) {
		b.t.Fatalf("%d results of %d transactions", len(results), len(txs))
	}
	for i := range results {
		if results[i].Err != nil {
			b.t.Fatalf("transaction %d: %v", i, results[i].Err)
		}
	}
	return results
}

func (b *building) seal() *chain.MiniBlock {
	b.t.Helper()
	m, err := b.SealMini(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	b.add(m)
	return m
}

// add checks a mini-block by itself, and appends it.
func (b *building) add(m *chain.MiniBlock) {
	b.t.Helper()
	if err := m.Changes.Validate(); err != nil {
		b.t.Fatalf("mini-block %d: %v", m.Index, err)
	}
	if m.Number != b.scene.env.Number || int(m.Index) != len(b.minis) || len(m.Results) != len(m.Txs) {
		b.t.Fatalf("mini-block %d of block %d with %d transactions and %d results", m.Index, m.Number, len(m.Txs), len(m.Results))
	}
	gas := uint64(0)
	if n := len(b.minis); n > 0 {
		gas = b.minis[n-1].GasUsed
	}
	for i := range m.Results {
		gas += m.Results[i].Receipt.GasUsed
		if err := m.Results[i].Changes.Validate(); err != nil {
			b.t.Fatalf("transaction %d of mini-block %d: %v", i, m.Index, err)
		}
	}
	if m.GasUsed != gas {
		b.t.Fatalf("mini-block %d: gas used %d, want %d", m.Index, m.GasUsed, gas)
	}
	b.minis = append(b.minis, m)
}

// close ends the block and checks the law of its mini-blocks: with the deferred
// write of EIP-2935 in front, they make the block's changes.
func (b *building) close() *chain.Result {
	b.t.Helper()
	r, err := b.Close(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if r.Last == nil {
		b.t.Fatal("no last mini-block")
	}
	b.add(r.Last)
	var (
		parts []*chain.Changes
		txs   int
	)
	for i, m := range b.minis {
		if m.ParentHashPending {
			if i > 0 {
				b.t.Fatalf("mini-block %d says that the parent's hash is pending", i)
			}
			deferred, err := chain.ParentHashChange(b.scene.parent, b.scene.world)
			if err != nil {
				b.t.Fatal(err)
			}
			parts = append(parts, deferred)
		}
		parts, txs = append(parts, m.Changes), txs+len(m.Txs)
	}
	net, err := chain.Merge(parts...)
	if err != nil {
		b.t.Fatal(err)
	}
	checkChanges(b.t, net, r.Changes)
	checkResult(b.t, r, txs)
	return r
}

// testSplits: however a block is cut into pushes and mini-blocks, it is the block.
func testSplits(t *testing.T, s *scene) {
	txs := s.crowd(t, 6, 200)
	want := s.execute(t, txs...)
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 2))
		b := s.open(t, s, s.world)
		for rest := txs; len(rest) > 0; {
			n := min(rng.IntN(40), len(rest))
			results := b.push(rest[:n]...)
			rest = rest[n:]
			if rng.IntN(2) == 0 {
				if m := b.seal(); len(m.Txs) >= n && n > 0 && m.Results[len(m.Results)-1].Receipt != results[n-1].Receipt {
					t.Fatal("the mini-block's results are not those of Push")
				}
			}
		}
		checkSame(t, b.close(), want)
		checkTransactionsMerge(t, b)
	}
}

// checkTransactionsMerge verifies that a mini-block in the middle is what its
// transactions did.
func checkTransactionsMerge(t *testing.T, b *building) {
	t.Helper()
	for _, m := range b.minis[1 : len(b.minis)-1] {
		var each []*chain.Changes
		for i := range m.Results {
			each = append(each, m.Results[i].Changes)
		}
		net, err := chain.Merge(each...)
		if err != nil {
			t.Fatal(err)
		}
		checkChanges(t, m.Changes, net)
	}
}

func testEmptyMinis(t *testing.T, s *scene) {
	want := s.execute(t)
	b := s.open(t, s, s.world)
	for range 3 {
		b.seal()
	}
	for _, m := range b.minis[1:] {
		if m.Changes.Len() != 0 {
			t.Errorf("mini-block %d of nothing changes %+v", m.Index, m.Changes)
		}
	}
	checkSame(t, b.close(), want)
}

// testInvalidLeavesNothing: invalid transactions among valid ones are told apart,
// and leave no trace.
func testInvalidLeavesNothing(t *testing.T, s *scene) {
	var (
		txs  = s.crowd(t, 7, 60)
		want = s.execute(t, txs...)
		b    = s.open(t, s, s.world)
		bad  []*chain.Tx
	)
	for _, tx := range newScene(t, osaka, func(testing.TB, *params.ChainConfig) chain.Executor { return s.executor }).invalid(t) {
		bad = append(bad, tx)
	}
	var mixed []*chain.Tx
	for i, tx := range txs {
		mixed = append(mixed, tx)
		if i > 20 && i%4 == 0 {
			mixed = append(mixed, bad[i%len(bad)], tx) // and one whose nonce is used
		}
	}
	results, err := b.Push(t.Context(), mixed)
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for i, r := range results {
		if good < len(txs) && mixed[i] == txs[good] && r.Err == nil {
			good++
			continue
		}
		if !errors.Is(r.Err, chain.ErrInvalidTx) || r.Receipt != nil || r.Changes != nil || r.Output != nil {
			t.Fatalf("transaction %d: %+v", i, r)
		}
	}
	if good != len(txs) {
		t.Fatalf("%d of %d valid transactions included", good, len(txs))
	}
	checkSame(t, b.close(), want)
}

// testBlockFull: what does not fit is told apart from what is invalid, and a
// smaller transaction may still fit.
func testBlockFull(t *testing.T, s *scene) {
	const each = 16_000_000
	s.env.GasLimit = each + 40_000
	var (
		first  = s.sign(t, intent{from: 0, to: &storeAddress, data: append(word(0), word(1)...), gas: each})
		second = s.sign(t, intent{from: 1, to: &s.people[2], gas: each})
		third  = s.sign(t, intent{from: 2, to: &s.people[0], gas: 21000})
		b      = s.open(t, s, s.world)
	)
	b.push(first)
	used := b.seal().GasUsed
	if used+each <= s.env.GasLimit {
		t.Fatalf("the first transaction used %d gas, too little for this test", used)
	}
	results, err := b.Push(t.Context(), []*chain.Tx{second, third})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(results[0].Err, chain.ErrBlockFull) || errors.Is(results[0].Err, chain.ErrInvalidTx) {
		t.Errorf("too large: got %v", results[0].Err)
	}
	if results[1].Err != nil {
		t.Errorf("small enough: got %v", results[1].Err)
	}
	checkSame(t, b.close(), s.execute(t, first, third))

	over := s.sign(t, intent{from: 3, to: &s.people[2], gas: s.env.GasLimit + 1})
	results, err = s.open(t, s, s.world).Push(t.Context(), []*chain.Tx{over})
	if err != nil || !errors.Is(results[0].Err, chain.ErrInvalidTx) {
		t.Errorf("larger than any block: got %v, %v", results, err)
	}
}

// later is a scene's past of which the parent's hash comes when it is told.
type later struct {
	*scene
	told  chan struct{}
	asked chan struct{} // one for each who waits
}

func (s *scene) later() *later {
	return &later{s, make(chan struct{}), make(chan struct{}, 16)}
}

// BlockHash implements chain.Ancestors.
func (l *later) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	if number == parentNumber {
		l.asked <- struct{}{}
		select {
		case <-l.told:
		case <-ctx.Done():
			return common.Hash{}, context.Cause(ctx)
		}
	}
	return l.scene.BlockHash(ctx, number)
}

// testNobodyWaits: a block is open, executes and seals mini-blocks without its
// parent's hash, for which only Close waits.
func testNobodyWaits(t *testing.T, s *scene) {
	var (
		txs  = s.quiet(t, 30)
		want = s.execute(t, txs...)
		past = s.later()
		b    = s.open(t, past, s.world)
	)
	b.push(txs[:10]...)
	first := b.seal()
	b.push(txs[10:]...)
	b.seal()
	if len(past.asked) > 0 {
		t.Fatal("the parent's hash was asked for, though nobody reads it")
	}
	if !first.ParentHashPending || first.Changes.Account(chain.HistoryStorageAddress) != nil {
		t.Errorf("first mini-block: pending is %t, history contract %+v", first.ParentHashPending, first.Changes.Account(chain.HistoryStorageAddress))
	}
	go func() {
		<-past.asked
		close(past.told)
	}()
	checkSame(t, b.close(), want)
}

// quiet signs n transactions that do not ask for hashes.
func (s *scene) quiet(t testing.TB, n int) (txs []*chain.Tx) {
	for i := range n {
		txs = append(txs, s.sign(t, intent{from: i % peopleCount, to: &storeAddress, data: append(word(uint64(i%5)), word(uint64(i%3))...)}))
	}
	return txs
}

// testOneWaits: who reads the slot of EIP-2935 waits for its value, and sees it.
func testOneWaits(t *testing.T, s *scene) {
	checkWaits(t, s, s.sign(t, intent{from: 11, to: &historyAddress, data: word(parentNumber)}))
}

// testBlockHashWaits: so does who runs BLOCKHASH.
func testBlockHashWaits(t *testing.T, s *scene) {
	checkWaits(t, s, s.sign(t, intent{from: 11, to: &blockHashAddress, data: word(parentNumber)}))
}

func checkWaits(t *testing.T, s *scene, reader *chain.Tx) {
	t.Helper()
	var (
		before = s.quiet(t, 5)
		after  = s.quiet(t, 5)
		txs    = slices.Concat(before, []*chain.Tx{reader}, after)
		want   = s.execute(t, txs...)
		past   = s.later()
		b      = s.open(t, past, s.world)
		done   = make(chan struct{})
	)
	b.push(before...)
	b.seal()
	var (
		results []chain.TxResult
		err     error
	)
	go func() {
		defer close(done)
		results, err = b.Push(b.ctx, txs[len(before):])
	}()
	select {
	case <-past.asked:
	case <-time.After(time.Minute):
		t.Fatal("nobody asked for the parent's hash")
	}
	select {
	case <-done:
		t.Fatal("did not wait for the parent's hash")
	case <-time.After(10 * time.Millisecond):
	}
	close(past.told)
	<-done
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	if got := results[0].Changes.Accounts; !slices.ContainsFunc(got, func(a chain.AccountChange) bool {
		return len(a.Slots) == 1 && a.Slots[0].After.Bytes32() == s.parent.Hash()
	}) {
		t.Errorf("the reader did not store the hash: %+v", got)
	}
	checkSame(t, b.close(), want)
}

// testWaitEnds: a wait for the parent's hash ends with the context, and with it
// the block.
func testWaitEnds(t *testing.T, s *scene) {
	var (
		past        = s.later()
		b           = s.open(t, past, s.world)
		ctx, cancel = context.WithCancelCause(t.Context())
		reason      = errors.New("enough")
		reader      = s.sign(t, intent{from: 11, to: &historyAddress, data: word(parentNumber)})
	)
	go func() {
		<-past.asked
		cancel(reason)
	}()
	if _, err := b.Push(ctx, []*chain.Tx{reader}); !errors.Is(err, reason) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Close(t.Context()); err == nil {
		t.Fatal("a broken block was closed")
	}
}

// testOtherHistory: a history contract with other code than the EIP's is called
// at once, with the hash; nothing is pending.
func testOtherHistory(t *testing.T, s *scene) {
	// It stores its input under 1, and nothing under the EIP's slot.
	s.world.put(chain.HistoryStorageAddress, 0, ops(0, callDataLoad, 1, sstore))
	want := s.execute(t)
	b := s.open(t, s, s.world)
	first := b.seal()
	if first.ParentHashPending {
		t.Error("the parent's hash is pending, for a contract that nobody knows")
	}
	if a := first.Changes.Account(chain.HistoryStorageAddress); a == nil || a.Slots[0].Key != slotNumber(1) || a.Slots[0].After.Bytes32() != s.parent.Hash() {
		t.Errorf("history contract: %+v", a)
	}
	checkSame(t, b.close(), want)
}

// testUnknownBreaks: a view that fails breaks the block; nothing but Discard
// follows.
func testUnknownBreaks(t *testing.T, s *scene) {
	view := newSpy(s)
	view.unknown = func(k viewKey) bool { return k.what == "slot" && k.addr == storeAddress }
	b := s.open(t, s, view)
	txs := s.quiet(t, 3)
	if results, err := b.Push(t.Context(), txs); !errors.Is(err, chain.ErrUnknown) || results != nil {
		t.Fatalf("got %v, %v", results, err)
	}
	for name, call := range b.calls(t, s) {
		if err := call(); err == nil {
			t.Errorf("%s of a broken block succeeds", name)
		}
	}
	b.Discard()
}

// calls are all that an OpenBlock can do.
func (b *building) calls(t testing.TB, s *scene) map[string]func() error {
	return map[string]func() error{
		"Push":     func() error { _, err := b.Push(t.Context(), s.quiet(t, 1)); return err },
		"SealMini": func() error { _, err := b.SealMini(t.Context()); return err },
		"Close":    func() error { _, err := b.Close(t.Context()); return err },
	}
}

// testDiscard: Discard may follow anything, and repeat; what is called after it, or
// after Close, says so.
func testDiscard(t *testing.T, s *scene) {
	for stage, reach := range map[string]func(*building){
		"Open":     func(*building) {},
		"Push":     func(b *building) { b.push(s.quiet(t, 1)...) },
		"SealMini": func(b *building) { b.seal() },
		"Close":    func(b *building) { b.close() },
	} {
		b := s.open(t, s, s.world)
		s.nonces = make([]uint64, peopleCount)
		reach(b)
		b.Discard()
		b.Discard()
		for name, call := range b.calls(t, s) {
			if err := call(); !errors.Is(err, chain.ErrClosed) {
				t.Errorf("%s after %s and Discard: got %v", name, stage, err)
			}
		}
	}
	// One block's end is nothing to another.
	s.nonces = make([]uint64, peopleCount)
	txs := s.quiet(t, 4)
	b, dropped := s.open(t, s, s.world), s.open(t, s, s.world)
	b.push(txs[:2]...)
	dropped.push(txs[:3]...)
	dropped.Discard()
	b.push(txs[2:]...)
	checkSame(t, b.close(), s.execute(t, txs...))
}
