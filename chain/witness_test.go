package chain

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

func TestAccessSetNormalize(t *testing.T) {
	want := &AccessSet{
		Accounts: []AccountAccess{
			{Address: address(1)},
			{Address: address(2), Code: true, Slots: []common.Hash{fill(1), fill(2), fill(3)}},
			{Address: address(3), Slots: []common.Hash{fill(9)}},
		},
		Ancestors: []uint64{5, 7, 300},
	}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 4))
		got := &AccessSet{
			Accounts: []AccountAccess{
				{Address: address(1)}, {Address: address(1)},
				{Address: address(2), Slots: []common.Hash{fill(3), fill(1)}},
				{Address: address(2), Code: true, Slots: []common.Hash{fill(1), fill(1)}},
				{Address: address(2), Slots: []common.Hash{fill(2)}},
				{Address: address(3), Slots: []common.Hash{fill(9)}},
			},
			Ancestors: []uint64{7, 5, 300, 7},
		}
		random.Shuffle(len(got.Accounts), func(i, j int) { got.Accounts[i], got.Accounts[j] = got.Accounts[j], got.Accounts[i] })
		for range 2 { // once more alters nothing
			if got.Normalize(); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, want)
			}
		}
		if d := got.Diff(want); d != "" {
			t.Fatal(d)
		}
	}
}

// A recorder may cut all its slot lists from one array: merging the lists of one
// account must not write over its neighbour's.
func TestAccessSetNormalizeOfCutSlots(t *testing.T) {
	all := []common.Hash{fill(1), fill(2), fill(3), fill(4)}
	s := &AccessSet{Accounts: []AccountAccess{
		{Address: address(1), Slots: all[0:1]},
		{Address: address(2), Slots: all[1:2]},
		{Address: address(1), Slots: all[2:4]},
	}}
	s.Normalize()
	want := &AccessSet{Accounts: []AccountAccess{
		{Address: address(1), Slots: []common.Hash{fill(1), fill(3), fill(4)}},
		{Address: address(2), Slots: []common.Hash{fill(2)}},
	}}
	if d := s.Diff(want); d != "" {
		t.Fatal(d)
	}
}

func TestAccessSetDiff(t *testing.T) {
	plain := func() *AccessSet {
		return &AccessSet{
			Accounts:  []AccountAccess{{Address: address(2), Slots: []common.Hash{fill(1)}}, {Address: address(4), Code: true}},
			Ancestors: []uint64{1},
		}
	}
	for _, test := range []struct {
		want  string
		alter func(s *AccessSet)
	}{
		{"", func(*AccessSet) {}},
		{"only in the first", func(s *AccessSet) { s.Accounts = s.Accounts[:1] }},
		{"only in the first", func(s *AccessSet) { s.Accounts = s.Accounts[1:] }},
		{"only in the first", func(s *AccessSet) { s.Accounts = nil }},
		{"only in the second", func(s *AccessSet) { s.Accounts = append(s.Accounts, AccountAccess{Address: address(5)}) }},
		{"only in the second", func(s *AccessSet) { s.Accounts = slices.Insert(s.Accounts, 0, AccountAccess{Address: address(1)}) }},
		{"code read false and true", func(s *AccessSet) { s.Accounts[0].Code = true }},
		{"slots", func(s *AccessSet) { s.Accounts[0].Slots = nil }},
		{"slots", func(s *AccessSet) { s.Accounts[1].Slots = []common.Hash{fill(1)} }},
		{"ancestors", func(s *AccessSet) { s.Ancestors = nil }},
	} {
		s := plain()
		test.alter(s)
		if got := plain().Diff(s); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if (s.Diff(plain()) == "") != (test.want == "") {
			t.Errorf("%q: not seen from the other side", test.want)
		}
	}
}

func TestWitnessNormalize(t *testing.T) {
	w := &Witness{
		Headers: [][]byte{{9}, {1}},
		Codes:   [][]byte{{3}, {1, 2}, {1}, {3}},
		Nodes:   [][]byte{{2}, {2}, {1}},
	}
	w.Normalize()
	want := &Witness{
		Headers: [][]byte{{9}, {1}}, // their order means something
		Codes:   [][]byte{{1}, {1, 2}, {3}},
		Nodes:   [][]byte{{1}, {2}},
	}
	if !reflect.DeepEqual(w, want) {
		t.Fatalf("got %v, want %v", w, want)
	}
	if !checkCanonical(t, kindNamed("Witness"), encode(w)) {
		t.Fatal("a normal witness was refused")
	}
}

func TestWitnessOrder(t *testing.T) {
	most := slices.Repeat([][]byte{{1}}, witnessHeadersMax)
	for _, test := range []struct {
		name string
		w    Witness
		want error
	}{
		{"codes out of order", Witness{Codes: [][]byte{{2}, {1}}}, rlp.ErrNotCanonical},
		{"code twice", Witness{Codes: [][]byte{{1}, {1}}}, rlp.ErrNotCanonical},
		{"empty code twice", Witness{Codes: [][]byte{{}, {}}}, rlp.ErrNotCanonical},
		{"nodes out of order", Witness{Nodes: [][]byte{{1, 2}, {1}}}, rlp.ErrNotCanonical},
		{"node twice", Witness{Nodes: [][]byte{{1}, {1}}}, rlp.ErrNotCanonical},
		{"too many headers", Witness{Headers: append(most, []byte{1})}, rlp.ErrSize},
		{"most headers", Witness{Headers: most}, nil},
		{"headers in any order", Witness{Headers: [][]byte{{2}, {1}, {1}}}, nil},
	} {
		err := new(Witness).UnmarshalBinary(encode(&test.w))
		if !errors.Is(err, test.want) || test.want != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

// The witness keeps a copy of its own, whatever happens to the buffer it came in.
func TestWitnessCopies(t *testing.T) {
	src := encode(&Witness{Nodes: [][]byte{{1, 2, 3}}})
	var w Witness
	if err := w.UnmarshalBinary(src); err != nil {
		t.Fatal(err)
	}
	clear(src)
	if !bytes.Equal(w.Nodes[0], []byte{1, 2, 3}) {
		t.Fatal("the witness refers to the input")
	}
}
