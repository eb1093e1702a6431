package chain

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vivace-chain/vivace/internal/rlp"
)

var rewrite = flag.Bool("rewrite", false, "write the encodings of the samples to testdata")

// forEachSample runs f over every sample of every kind, in a stable order.
func forEachSample(t *testing.T, f func(t *testing.T, k *kind, sample noun)) {
	for i := range kinds {
		k := &kinds[i]
		names := make([]string, 0, len(k.samples))
		for name := range k.samples {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			t.Run(k.name+"/"+name, func(t *testing.T) { f(t, k, k.samples[name]) })
		}
	}
}

// checkCanonical decodes src and fails unless the decoder either refuses it with
// ErrCorrupt and leaves its receiver alone, or reads something that encodes to
// src again. It reports whether src was accepted.
func checkCanonical(t testing.TB, k *kind, src []byte) bool {
	t.Helper()
	var (
		n        = k.empty()
		original = bytes.Clone(src)
		err      = n.UnmarshalBinary(src)
	)
	if !bytes.Equal(src, original) {
		t.Fatalf("decoding altered its input %x", original)
	}
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error %v does not match ErrCorrupt, of %x", err, original)
		}
		if !reflect.DeepEqual(n, k.empty()) {
			t.Fatalf("receiver changed on error %v, of %x", err, original)
		}
		return false
	}
	if !k.views {
		for i := range src { // the noun must not notice
			src[i] ^= 0xff
		}
	}
	if got := encode(n); !bytes.Equal(got, original) {
		t.Fatalf("accepted bytes that are not canonical:\n got %x\nwant %x", got, original)
	}
	return true
}

func TestEncodingRoundTrip(t *testing.T) {
	forEachSample(t, func(t *testing.T, k *kind, sample noun) {
		b := encode(sample)
		if !checkCanonical(t, k, bytes.Clone(b)) {
			t.Fatal("refused the encoding of a sample")
		}
		got := k.empty()
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if diff := difference(reflect.ValueOf(got), reflect.ValueOf(sample), k.name); diff != "" {
			t.Fatal(diff)
		}
		prefixed, _ := sample.AppendBinary([]byte("prefix"))
		if want := append([]byte("prefix"), b...); !bytes.Equal(prefixed, want) {
			t.Fatal("AppendBinary does not append")
		}
	})
}

