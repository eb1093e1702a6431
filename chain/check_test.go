package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

func TestCheckResult(t *testing.T) {
	var (
		h = pragueHeader()
		r = &Result{GasUsed: h.GasUsed, BlobGasUsed: *h.BlobGasUsed, LogsBloom: h.LogsBloom, Requests: [][]byte{}}
	)
	if err := h.CheckResult(r, h.ReceiptsRoot, h.StateRoot); err != nil {
		t.Fatal(err)
	}
	for field, alter := range map[string]func(h *Header){
		"gasUsed":      func(h *Header) { h.GasUsed++ },
		"blobGasUsed":  func(h *Header) { h.BlobGasUsed = ptr(uint64(1 << 17)) },
		"receiptsRoot": func(h *Header) { h.ReceiptsRoot = fill(1) },
		"logsBloom":    func(h *Header) { h.LogsBloom[0] ^= 1 },
		"requestsHash": func(h *Header) { h.RequestsHash = ptr(fill(1)) },
		"stateRoot":    func(h *Header) { h.StateRoot = fill(1) },
	} {
		claims := *h
		alter(&claims)
		err := claims.CheckResult(r, h.ReceiptsRoot, h.StateRoot)
		checkMismatch(t, err, h.Number, field)
	}
	without := *h
	without.RequestsHash = nil
	checkMismatch(t, without.CheckResult(r, h.ReceiptsRoot, h.StateRoot), h.Number, "requestsHash")

	frontier := frontierHeader()
	for field, r := range map[string]*Result{"": {}, "blobGasUsed": {BlobGasUsed: 1}, "requestsHash": {Requests: [][]byte{}}} {
		err := frontier.CheckResult(r, frontier.ReceiptsRoot, frontier.StateRoot)
		if field != "" {
			checkMismatch(t, err, frontier.Number, field)
		} else if err != nil {
			t.Error(err)
		}
	}
}

func checkMismatch(t *testing.T, err error, block uint64, field string) {
	t.Helper()
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || !errors.Is(err, ErrMismatch) || mismatch.Field != field || mismatch.Block != block {
		t.Errorf("%s: got error %v", field, err)
		return
	}
	if mismatch.Got == mismatch.Want || !strings.Contains(err.Error(), mismatch.Want) {
		t.Errorf("%s: error %v does not say what differs", field, err)
	}
}

func TestCheckParent(t *testing.T) {
	parent := londonHeader()
	child := func() *Header {
		h := pragueHeader()
		h.Number, h.ParentHash, h.Timestamp = parent.Number+1, parent.Hash(), parent.Timestamp+1
		return h
	}
	if err := child().CheckParent(parent); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field string
		alter func(h *Header)
	}{
		{"number", func(h *Header) { h.Number++ }},
		{"number", func(h *Header) { h.Number-- }},
		{"parentHash", func(h *Header) { h.ParentHash = fill(1) }},
		{"timestamp", func(h *Header) { h.Timestamp = parent.Timestamp }},
		{"timestamp", func(h *Header) { h.Timestamp = 0 }},
	} {
		h := child()
		test.alter(h)
		checkMismatch(t, h.CheckParent(parent), h.Number, test.field)
	}
}

func TestHistoryStorageCodeHash(t *testing.T) {
	code := common.FromHex("3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500")
	if got := Keccak256(code); got != HistoryStorageCodeHash {
		t.Fatalf("got %s, want %s", got, HistoryStorageCodeHash)
	}
}

func TestHistorySlot(t *testing.T) {
	for number, want := range map[uint64]uint64{
		0: 0, 1: 1, 8190: 8190, 8191: 0, 8192: 1, 2*8191 - 1: 8190, math.MaxUint64: math.MaxUint64 % 8191,
	} {
		if got := HistorySlot(number); got != common.BigToHash(uint256.NewInt(want).ToBig()) {
			t.Errorf("block %d: got %s, want %d", number, got, want)
		}
	}
}

