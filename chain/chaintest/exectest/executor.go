package exectest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
)

// TestExecutor tests an implementation of chain.Executor, and of chain.Builder if
// it is one, against the contract. Run it under the race detector too.
func TestExecutor(t *testing.T, newExecutor New) {
	for _, test := range []struct {
		name string
		fork fork
		run  func(*testing.T, *scene)
	}{
		{"Empty", paris, testEmpty},
		{"Transfer", paris, testTransfer},
		{"Creation", paris, testCreation},
		{"Revert", paris, testRevert},
		{"Refund", paris, testRefund},
		{"Logs", paris, testLogs},
		{"Ephemeral", paris, testEphemeral},
		{"Ephemeral6780", osaka, testEphemeral},
		{"Destruction", shanghai, testDestruction},
		{"Destruction6780", osaka, testNoDestruction},
		{"Recreation", shanghai, testRecreation},
		{"Withdrawal", shanghai, testWithdrawal},
		{"Delegation", osaka, testDelegation},
		{"BlockHash", paris, testBlockHash},
		{"ParentHash", osaka, testParentHash},
		{"Invalid", osaka, testInvalid},
		{"GasLimit", osaka, testBlockGasLimit},
		{"ReadsOnce", osaka, testReadsOnce},
		{"UnknownIsNotAbsent", osaka, testUnknown},
		{"AccessSetSuffices", osaka, testAccessSetSuffices},
		{"Context", osaka, testContext},
		{"Concurrent", osaka, testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newScene(t, test.fork, newExecutor)) })
	}
	t.Run("Builder", func(t *testing.T) { testBuilder(t, newExecutor) })
}

// A block without transactions, on a chain without system contracts, does nothing.
func testEmpty(t *testing.T, s *scene) {
	r := s.execute(t)
	checkChanges(t, r.Changes, &chain.Changes{})
	if d := r.Accesses.Diff(&chain.AccessSet{}); d != "" {
		t.Error(d)
	}
	if r.GasUsed != 0 || r.Requests != nil {
		t.Errorf("gas %d, requests %x of nothing", r.GasUsed, r.Requests)
	}
}

func checkChanges(t testing.TB, got, want *chain.Changes) {
	t.Helper()
	g, _ := got.AppendBinary(nil)
	w, _ := want.AppendBinary(nil)
	if !slices.Equal(g, w) {
		t.Errorf("got changes\n%+v\nwant\n%+v", got, want)
	}
}

// paid is an account's balance of wealth ether and more, less the price of gas and
// value.
func paid(gas, value uint64) (v uint256.Int) {
	v.Mul(uint256.NewInt(wealth), uint256.NewInt(1e18))
	v.Sub(&v, uint256.NewInt(gas*(baseFee+tip)))
	v.Sub(&v, uint256.NewInt(value))
	return v
}

// testTransfer: changes, accesses and receipt of a transfer, in full.
func testTransfer(t *testing.T, s *scene) {
	var (
		to = named("stranger")
		tx = s.sign(t, intent{from: 0, to: &to, value: 5})
		r  = s.execute(t, tx)
	)
	want := &chain.Changes{Accounts: []chain.AccountChange{
		{Address: s.people[0], Existed: true, Exists: true, Before: s.world.accounts[s.people[0]],
			After: chain.Account{Nonce: 1, Balance: paid(21000, 5), CodeHash: chain.EmptyCodeHash}},
		{Address: to, Exists: true, After: chain.Account{Balance: *uint256.NewInt(5), CodeHash: chain.EmptyCodeHash}},
		{Address: coinbase, Exists: true, After: chain.Account{Balance: *uint256.NewInt(21000 * tip), CodeHash: chain.EmptyCodeHash}},
	}}
	want.Normalize()
	checkChanges(t, r.Changes, want)

	access := &chain.AccessSet{Accounts: []chain.AccountAccess{{Address: s.people[0]}, {Address: to}, {Address: coinbase}}}
	access.Normalize()
	if d := r.Accesses.Diff(access); d != "" {
		t.Errorf("access set: %s", d)
	}

	receipt := r.Receipts[0]
	if receipt.Type != types.DynamicFeeTxType || receipt.Status != 1 || receipt.HasPostState || receipt.GasUsed != 21000 ||
		receipt.TxHash != tx.Hash() || receipt.BlockNumber != s.env.Number || receipt.ContractAddress != nil ||
		receipt.EffectiveGasPrice != *uint256.NewInt(baseFee + tip) || receipt.BlobGasPrice != nil {
		t.Errorf("receipt %+v", receipt)
	}
}

