package rlp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/holiman/uint256"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The examples of the specification, and the borders of each form.
func TestAppend(t *testing.T) {
	for _, test := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"empty string", AppendBytes(nil, nil), unhex("80")},
		{"one small byte", AppendBytes(nil, []byte{0x7f}), unhex("7f")},
		{"zero byte", AppendBytes(nil, []byte{0}), unhex("00")},
		{"one large byte", AppendBytes(nil, []byte{0x80}), unhex("81 80")},
		{"dog", AppendBytes(nil, []byte("dog")), unhex("83 646f67")},
		{"55 bytes", AppendBytes(nil, make([]byte, 55)), append([]byte{0xb7}, make([]byte, 55)...)},
		{"56 bytes", AppendBytes(nil, make([]byte, 56)), append([]byte{0xb8, 56}, make([]byte, 56)...)},
		{"255 bytes", AppendBytes(nil, make([]byte, 255)), append([]byte{0xb8, 255}, make([]byte, 255)...)},
		{"256 bytes", AppendBytes(nil, make([]byte, 256)), append([]byte{0xb9, 1, 0}, make([]byte, 256)...)},
		{"1<<16 bytes", AppendBytes(nil, make([]byte, 1<<16)), append([]byte{0xba, 1, 0, 0}, make([]byte, 1<<16)...)},
		{"0", AppendUint64(nil, 0), unhex("80")},
		{"15", AppendUint64(nil, 15), unhex("0f")},
		{"127", AppendUint64(nil, 127), unhex("7f")},
		{"128", AppendUint64(nil, 128), unhex("81 80")},
		{"1024", AppendUint64(nil, 1024), unhex("82 0400")},
		{"1<<64-1", AppendUint64(nil, math.MaxUint64), unhex("88 ffffffffffffffff")},
		{"wide 0", AppendUint256(nil, new(uint256.Int)), unhex("80")},
		{"wide 1<<64", AppendUint256(nil, &uint256.Int{0, 1}), unhex("89 010000000000000000")},
		{"wide 1<<256-1", AppendUint256(nil, new(uint256.Int).SetAllOne()), append([]byte{0xa0}, bytes.Repeat([]byte{0xff}, 32)...)},
		{"true", AppendBool(nil, true), unhex("01")},
		{"false", AppendBool(nil, false), unhex("80")},
		{"empty list", WrapList(nil, 0), unhex("c0")},
		{"cat, dog", WrapList(unhex("83 636174 83 646f67"), 0), unhex("c8 83 636174 83 646f67")},
		{"list at the end", WrapList(unhex("01 02 03"), 1), unhex("01 c2 02 03")},
		{"list of 55", WrapList(make([]byte, 55), 0), append([]byte{0xf7}, make([]byte, 55)...)},
		{"list of 56", WrapList(make([]byte, 56), 0), append([]byte{0xf8, 56}, make([]byte, 56)...)},
		{"list of 256", WrapList(make([]byte, 256), 0), append([]byte{0xf9, 1, 0}, make([]byte, 256)...)},
	} {
		if !bytes.Equal(test.got, test.want) {
			t.Errorf("%s: got %x, want %x", test.name, test.got, test.want)
		}
	}
}

// Readers of one item, by the name used in the tests below.
var readers = map[string]func(*Reader) any{
	"bytes":   func(r *Reader) any { return r.Bytes() },
	"uint64":  func(r *Reader) any { return r.Uint64() },
	"uint256": func(r *Reader) any { return r.Uint256() },
	"bool":    func(r *Reader) any { return r.Bool() },
	"fixed":   func(r *Reader) any { var b [3]byte; r.Fixed(b[:]); return b },
	"list":    func(r *Reader) any { r.Close(r.List()); return nil },
	"raw":     func(r *Reader) any { return r.Raw() },
}

func TestReaderRefuses(t *testing.T) {
	for _, test := range []struct {
		read, input string
		want        error
	}{
		{"bytes", "", ErrTruncated},
		{"bytes", "82 01", ErrTruncated},
		{"bytes", "81", ErrTruncated},
		{"bytes", "b8", ErrTruncated},
		{"bytes", "b8 38 00", ErrTruncated},
		{"bytes", "b9 01", ErrTruncated},
		{"bytes", "bf ffffffffffffffff", ErrTruncated},
		{"bytes", "bf 7fffffffffffffff", ErrTruncated},
		{"list", "ff ffffffffffffffff", ErrTruncated},
		{"list", "c1", ErrTruncated},
		{"bytes", "81 00", ErrNotCanonical},
		{"bytes", "81 7f", ErrNotCanonical},
		{"bytes", "b8 01 ff", ErrNotCanonical},
		{"bytes", "b8 37" + strings.Repeat("00", 55), ErrNotCanonical},
		{"bytes", "b9 0038" + strings.Repeat("00", 56), ErrNotCanonical},
		{"list", "f8 00", ErrNotCanonical},
		{"list", "f9 0038" + strings.Repeat("00", 56), ErrNotCanonical},
		{"uint64", "00", ErrNotCanonical},
		{"uint64", "82 0001", ErrNotCanonical},
		{"uint64", "89 010000000000000000", ErrSize},
		{"uint64", "c0", ErrKind},
		{"uint256", "00", ErrNotCanonical},
		{"uint256", "a1 01" + strings.Repeat("00", 32), ErrSize},
		{"bool", "02", ErrNotCanonical},
		{"bool", "00", ErrNotCanonical},
		{"bool", "82 0100", ErrNotCanonical},
		{"fixed", "82 0101", ErrSize},
		{"fixed", "84 01010101", ErrSize},
		{"fixed", "c3 010101", ErrKind},
		{"bytes", "c0", ErrKind},
		{"list", "80", ErrKind},
		{"list", "c1 01", ErrTrailing},
		{"bytes", "01 02", ErrTrailing},
		{"raw", "c1", ErrTruncated},
	} {
		r := NewReader(unhex(test.input))
		readers[test.read](r)
		if err := r.End(); !errors.Is(err, test.want) {
			t.Errorf("%s of %s: got %v, want %v", test.read, test.input, err, test.want)
		}
	}
}

