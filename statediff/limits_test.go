package statediff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
)

// reseal gives src the checksum that it needs to be looked at. It cuts nothing:
// src has room for a checksum at its end.
func reseal(src []byte) []byte {
	out := bytes.Clone(src)
	end := len(out) - checksumSize
	sum := digestOf(out[:end])
	copy(out[end:], sum[:])
	return out
}

// frame is a stateless diff with the given header and stored body.
func frame(h header, stored []byte) []byte {
	h.flags |= flagStateless
	h.stored = len(stored)
	out := append(h.append(nil), stored...)
	return reseal(append(out, make([]byte, checksumSize)...))
}

func TestLimits(t *testing.T) {
	changes := chaintest.RandomChanges(rand.New(rand.NewPCG(2, 1)), 100)
	src := encode(t, New(Config{}), changes)
	for name, config := range map[string]Config{
		"encoded": {MaxEncoded: len(src) - 1},
		"decoded": {MaxDecoded: 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			codec, prefix := New(config), []byte("prefix")
			dst, err := codec.AppendEncode(prefix, changes, nil, nil)
			if !errors.Is(err, chain.ErrTooLarge) || !bytes.Equal(dst, prefix) {
				t.Errorf("encode: %q, %v, want ErrTooLarge", dst, err)
			}
			var got chain.Changes
			if err := codec.Decode(&got, src, chaintest.Before(changes)); !errors.Is(err, chain.ErrTooLarge) {
				t.Errorf("decode: %v, want ErrTooLarge", err)
			}
			if codec.model != (model{}) || !reflect.DeepEqual(got, chain.Changes{}) {
				t.Error("a refused diff left something behind")
			}
		})
	}
	exact := New(Config{MaxEncoded: len(src)})
	if err := exact.Decode(new(chain.Changes), src, chaintest.Before(changes)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

// TestClaims: sizes that a header only claims take no memory.
func TestClaims(t *testing.T) {
	packer, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	defer packer.Close()
	var (
		zeros = packer.EncodeAll(make([]byte, 64<<20), nil)
		empty = make([]byte, columnCount)
	)
	for name, c := range map[string]struct {
		src  []byte
		want error
	}{
		"accounts that are not there": {frame(header{accounts: 900_000, body: len(empty)}, empty), chain.ErrCorrupt},
		"slots that are not there":    {frame(header{slots: 1_900_000, body: len(empty)}, empty), chain.ErrCorrupt},
		"codes that are not there":    {frame(header{codes: 3_900_000, body: len(empty)}, empty), chain.ErrCorrupt},
		"too many accounts":           {frame(header{accounts: 1 << 20, body: len(empty)}, empty), chain.ErrTooLarge},
		"counts beyond everything":    {frame(header{accounts: 1 << 62, slots: 1 << 62, codes: 1 << 62, body: 1 << 62}, empty), chain.ErrTooLarge},
		"a body that is not there":    {frame(header{body: 80 << 20}, empty), chain.ErrCorrupt},
		"a body that unpacks to more": {frame(header{flags: flagZstd, body: 1 << 20}, zeros), chain.ErrCorrupt},
		"a bomb":                      {frame(header{flags: flagZstd, body: 120 << 20}, zeros), chain.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			codec := New(Config{Stateless: true})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := codec.Decode(new(chain.Changes), c.src, chaintest.Before(new(chain.Changes)))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Errorf("took %d bytes for a diff of %d", took, len(c.src))
			}
		})
	}
}

// TestResealed mutates the body below the checksum. Whatever is accepted must be
// the canonical encoding of what it decodes to: a diff that says something else,
// not a diff that is wrong.
func TestResealed(t *testing.T) {
	var (
		rng      = rand.New(rand.NewPCG(2, 2))
		codec    = New(Config{Stateless: true})
		accepted int
	)
	mutations := 10_000
	if testing.Short() {
		mutations = 1_000
	}
	for i := range mutations {
		changes := chaintest.RandomChanges(rng, 1+i%4)
		src := encode(t, codec, changes)
		h := codec.describe(changes) // the body is still in its working memory
		body := bytes.Clone(codec.body)
		for range 1 + rng.IntN(3) {
			body[rng.IntN(len(body))] ^= 1 << rng.IntN(8)
		}
		if rng.IntN(4) == 0 {
			body = body[:rng.IntN(len(body))]
		}
		h.body = len(body)
		bad := frame(h, body)
		if bytes.Equal(bad, src) {
			continue
		}
		if checkAccepted(t, bad, changes) {
			accepted++
		}
	}
	if accepted == 0 || accepted == mutations {
		t.Fatalf("%d of %d accepted: the test shows nothing", accepted, mutations)
	}
}

// checkAccepted decodes a diff of unknown origin and checks what must hold
// whether or not it is accepted.
func checkAccepted(t *testing.T, src []byte, prior *chain.Changes) bool {
	t.Helper()
	var (
		codec = New(Config{Stateless: true, MaxDecoded: 16 << 20})
		got   chain.Changes
		err   = codec.Decode(&got, src, chaintest.Before(prior))
	)
	switch {
	case err == nil:
	case !errors.Is(err, chain.ErrCorrupt) && !errors.Is(err, chain.ErrTooLarge) && !errors.Is(err, chain.ErrOutOfStep):
		t.Fatalf("untyped error: %v", err)
	case !reflect.DeepEqual(got, chain.Changes{}):
		t.Fatal("a refused diff left something behind")
	default:
		return false
	}
	if err := got.Validate(); err != nil {
		t.Fatalf("accepted: %v", err)
	}
	h, stored, _, err := readHeader(src)
	if err != nil {
		t.Fatal(err)
	}
	read, err := codec.unpack(&h, stored)
	if err != nil {
		t.Fatal(err)
	}
	read = bytes.Clone(read)
	var table columns
	table.fill(&got)
	if canonical := table.appendBody(nil); !bytes.Equal(canonical, read) {
		t.Fatalf("accepted the body\n%x, canonical is\n%x", read, canonical)
	}
	return true
}