// testCreation: a contract comes with its code, a nonce of 1, and its address in
// the receipt. Code that is only created is not code that was read.
func testCreation(t *testing.T, s *scene) {
	var (
		r    = s.execute(t, s.sign(t, intent{from: 1, data: mortalInit, value: 4}))
		addr = crypto.CreateAddress(s.people[1], 0)
		hash = chain.Keccak256(mortalCode)
		got  = r.Changes.Account(addr)
	)
	if got == nil || got.After != (chain.Account{Nonce: 1, Balance: *uint256.NewInt(4), CodeHash: hash}) || got.Existed {
		t.Fatalf("created %+v", got)
	}
	if len(r.Changes.Codes) != 1 || !slices.Equal(r.Changes.Code(hash), mortalCode) {
		t.Errorf("codes %+v", r.Changes.Codes)
	}
	if created := r.Receipts[0].ContractAddress; created == nil || *created != addr {
		t.Errorf("receipt names %v, not %s", created, addr)
	}
	if a := accessOf(r.Accesses, addr); a == nil || a.Code {
		t.Errorf("access %+v", a)
	}
}

// testRevert: a call that reverts leaves its accesses and its price, nothing else.
func testRevert(t *testing.T, s *scene) {
	r := s.execute(t, s.sign(t, intent{from: 0, to: &revertAddress, value: 6}))
	if r.Receipts[0].Status != 0 {
		t.Error("status is success")
	}
	if n := len(r.Changes.Accounts); n != 2 || r.Changes.Account(revertAddress) != nil {
		t.Errorf("%d accounts changed, not sender and coinbase alone", n)
	}
	if got, want := r.Changes.Account(s.people[0]).After.Balance, paid(r.GasUsed, 0); got != want {
		t.Errorf("sender has %s, want %s", &got, &want)
	}
	a := accessOf(r.Accesses, revertAddress)
	if a == nil || !a.Code || !slices.Equal(a.Slots, []common.Hash{slotNumber(0), slotNumber(7)}) {
		t.Errorf("access %+v", a)
	}
	if a := accessOf(r.Accesses, storeAddress); a == nil || a.Code {
		t.Errorf("access %+v of an account whose balance alone was read", a)
	}
}

// testRefund: clearing a slot gives back at most a fifth (EIP-3529).
func testRefund(t *testing.T, s *scene) {
	r := s.execute(t, s.sign(t, intent{from: 0, to: &refundAddress}))
	// Twice two pushes of 3 and a cold slot cleared for 2100 + 2900. A refund of
	// 9600 is more than a fifth.
	used := uint64(21000 + 2*5006)
	if want := used - used/5; r.GasUsed != want {
		t.Errorf("gas used %d, want %d", r.GasUsed, want)
	}
	got := r.Changes.Account(refundAddress)
	if got == nil || len(got.Slots) != 2 || !got.Slots[0].After.IsZero() || got.Before != got.After {
		t.Errorf("cleared slots: %+v", got)
	}
}

func testLogs(t *testing.T, s *scene) {
	var (
		one = s.sign(t, intent{from: 0, to: &logAddress, data: word(41)})
		two = s.sign(t, intent{from: 1, to: &logAddress, data: word(42)})
		r   = s.execute(t, one, two)
	)
	for i, want := range []uint64{41, 42} {
		logs := r.Receipts[i].Logs
		if len(logs) != 1 || logs[0].Address != logAddress || !slices.Equal(logs[0].Topics, []common.Hash{slotNumber(5)}) || !slices.Equal(logs[0].Data, word(want)) {
			t.Errorf("logs %+v", logs)
		}
	}
}