// The first error stays, whatever is read after it, and what is read is zero.
func TestReaderErrorSticks(t *testing.T) {
	for first := range readers {
		for second := range readers {
			r := NewReader(unhex("bf ffffffffffffffff 01 02"))
			readers[first](r)
			before := r.Err()
			if before == nil {
				t.Fatalf("%s read a string past the end", first)
			}
			readers[second](r)
			r.Fail(ErrSize)
			if r.End() != before || r.Err() != before || r.More() || r.NextIsList() {
				t.Errorf("%s after %s: error %v became %v", second, first, before, r.End())
			}
			if v := r.Uint256(); r.Uint64() != 0 || r.Bool() || r.Bytes() != nil || r.Raw() != nil || !v.IsZero() {
				t.Errorf("%s after %s: a value was read after the error", second, first)
			}
		}
	}
}

// Offsets in errors count from the begin of the whole input, also in lists.
func TestReaderSaysWhere(t *testing.T) {
	r := NewReader(unhex("01 c4 02 c2 03 00"))
	r.Uint64()
	outer := r.List()
	outer.Uint64()
	inner := outer.List()
	inner.Uint64()
	inner.Uint64() // byte 5, a zero that should be 0x80
	outer.Close(inner)
	r.Close(outer)
	if err := r.End(); !errors.Is(err, ErrNotCanonical) || !strings.Contains(err.Error(), "at byte 6") {
		t.Fatalf("got %v", err)
	}
}

func TestReaderReturnsViews(t *testing.T) {
	src := unhex("83 010203 c2 0405")
	r := NewReader(src)
	a, b := r.Bytes(), r.Raw()
	if &a[0] != &src[1] || &b[0] != &src[4] {
		t.Fatal("copied")
	}
	if cap(a) != len(a) || cap(b) != len(b) {
		t.Fatal("an append to a view would write over the input")
	}
}

func TestAppendTakesNoMemory(t *testing.T) {
	var (
		dst  = make([]byte, 0, 1024)
		data = make([]byte, 100)
		wide = new(uint256.Int).SetAllOne()
	)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendBytes(dst[:0], data)
		dst = AppendUint64(dst, math.MaxUint64)
		dst = AppendUint256(dst, wide)
		dst = WrapList(dst, 0)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// copyItems reads any items and appends them again: once by kind, entering lists,
// once whole.
func copyItems(dst []byte, r *Reader, depth int) []byte {
	for r.More() {
		switch {
		case r.NextIsList() && depth < 64:
			at, list := len(dst), r.List()
			dst = copyItems(dst, list, depth+1)
			r.Close(list)
			dst = WrapList(dst, at)
		case r.NextIsList():
			dst = append(dst, r.Raw()...)
		default:
			dst = AppendBytes(dst, r.Bytes())
		}
	}
	return dst
}

// rewriters read one item and append what they read.
var rewriters = map[string]func(*Reader) []byte{
	"raw":     func(r *Reader) []byte { return r.Raw() },
	"uint64":  func(r *Reader) []byte { return AppendUint64(nil, r.Uint64()) },
	"uint256": func(r *Reader) []byte { v := r.Uint256(); return AppendUint256(nil, &v) },
	"bool":    func(r *Reader) []byte { return AppendBool(nil, r.Bool()) },
	"fixed":   func(r *Reader) []byte { var b [3]byte; r.Fixed(b[:]); return AppendBytes(nil, b[:]) },
}

// FuzzReader: what the Reader accepts is canonical, and integers are what their
// bytes say.
func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, src []byte) {
		original := bytes.Clone(src)
		r := NewReader(src)
		got := copyItems(nil, r, 0)
		if r.End() == nil && !bytes.Equal(got, src) {
			t.Fatalf("accepted %x, which is canonically %x", src, got)
		}
		for kind, again := range rewriters {
			r := NewReader(src)
			if got := again(r); r.End() == nil && !bytes.Equal(got, src) {
				t.Fatalf("%s from %x is canonically %x", kind, src, got)
			}
		}
		if !bytes.Equal(src, original) {
			t.Fatal("reading altered the input")
		}
	})
}
