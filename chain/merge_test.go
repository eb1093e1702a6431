package chain

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A program is bytes that act on a world: two for each act. It knows few accounts,
// keys, values and codes, so that acts often undo or repeat each other. The first
// byte with the high nibble 0xf ends the state before the block, later ones end a
// mini-block.
type program []byte

const programEnd = 0xf0

var (
	programCodes     = [][]byte{nil, {0x00}, {0x60, 0x00}, common.FromHex("0xef0100")}
	programAddresses = []common.Address{address(1), address(2), HistoryStorageAddress}
)

// next runs p up to the next end and returns what is left of it.
func (p program) next(w *world) program {
	for len(p) >= 2 {
		op, arg := p[0], p[1]
		if p = p[2:]; op >= programEnd {
			break
		}
		addr := programAddresses[int(op&0x0f)%len(programAddresses)]
		switch history := addr == HistoryStorageAddress; {
		case op < 0x20:
			w.account(addr).Balance = wei(uint64(arg % 3))
		case history: // nothing else happens to it, or EIP-2935 would not be what it is
		case op < 0x40:
			w.account(addr).Nonce = uint64(arg % 3)
		case op < 0x60:
			w.setCode(addr, programCodes[int(arg)%len(programCodes)])
		case op < 0xc0:
			w.setSlot(addr, fill(arg&3), wei(uint64(arg>>2)%3))
		default:
			w.destroy(addr)
		}
	}
	return p
}

// run makes the state before a block and the Changes of its parts of p, beginning
// with the parent's hash, and of the whole.
func (p program) run(t testing.TB) (before *world, parts []*Changes, whole *Changes, after *world) {
	before = newWorld()
	before.accounts[HistoryStorageAddress] = &worldAccount{
		Account{Nonce: 1, CodeHash: HistoryStorageCodeHash}, make(map[common.Hash]uint256.Int),
	}
	p = p.next(before)

	parent := pragueHeader()
	first, err := ParentHashChange(parent, before)
	if err != nil {
		t.Fatal(err)
	}
	var (
		hash      = parent.Hash()
		destroyed = make(map[common.Address]bool)
	)
	after = before.clone()
	after.setSlot(HistoryStorageAddress, HistorySlot(parent.Number), *new(uint256.Int).SetBytes32(hash[:]))
	if want := after.since(before, nil); !reflect.DeepEqual(first, want) {
		t.Fatalf("parent hash: got %+v, want %+v", first, want)
	}
	parts = append(parts, first)
	for len(p) >= 2 {
		begin := after
		after = begin.clone()
		p = p.next(after)
		parts = append(parts, after.since(begin, after.destroyed))
		maps.Copy(destroyed, after.destroyed)
	}
	return before, parts, after.since(before, destroyed), after
}

// checkMerge is everything that Merge promises, on one program.
func checkMerge(t testing.TB, p program) {
	t.Helper()
	before, parts, whole, after := p.run(t)
	for i, part := range append([]*Changes{whole}, parts...) {
		if err := part.Validate(); err != nil {
			t.Fatalf("part %d: %v", i-1, err)
		}
	}
	originals := make([][]byte, len(parts))
	for i, part := range parts {
		originals[i] = encode(part)
	}
	got := mustMerge(t, parts...)
	if !reflect.DeepEqual(got, whole) {
		t.Fatalf("merged parts differ from the whole:\n got %+v\nwant %+v", got, whole)
	}
	for i := range parts {
		left, right := mustMerge(t, parts[:i]...), mustMerge(t, parts[i:]...)
		if got := mustMerge(t, left, right); !reflect.DeepEqual(got, whole) {
			t.Fatalf("not associative at part %d:\n got %+v\nwant %+v", i, got, whole)
		}
	}
	scribble(got)
	for i, part := range parts {
		if !bytes.Equal(encode(part), originals[i]) {
			t.Fatalf("part %d shares memory with the merged", i)
		}
	}
	applied := before.clone()
	applied.apply(whole)
	if !applied.equal(after) {
		t.Fatal("the whole does not lead from the state before to the state after")
	}
	decoded := new(Changes)
	if err := decoded.UnmarshalBinary(encode(whole)); err != nil || !reflect.DeepEqual(decoded, whole) {
		t.Fatalf("decoded changes differ: %v", err)
	}
	normal := mustMerge(t, whole)
	normal.Normalize()
	if !reflect.DeepEqual(normal, whole) {
		t.Fatal("Normalize alters canonical changes")
	}
}