// testEphemeral: what is created and destroyed in one transaction never was.
func testEphemeral(t *testing.T, s *scene) {
	r := s.execute(t, s.sign(t, intent{from: 0, to: &ephemeralAddress, value: 3}))
	made := crypto.CreateAddress2(ephemeralAddress, common.Hash{}, crypto.Keccak256(ops(3, 4, sstore, caller, selfDestruct)))
	if r.Changes.Account(made) != nil {
		t.Errorf("changes of what never was: %+v", r.Changes.Account(made))
	}
	if a := accessOf(r.Accesses, made); a == nil || !slices.Equal(a.Slots, []common.Hash{slotNumber(4)}) {
		t.Errorf("access %+v", a)
	}
	if got := r.Changes.Account(ephemeralAddress).After.Balance; got != *uint256.NewInt(3) {
		t.Errorf("its funds: %s, want 3", &got)
	}
}

// testDestruction: before Cancun, an account that destroys itself is gone with its
// storage, and what it had went to the caller.
func testDestruction(t *testing.T, s *scene) {
	s.world.put(mortalAddress, 1, mortalCode)
	s.world.setSlot(mortalAddress, slotNumber(1), *uint256.NewInt(1))
	r := s.execute(t, s.sign(t, intent{from: 0, to: &mortalAddress}))
	a := r.Changes.Account(mortalAddress)
	if a == nil || !a.Existed || a.Exists || !a.Cleared || len(a.Slots) > 0 {
		t.Fatalf("destroyed account: %+v", a)
	}
	want := paid(r.GasUsed, 0)
	want.Add(&want, uint256.NewInt(1e18))
	if got := r.Changes.Account(s.people[0]).After.Balance; got != want {
		t.Errorf("beneficiary has %s, want %s", &got, &want)
	}
}

// testNoDestruction: from Cancun on it stays, and only its funds go (EIP-6780).
func testNoDestruction(t *testing.T, s *scene) {
	s.world.put(mortalAddress, 1, mortalCode)
	r := s.execute(t, s.sign(t, intent{from: 0, to: &mortalAddress}))
	a := r.Changes.Account(mortalAddress)
	if a == nil || !a.Exists || a.Cleared || !a.After.Balance.IsZero() || a.After.CodeHash != a.Before.CodeHash {
		t.Errorf("account that asked to be destroyed: %+v", a)
	}
}

// testRecreation: an account that is destroyed and made anew in one block is
// cleared, and what is written then is relative to nothing.
func testRecreation(t *testing.T, s *scene) {
	s.world.put(mortalMade, 2, mortalCode)
	for i := range uint64(3) {
		s.world.setSlot(mortalMade, slotNumber(i), *uint256.NewInt(5))
	}
	r := s.execute(t,
		s.sign(t, intent{from: 0, to: &mortalMade, data: word(0)}), // write
		s.sign(t, intent{from: 0, to: &mortalMade}),                // destroy
		s.sign(t, intent{from: 0, to: &factoryAddress, value: 1}),  // make anew
		s.sign(t, intent{from: 0, to: &mortalMade, data: word(0)}), // write the same again
		s.sign(t, intent{from: 0, to: &mortalMade, data: word(1)}), // and another
	)
	a := r.Changes.Account(mortalMade)
	if a == nil || !a.Existed || !a.Exists || !a.Cleared {
		t.Fatalf("account made anew: %+v", a)
	}
	want := []chain.SlotChange{{Key: slotNumber(0), After: *uint256.NewInt(9)}, {Key: slotNumber(1), After: *uint256.NewInt(9)}}
	if !slices.Equal(a.Slots, want) {
		t.Errorf("slots %+v, want %+v", a.Slots, want)
	}
	if len(r.Changes.Codes) != 0 {
		t.Error("code that was there before is among the new ones")
	}
	before := s.world.accounts[mortalMade]
	s.world.apply(t, r.Changes)
	if after := s.world.accounts[mortalMade]; after.CodeHash != before.CodeHash || after.Balance != *uint256.NewInt(1) {
		t.Errorf("%+v made anew as %+v", before, after)
	}
}

// testWithdrawal: EIP-4895 pays in Gwei, and touches no gas.
func testWithdrawal(t *testing.T, s *scene) {
	r := s.execute(t)
	if got := r.Changes.Account(named("validator")); got == nil || got.After.Balance != *uint256.NewInt(3e9) || len(r.Changes.Accounts) != 1 {
		t.Errorf("changes %+v", r.Changes)
	}
}