// difference is reflect.DeepEqual, but says where, and takes nil and empty byte
// strings and unused caches for equal.
func difference(a, b reflect.Value, path string) string {
	if a.Type() == reflect.TypeFor[*Tx]() {
		if !bytes.Equal(a.Interface().(*Tx).Raw(), b.Interface().(*Tx).Raw()) {
			return path + " differ"
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				return fmt.Sprintf("%s: nil is %t and %t", path, a.IsNil(), b.IsNil())
			}
			return ""
		}
		return difference(a.Elem(), b.Elem(), path)
	case reflect.Struct:
		for i := range a.NumField() {
			if d := difference(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); d != "" {
				return d
			}
		}
		return ""
	case reflect.Slice:
		isBytes := a.Type().Elem().Kind() == reflect.Uint8
		if a.Len() != b.Len() || !isBytes && a.IsNil() != b.IsNil() {
			return fmt.Sprintf("%s: %v and %v", path, a, b)
		}
		for i := range a.Len() {
			if d := difference(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		return fmt.Sprintf("%s: %v and %v", path, a, b)
	}
	return ""
}

// Every truncation, every flipped bit, every byte put in or left out is either
// refused or decodes to something whose encoding is exactly that.
func TestEncodingIsStrict(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	forEachSample(t, func(t *testing.T, k *kind, sample noun) {
		b := encode(sample)
		for n := range b {
			if checkCanonical(t, k, bytes.Clone(b[:n])) {
				t.Fatalf("accepted the first %d of %d bytes", n, len(b))
			}
		}
		for i := range b {
			for bit := range 8 {
				flipped := bytes.Clone(b)
				flipped[i] ^= 1 << bit
				checkCanonical(t, k, flipped)
			}
			for range 4 {
				changed := bytes.Clone(b)
				changed[i] = byte(random.Uint32())
				checkCanonical(t, k, changed)
				checkCanonical(t, k, slices.Insert(bytes.Clone(b), i, byte(random.Uint32())))
			}
			checkCanonical(t, k, slices.Delete(bytes.Clone(b), i, i+1))
		}
		for _, more := range []byte{0, 1, 0x80, 0xc0, 0xff} {
			if checkCanonical(t, k, append(bytes.Clone(b), more)) {
				t.Fatalf("accepted a trailing byte %#x", more)
			}
		}
	})
}

// TestEncodingIsStable compares with what earlier versions wrote, which is also
// what the fuzz targets begin with. A difference breaks every log, diff and
// witness that is already written.
func TestEncodingIsStable(t *testing.T) {
	forEachSample(t, func(t *testing.T, k *kind, sample noun) {
		_, name, _ := strings.Cut(t.Name(), "/")
		_, name, _ = strings.Cut(name, "/")
		path := filepath.Join("testdata", "fuzz", "Fuzz"+k.name, name)
		text := "go test fuzz v1\n[]byte(" + strconv.Quote(string(encode(sample))) + ")\n"
		if *rewrite {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (go test ./chain -run %s -rewrite writes it)", err, t.Name())
		}
		if string(want) != text {
			t.Fatalf("encoding differs from %s", path)
		}
	})
}

func kindNamed(name string) *kind {
	return &kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

func fuzzCanonical(f *testing.F, name string) {
	k := kindNamed(name)
	f.Fuzz(func(t *testing.T, src []byte) { checkCanonical(t, k, bytes.Clone(src)) })
}

func FuzzChanges(f *testing.F)       { fuzzCanonical(f, "Changes") }
func FuzzHeader(f *testing.F)        { fuzzCanonical(f, "Header") }
func FuzzBlock(f *testing.F)         { fuzzCanonical(f, "Block") }
func FuzzEnv(f *testing.F)           { fuzzCanonical(f, "Env") }
func FuzzFrame(f *testing.F)         { fuzzCanonical(f, "Frame") }
func FuzzMiniBody(f *testing.F)      { fuzzCanonical(f, "MiniBody") }
func FuzzPublication(f *testing.F)   { fuzzCanonical(f, "Publication") }
func FuzzSealed(f *testing.F)        { fuzzCanonical(f, "Sealed") }
func FuzzSnapshotOffer(f *testing.F) { fuzzCanonical(f, "SnapshotOffer") }
func FuzzChunks(f *testing.F)        { fuzzCanonical(f, "Chunks") }
func FuzzAttestation(f *testing.F)   { fuzzCanonical(f, "Attestation") }
func FuzzWitness(f *testing.F)       { fuzzCanonical(f, "Witness") }

// A peer decides what a decoder reads, not how much memory it takes: lists of the
// smallest items that each decoder can be made to read stay within a small
// multiple of the input.
func TestDecodersTakeMemoryInProportion(t *testing.T) {
	const (
		size  = 1 << 20
		times = 24 // of the input, with what growing slices leave behind
	)
	list := func(items ...[]byte) []byte { return rlp.WrapList(slices.Concat(items...), 0) }
	many := func(item []byte) []byte { return list(bytes.Repeat(item, size/len(item))) }
	var (
		header     = encode(frontierHeader())
		empty      = []byte{0x80}
		none       = []byte{0xc0}
		absent     = AccountChange{}
		created    = AccountChange{Exists: true}
		slots      = AccountChange{Existed: true, Exists: true, Before: Account{CodeHash: EmptyCodeHash}, After: Account{CodeHash: EmptyCodeHash}}
		withdrawal = encodeWithdrawal(Withdrawal{})

		digest      = rlp.AppendBytes(nil, make([]byte, 32))
		smallest    = sampleTxs()[0].Raw()
		smallestTxs = list(bytes.Repeat(smallest, size/16))
		receipt     = list([]byte{1}, []byte{1}, none)
	)
	for i := range size / 40 {
		var s SlotChange
		s.Key[29], s.Key[30], s.Key[31] = byte(i>>16), byte(i>>8), byte(i)
		s.After = wei(1)
		slots.Slots = append(slots.Slots, s)
	}
	for _, test := range []struct {
		kind, what string
		src        []byte
	}{
		{"Changes", "absent accounts", list(many(absent.appendBinary(nil)), none)},
		{"Changes", "accounts", list(many(created.appendBinary(nil)), none)},
		{"Changes", "slots", list(list(slots.appendBinary(nil)), none)},
		{"Changes", "codes", list(none, many(empty))},
		{"Block", "empty transactions", list(header, many(empty), none)},
		{"Block", "transactions of one byte", list(header, many([]byte{1}), none)},
		{"Block", "smallest transactions", list(header, many(sampleTxs()[0].Raw()), none)},
		{"Block", "ommers that are no headers", list(header, none, many(none))},
		{"Block", "ommers", list(header, none, many(header))},
		{"Block", "withdrawals", list(header, none, none, many(withdrawal))},
		{"Witness", "headers", list(many(empty), none, none)},
		{"Witness", "codes", list(none, many(empty), none)},
		{"Witness", "nodes", list(none, none, many([]byte{1}))},
		{"MiniBody", "receipts without transactions", list([]byte{1}, []byte{1}, digest, none, many(receipt))},
		// Each receipt has a bloom of 256 bytes to be filled in.
		{"MiniBody", "smallest transactions and receipts", list([]byte{1}, []byte{1}, digest, smallestTxs, list(bytes.Repeat(receipt, size/16)))},
		{"MiniBody", "logs", list([]byte{1}, []byte{1}, digest, list(smallest), list(list([]byte{1}, []byte{1}, many(list(rlp.AppendBytes(nil, make([]byte, 20)), none, empty)))))},
		{"Chunks", "digests", list([]byte{1}, many(digest))},
		{"Frame", "a length without content", []byte{0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	} {
		t.Run(test.kind+"/"+test.what, func(t *testing.T) {
			var before, after runtime.MemStats
			n := kindNamed(test.kind).empty()
			runtime.ReadMemStats(&before)
			err := n.UnmarshalBinary(test.src)
			runtime.ReadMemStats(&after)
			took := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes took %d bytes of memory (%.1fx), error %v", len(test.src), took, float64(took)/float64(len(test.src)), err)
			most := uint64(len(test.src)*times + 4096)
			if strings.HasSuffix(test.what, "and receipts") {
				most *= 3
			}
			if took > most {
				t.Fatalf("%d bytes made the decoder take %d bytes, more than %d", len(test.src), took, most)
			}
		})
	}
}

func encodeWithdrawal(w Withdrawal) []byte {
	b, _ := w.AppendBinary(nil)
	return b
}

func TestModelIsBounded(t *testing.T) {
	s := Sealed{Header: pragueHeader(), Model: make([]byte, ModelMax)}
	if b, err := s.AppendBinary(nil); err != nil || new(Sealed).UnmarshalBinary(b) != nil {
		t.Fatal("the longest model is refused")
	}
	header, _ := s.Header.AppendBinary(nil)
	long := rlp.AppendBytes(rlp.AppendBytes(header, s.Frame[:]), make([]byte, ModelMax+1))
	if err := new(Sealed).UnmarshalBinary(rlp.WrapList(long, 0)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a model that is too long: %v", err)
	}
	s.Model = append(s.Model, 0)
	if _, err := s.AppendBinary(nil); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a model that is too long: %v", err)
	}
}