func TestParentHashChange(t *testing.T) {
	var (
		parent = pragueHeader()
		hash   = parent.Hash()
		view   = newWorld()
	)
	if _, err := ParentHashChange(parent, view); !errors.Is(err, ErrOutOfStep) {
		t.Errorf("without the contract: %v", err)
	}
	view.account(HistoryStorageAddress).Nonce = 1
	if _, err := ParentHashChange(parent, view); !errors.Is(err, ErrOutOfStep) {
		t.Errorf("with another contract: %v", err)
	}
	view.account(HistoryStorageAddress).CodeHash = HistoryStorageCodeHash
	c, err := ParentHashChange(parent, view)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	slot := c.Account(HistoryStorageAddress).Slot(HistorySlot(parent.Number))
	if slot == nil || !slot.Before.IsZero() || slot.After.Bytes32() != hash || c.Len() != 2 {
		t.Fatalf("got %+v", c)
	}
	view.apply(c)
	if c, err = ParentHashChange(parent, view); err != nil || c.Len() != 0 {
		t.Errorf("written twice: %+v, %v", c, err)
	}
	if _, err := ParentHashChange(parent, failingView{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("over a view that does not know: %v", err)
	}
}

// A failingView knows nothing.
type failingView struct{}

func (failingView) Account(a common.Address) (Account, bool, error) {
	return Account{}, false, &MissingError{"account", Keccak256(a[:])}
}
func (failingView) Slot(common.Address, common.Hash) (uint256.Int, error) {
	return uint256.Int{}, &MissingError{What: "slot"}
}
func (failingView) Code(h common.Hash) ([]byte, error) { return nil, &MissingError{"code", h} }

// linkedHeaders are the headers of blocks 0 to n-1, each the parent of the next.
func linkedHeaders(n int) []*Header {
	headers := make([]*Header, n)
	for i := range headers {
		headers[i] = pragueHeader()
		headers[i].Number, headers[i].Timestamp = uint64(i), uint64(i)
		headers[i].ParentHash = common.Hash{}
		if i > 0 {
			headers[i].ParentHash = headers[i-1].Hash()
		}
	}
	return headers
}

// backwards are the encodings of n headers, from child's parent on.
func backwards(headers []*Header, child uint64, n int) (list [][]byte) {
	for i := range n {
		list = append(list, encode(headers[int(child)-1-i]))
	}
	return list
}

// What a witness needs and what its headers answer fit exactly: with
// WitnessHeaders headers every hash that was read can be read again, and with one
// less the oldest cannot.
func TestWitnessHeadersFitBlockHashes(t *testing.T) {
	headers := linkedHeaders(300)
	for _, child := range []uint64{1, 2, 3, 4, 255, 256, 257, 258, 299} {
		first := child - min(child, 256)
		for oldest := first; oldest <= child; oldest++ { // child: none was read
			if oldest > first+4 && oldest+4 < child {
				continue // the borders will do
			}
			n := WitnessHeaders(child, oldest)
			if n < 1 || n > 255 || uint64(n) > child {
				t.Fatalf("child %d, oldest %d: %d headers", child, oldest, n)
			}
			b, parent, err := NewBlockHashes(headers[child], backwards(headers, child, n))
			if err != nil {
				t.Fatalf("child %d, oldest %d: %v", child, oldest, err)
			}
			if parent.Hash() != headers[child].ParentHash {
				t.Fatal("wrong parent")
			}
			for number := child - 1; number >= oldest && number < child; number-- {
				got, err := b.BlockHash(context.Background(), number)
				if err != nil || got != headers[number].Hash() {
					t.Fatalf("child %d, oldest %d, %d headers: hash of %d is %s, %v", child, oldest, n, number, got, err)
				}
			}
			if oldest < child {
				_, _ = b.BlockHash(context.Background(), child-1) // reading a newer one again alters nothing
			}
			if b.Oldest() != oldest {
				t.Fatalf("child %d: oldest is %d, want %d", child, b.Oldest(), oldest)
			}
			if WitnessHeaders(child, b.Oldest()) != n {
				t.Fatalf("child %d, oldest %d: the verifier asks for another number of headers", child, oldest)
			}
			if n == 1 {
				continue
			}
			b, _, err = NewBlockHashes(headers[child], backwards(headers, child, n-1))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.BlockHash(context.Background(), oldest); !errors.Is(err, ErrUnknown) {
				t.Fatalf("child %d, oldest %d: %d headers would do (error %v)", child, oldest, n-1, err)
			}
		}
	}
}

func TestBlockHashesOutside(t *testing.T) {
	headers := linkedHeaders(10)
	b, _, err := NewBlockHashes(headers[9], backwards(headers, 9, 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []uint64{9, 10, math.MaxUint64, 0, 4} {
		var missing *MissingError
		if hash, err := b.BlockHash(context.Background(), number); !errors.As(err, &missing) || !errors.Is(err, ErrUnknown) || hash != (common.Hash{}) {
			t.Errorf("block %d: got %s, %v", number, hash, err)
		}
	}
	if b.Oldest() != 9 {
		t.Errorf("what was not answered counts: oldest is %d", b.Oldest())
	}
}

func TestNewBlockHashesRefuses(t *testing.T) {
	var (
		headers = linkedHeaders(10)
		good    = func() [][]byte { return backwards(headers, 9, 4) }
		genesis = pragueHeader()
	)
	genesis.Number = 0
	before := pragueHeader()
	before.Number = math.MaxUint64
	genesis.ParentHash = before.Hash()
	for _, test := range []struct {
		name    string
		child   *Header
		headers [][]byte
		want    error
	}{
		{"nothing", headers[9], nil, ErrUnknown},
		{"a hole", headers[9], append(good()[:1], good()[2:]...), ErrCorrupt},
		{"a repetition", headers[9], append(good()[:1:1], good()...), ErrCorrupt},
		{"of another child", headers[8], good(), ErrCorrupt},
		{"the child itself", headers[9], [][]byte{encode(headers[9])}, ErrCorrupt},
		{"a flipped bit", headers[9], func() [][]byte { g := good(); g[3][50] ^= 1; return g }(), ErrCorrupt},
		{"bytes after a header", headers[9], func() [][]byte { g := good(); g[3] = append(g[3], 0); return g }(), ErrCorrupt},
		{"no header", headers[9], append(good(), []byte{0xc0}), ErrCorrupt},
		{"a header before genesis", headers[1], append(backwards(headers, 1, 1), encode(before)), ErrCorrupt},
		{"genesis with a parent", genesis, [][]byte{encode(before)}, ErrCorrupt},
		{"a wrong number", func() *Header { h := *headers[9]; h.Number++; return &h }(), good(), ErrCorrupt},
	} {
		b, parent, err := NewBlockHashes(test.child, test.headers)
		if !errors.Is(err, test.want) || b != nil || parent != nil {
			t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
		}
	}
}

func TestAncestorsFunc(t *testing.T) {
	var a Ancestors = AncestorsFunc(func(_ context.Context, n uint64) (common.Hash, error) { return fill(byte(n)), nil })
	if h, err := a.BlockHash(context.Background(), 7); h != fill(7) || err != nil {
		t.Fatal(h, err)
	}
}

func TestErrors(t *testing.T) {
	evidence := errors.New("evidence")
	for _, test := range []struct {
		err  error
		is   error
		text string
	}{
		{&CorruptError{"log segment 3", 17, evidence}, ErrCorrupt, "corrupt log segment 3 at byte 17: evidence"},
		{&CorruptError{"changes", -1, evidence}, evidence, "corrupt changes: evidence"},
		{&MissingError{"code", fill(0xab)}, ErrUnknown, "missing code " + fill(0xab).Hex()},
		{&MismatchError{7, "gasUsed", "1", "2"}, ErrMismatch, "block 7: gasUsed: got 1, want 2"},
	} {
		wrapped := fmt.Errorf("outside: %w", test.err)
		if !errors.Is(wrapped, test.is) || test.err.Error() != test.text {
			t.Errorf("got %q, want %q", test.err, test.text)
		}
		for _, other := range []error{ErrNotFound, ErrTooLarge, ErrInvalidBlock} {
			if errors.Is(wrapped, other) {
				t.Errorf("%v matches %v", test.err, other)
			}
		}
	}
	if corrupt("changes", nil) != nil || mismatch(1, "x", 2, 2) != nil {
		t.Error("an error without a cause")
	}
	if !bytes.Contains([]byte((BlockID{7, fill(1)}).String()), []byte("7 (0x0101")) {
		t.Error("BlockID does not name the block")
	}
}