// testDelegation: EIP-7702 sets the code of who signs, and calls run it.
func testDelegation(t *testing.T, s *scene) {
	auth, err := types.SignSetCode(s.keys[1], types.SetCodeAuthorization{
		ChainID: *uint256.MustFromBig(s.config.ChainID), Address: storeAddress, Nonce: 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	tx := s.signData(t, 0, &types.SetCodeTx{
		ChainID: uint256.MustFromBig(s.config.ChainID), Nonce: 0, To: s.people[1], Value: new(uint256.Int), Gas: 300_000,
		GasFeeCap: uint256.NewInt(100), GasTipCap: uint256.NewInt(tip), Data: append(word(3), word(4)...),
		AuthList: []types.SetCodeAuthorization{auth},
	})
	r := s.execute(t, tx)
	code := delegationTo(storeAddress)
	a := r.Changes.Account(s.people[1])
	if a == nil || a.After.Nonce != 1 || a.After.CodeHash != chain.Keccak256(code) || !slices.Equal(r.Changes.Code(a.After.CodeHash), code) {
		t.Fatalf("authority: %+v", a)
	}
	if want := []chain.SlotChange{{Key: slotNumber(3), After: *uint256.NewInt(4)}}; !slices.Equal(a.Slots, want) {
		t.Errorf("slots %+v, want %+v", a.Slots, want)
	}
	if access := accessOf(r.Accesses, storeAddress); access == nil || !access.Code || len(access.Slots) > 0 {
		t.Errorf("access to the delegate: %+v", access)
	}
	if access := accessOf(r.Accesses, s.people[1]); access == nil || access.Code {
		t.Errorf("access to the authority: %+v", access)
	}
}

// testBlockHash: BLOCKHASH answers for 256 blocks, and only those count as read.
func testBlockHash(t *testing.T, s *scene) {
	for _, number := range []uint64{parentNumber, parentNumber - 1, parentNumber - 255, parentNumber - 256, parentNumber + 1} {
		in := number <= parentNumber && number+256 > parentNumber
		r := newScene(t, paris, func(testing.TB, *params.ChainConfig) chain.Executor { return s.executor })
		got := r.execute(t, r.sign(t, intent{from: 0, to: &blockHashAddress, data: word(number)}))
		if in != slices.Equal(got.Accesses.Ancestors, []uint64{number}) || !in && len(got.Accesses.Ancestors) > 0 {
			t.Errorf("block %d: ancestors read: %v", number, got.Accesses.Ancestors)
		}
		a := got.Changes.Account(blockHashAddress)
		if in != (a != nil) {
			t.Fatalf("block %d: change %+v", number, a)
		}
		if in {
			hash, _ := s.BlockHash(t.Context(), number)
			if a.Slots[0].After.Bytes32() != hash {
				t.Errorf("block %d: got %s, want %s", number, &a.Slots[0].After, hash)
			}
		}
	}
}

// testParentHash: EIP-2935 is among the block's changes, and transactions see it.
func testParentHash(t *testing.T, s *scene) {
	r := s.execute(t, s.sign(t, intent{from: 0, to: &historyAddress, data: word(parentNumber)}))
	derived, err := chain.ParentHashChange(s.parent, s.world)
	if err != nil {
		t.Fatal(err)
	}
	want := derived.Account(chain.HistoryStorageAddress)
	got := r.Changes.Account(chain.HistoryStorageAddress)
	if got == nil || !slices.Equal(got.Slots, want.Slots) {
		t.Errorf("history contract: %+v, want %+v", got, want)
	}
	if a := r.Changes.Account(historyAddress); a == nil || a.Slots[0].After.Bytes32() != s.parent.Hash() {
		t.Errorf("what a transaction read: %+v, want %s", a, s.parent.Hash())
	}
	a := accessOf(r.Accesses, chain.HistoryStorageAddress)
	if a == nil || !a.Code || !slices.Equal(a.Slots, []common.Hash{chain.HistorySlot(parentNumber)}) {
		t.Errorf("access to the history contract: %+v", a)
	}
	if len(r.Accesses.Ancestors) != 0 {
		t.Errorf("ancestors %v read, but not by BLOCKHASH", r.Accesses.Ancestors)
	}
}

// testBlockGasLimit: transactions that want more gas than the block has left make
// it invalid, even if they would use less.
func testBlockGasLimit(t *testing.T, s *scene) {
	const each = 16_000_000
	txs := []*chain.Tx{
		s.sign(t, intent{from: 0, to: &s.people[1], gas: each}),
		s.sign(t, intent{from: 0, to: &s.people[1], gas: each}),
	}
	s.execute(t, txs...) // the second fits into what the first did not use
	s.env.GasLimit = each + 20_999
	_, err := s.executor.Execute(t.Context(), s.block(txs...), s, s.world)
	if !errors.Is(err, chain.ErrInvalidBlock) {
		t.Errorf("got %v", err)
	}
}

// testReadsOnce: no key is read twice.
func testReadsOnce(t *testing.T, s *scene) {
	view := newSpy(s)
	if _, err := s.executor.Execute(t.Context(), s.block(s.crowd(t, 1, 120)...), view, view); err != nil {
		t.Fatal(err)
	}
	for key, n := range view.reads {
		if n > 1 {
			t.Errorf("%s %s %s read %d times", key.what, key.addr, key.hash, n)
		}
	}
}

// testUnknown: whatever a view does not know that execution needs, the error comes
// out, and it is the view's.
func testUnknown(t *testing.T, s *scene) {
	var (
		block = s.block(s.crowd(t, 2, 40)...)
		all   = newSpy(s)
	)
	if _, err := s.executor.Execute(t.Context(), block, all, all); err != nil {
		t.Fatal(err)
	}
	for key := range all.reads {
		view := newSpy(s)
		view.unknown = func(k viewKey) bool { return k == key }
		if _, err := s.executor.Execute(t.Context(), block, view, view); !errors.Is(err, chain.ErrUnknown) {
			t.Errorf("%s %s %s unknown: got %v", key.what, key.addr, key.hash, err)
		}
	}
}

// testAccessSetSuffices: a view that knows what the AccessSet says, and nothing
// else, is enough to come to the same result. So is a witness for it.
func testAccessSetSuffices(t *testing.T, s *scene) {
	var (
		block = s.block(s.crowd(t, 3, 150)...)
		want  = s.execute(t, block.Txs...)
		known = make(map[viewKey]bool)
	)
	for _, a := range want.Accesses.Accounts {
		known[viewKey{"account", a.Address, common.Hash{}}] = true
		for _, key := range a.Slots {
			known[viewKey{"slot", a.Address, key}] = true
		}
		if a.Code {
			known[viewKey{"code", common.Address{}, s.world.accounts[a.Address].CodeHash}] = true
		}
	}
	for _, number := range want.Accesses.Ancestors {
		known[viewKey{"ancestor", common.Address{}, slotNumber(number)}] = true
	}
	view := newSpy(s)
	view.unknown = func(k viewKey) bool { return !known[k] }
	got, err := s.executor.Execute(t.Context(), block, view, view)
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, got, want)
}

// BlockHash implements chain.Ancestors. The parent's is in the block's header.
func (p *spy) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	if number != parentNumber {
		if err := p.ask(viewKey{"ancestor", common.Address{}, slotNumber(number)}); err != nil {
			return common.Hash{}, err
		}
	}
	return p.ancestors.BlockHash(ctx, number)
}

// testContext: a context that has ended ends execution, with its reason.
func testContext(t *testing.T, s *scene) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.executor.Execute(ctx, s.block(s.crowd(t, 4, 10)...), s, s.world)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// testConcurrent: one Executor runs many blocks at once.
func testConcurrent(t *testing.T, s *scene) {
	var (
		block = s.block(s.crowd(t, 5, 60)...)
		want  = s.execute(t, block.Txs...)
		got   = make([]*chain.Result, 8)
		group errgroup.Group
	)
	for i := range got {
		group.Go(func() (err error) {
			got[i], err = s.executor.Execute(t.Context(), block, s, s.world)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		checkSame(t, got[i], want)
	}
}

// checkSame verifies that two results are equal but for hints and Last.
func checkSame(t testing.TB, got, want *chain.Result) {
	t.Helper()
	if d := diff(got, want); d != "" {
		t.Fatal(d)
	}
}