func TestModel(t *testing.T) {
	var (
		rng      = rand.New(rand.NewPCG(2, 3))
		enc, dec = New(Config{}), New(Config{})
	)
	for range 5 {
		encode(t, enc, chaintest.RandomChanges(rng, 3))
	}
	changes := chaintest.RandomChanges(rng, 3)
	src := encode(t, enc, changes)

	// A decoder that joins late needs the model of before.
	if err := dec.Decode(new(chain.Changes), src, chaintest.Before(changes)); !errors.Is(err, chain.ErrOutOfStep) {
		t.Fatalf("without the model: %v, want ErrOutOfStep", err)
	}
	for _, bad := range [][]byte{nil, make([]byte, modelSize-1), make([]byte, modelSize+1)} {
		if err := dec.SetModel(bad); !errors.Is(err, chain.ErrCorrupt) {
			t.Fatalf("model of %d bytes: %v, want ErrCorrupt", len(bad), err)
		}
	}
	late := New(Config{})
	rng = rand.New(rand.NewPCG(2, 3))
	for range 5 {
		encode(t, late, chaintest.RandomChanges(rng, 3))
	}
	if err := dec.SetModel(late.AppendModel(nil)); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(new(chain.Changes), src, chaintest.Before(changes)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dec.AppendModel(nil), enc.AppendModel(nil)) {
		t.Fatal("models differ after the same diffs")
	}
	// Same place in another stream: the history tells.
	other := binary.BigEndian.AppendUint64(nil, 5)
	if err := dec.SetModel(append(other, "somebody"...)); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(new(chain.Changes), src, chaintest.Before(changes)); !errors.Is(err, chain.ErrOutOfStep) {
		t.Fatalf("another history: %v, want ErrOutOfStep", err)
	}
}

func TestMarksAreForgotten(t *testing.T) {
	codec := New(Config{Marks: 3})
	var marks []chain.Mark
	for range 5 {
		marks = append(marks, codec.Mark())
	}
	for i, m := range marks[:2] {
		if err := codec.Rollback(m); !errors.Is(err, chain.ErrNotFound) {
			t.Errorf("mark %d: %v, want ErrNotFound", i, err)
		}
	}
	for i := 4; i >= 2; i-- {
		if err := codec.Rollback(marks[i]); err != nil {
			t.Errorf("mark %d: %v", i, err)
		}
	}
}

// TestModesDoNotMix: a stream does not take diffs without a place in it, nor the
// other way round.
func TestModesDoNotMix(t *testing.T) {
	for _, stateless := range []bool{false, true} {
		src := encode(t, New(Config{Stateless: stateless}), exampleOfFormat())
		err := New(Config{Stateless: !stateless}).Decode(new(chain.Changes), src, chaintest.Before(exampleOfFormat()))
		if !errors.Is(err, chain.ErrOutOfStep) {
			t.Errorf("stateless %t: %v, want ErrOutOfStep", stateless, err)
		}
	}
}

// failing is a state that cannot tell.
type failing struct{ chain.StateView }

func (failing) Account(addr common.Address) (chain.Account, bool, error) {
	return chain.Account{}, false, &chain.MissingError{What: "account"}
}

func TestPriorFails(t *testing.T) {
	var (
		codec = New(Config{Stateless: true})
		src   = encode(t, codec, exampleOfFormat())
		got   chain.Changes
	)
	if err := codec.Decode(&got, src, failing{}); !errors.Is(err, chain.ErrUnknown) {
		t.Fatalf("%v, want ErrUnknown", err)
	}
	if !reflect.DeepEqual(got, chain.Changes{}) {
		t.Fatal("a failed decode left something behind")
	}
}

// TestWorkingMemory: a huge diff is not paid for ever, and a small one leaves
// nothing for the next to allocate but the Changes.
func TestWorkingMemory(t *testing.T) {
	small := chaintest.RandomChanges(rand.New(rand.NewPCG(2, 4)), 20)
	codec := New(Config{Stateless: true})
	src := encode(t, codec, small)
	dst := make([]byte, 0, 2*len(src))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := codec.AppendEncode(dst, small, nil, nil); err != nil {
			t.Fatal(err)
		}
	}); n > 12 {
		t.Errorf("encoding takes %v allocations", n)
	}
	var got chain.Changes
	prior := chaintest.Before(small)
	if n := testing.AllocsPerRun(100, func() {
		if err := codec.Decode(&got, src, prior); err != nil {
			t.Fatal(err)
		}
	}); n > 20 {
		t.Errorf("decoding takes %v allocations", n)
	}
	codec.body = make([]byte, keepMax+1)
	encode(t, codec, small)
	if cap(codec.body) > keepMax {
		t.Errorf("keeps %d bytes of working memory", cap(codec.body))
	}
}

// TestSameBytesWhateverCameBefore: working memory leaves no trace in the bytes,
// also where zstd needs several blocks.
func TestSameBytesWhateverCameBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 5))
	used := New(Config{Stateless: true})
	for _, n := range []int{3, 3000, 10, 6000, 1, 2000} {
		changes := chaintest.RandomChanges(rng, n)
		if !bytes.Equal(encode(t, used, changes), encode(t, New(Config{Stateless: true}), changes)) {
			t.Fatalf("%d accounts: a used codec makes other bytes than a new one", n)
		}
	}
}