func mustMerge(t testing.TB, parts ...*Changes) *Changes {
	t.Helper()
	c, err := Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatalf("merged changes: %v", err)
	}
	return c
}

// scribble writes over all that Merge says is its own.
func scribble(c *Changes) {
	for i := range c.Accounts {
		clear(c.Accounts[i].Slots)
	}
	clear(c.Accounts)
	clear(c.Codes)
}

func FuzzMerge(f *testing.F) {
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 4096 {
			t.Skip()
		}
		checkMerge(t, p)
	})
}

func TestMergeOfRandomSpans(t *testing.T) {
	var met struct{ created, destroyed, anew, touched, codes, kept int }
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 2))
		p := make(program, 20+random.IntN(200))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		checkMerge(t, p)
		_, _, whole, _ := p.run(t)
		for i := range whole.Accounts {
			switch a := &whole.Accounts[i]; {
			case !a.Existed:
				met.created++
			case !a.Exists:
				met.destroyed++
			case a.Cleared:
				met.anew++
			default:
				met.touched++
				if a.Before.CodeHash == a.After.CodeHash {
					met.kept++
				}
			}
		}
		met.codes += len(whole.Codes)
	}
	t.Logf("%+v", met)
	for i, v := 0, reflect.ValueOf(met); i < v.NumField(); i++ {
		if v.Field(i).Int() < 100 {
			t.Errorf("only %v of %s: the programs prove nothing", v.Field(i), v.Type().Field(i).Name)
		}
	}
}

func TestMergeOfNothing(t *testing.T) {
	for _, parts := range [][]*Changes{nil, {{}}, {{}, {}}} {
		if got := mustMerge(t, parts...); !reflect.DeepEqual(got, new(Changes)) {
			t.Errorf("merging %d empty changes: %+v", len(parts), got)
		}
	}
}

// A part that does not begin where the earlier ones ended is refused.
func TestMergeOutOfStep(t *testing.T) {
	var (
		code = []byte{1}
		at   = func(a AccountChange) *Changes {
			a.Address = address(1)
			c := &Changes{Accounts: []AccountChange{a}, Codes: []Code{{Keccak256(code), code}}}
			c.Normalize()
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			return c
		}
		one, two = contract(1, code), contract(2, code)
		create   = at(AccountChange{After: one, Exists: true, Slots: []SlotChange{{Key: fill(2), After: wei(2)}}})
		pay      = at(AccountChange{Before: one, After: two, Existed: true, Exists: true})
		destroy  = at(AccountChange{Before: one, Existed: true})
		anew     = at(AccountChange{Before: one, After: one, Existed: true, Exists: true, Cleared: true})
		write    = func(key byte, before, after uint64) *Changes {
			return at(AccountChange{Before: one, After: one, Existed: true, Exists: true, Slots: []SlotChange{{fill(key), wei(before), wei(after)}}})
		}
	)
	for name, parts := range map[string][]*Changes{
		"created twice":                   {create, create},
		"paid twice":                      {pay, pay},
		"destroyed twice":                 {destroy, destroy},
		"written when absent":             {destroy, write(1, 0, 1)},
		"another balance":                 {create, pay, write(2, 2, 3)},
		"another value":                   {create, write(2, 7, 3)},
		"value in a new account, before":  {create, write(1, 7, 3)},
		"value in a new account, after":   {create, write(3, 7, 3)},
		"value in cleared storage":        {anew, write(1, 7, 3)},
		"value after two writes":          {write(1, 0, 1), write(1, 1, 2), write(1, 1, 3)},
		"value after it was written back": {write(1, 5, 1), write(1, 1, 5), write(1, 1, 3)},
	} {
		if c, err := Merge(parts...); !errors.Is(err, ErrOutOfStep) || c != nil {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	for name, parts := range map[string][]*Changes{
		"created, written, paid":             {create, write(2, 2, 3), write(1, 0, 1), pay},
		"created, destroyed, created":        {create, write(2, 2, 0), destroy, create},
		"value not seen before":              {write(1, 5, 1), write(2, 9, 1)},
		"made anew over old storage":         {write(1, 5, 1), anew, write(1, 0, 1)},
		"destroyed and created over storage": {write(2, 5, 1), destroy, create},
	} {
		if _, err := Merge(parts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
