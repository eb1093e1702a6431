package da_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/da/unassigned"
)

func object() *da.Object {
	return &da.Object{
		Kind:    da.Witness,
		Block:   chain.BlockID{Number: 7, Hash: common.Hash{1, 2, 3}},
		Payload: []byte("a witness"),
	}
}

func TestPutGet(t *testing.T) {
	var (
		ctx    = context.Background()
		client = inprocess.New()
		o      = object()
	)
	id, commitment, err := da.Put(ctx, client, o)
	if err != nil {
		t.Fatal(err)
	}
	if commitment != o.Commitment() {
		t.Errorf("commitment %s, want %s", commitment, o.Commitment())
	}
	right := da.Want{Kind: o.Kind, Block: o.Block, Commitment: commitment}
	got, err := da.Get(ctx, client, id, right)
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Fatalf("got %v, %v", got, err)
	}
	for name, alter := range map[string]func(*da.Want){
		"kind":       func(w *da.Want) { w.Kind = da.Diff },
		"number":     func(w *da.Want) { w.Block.Number++ },
		"hash":       func(w *da.Want) { w.Block.Hash[5] = 1 },
		"commitment": func(w *da.Want) { w.Commitment[5] ^= 1 },
	} {
		want := right
		alter(&want)
		if _, err := da.Get(ctx, client, id, want); !errors.Is(err, chain.ErrMismatch) {
			t.Errorf("other %s wanted: %v, want ErrMismatch", name, err)
		}
	}
	if _, err := da.Get(ctx, client, chain.BlobID("nowhere"), right); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("unknown blob: %v, want ErrNotFound", err)
	}
	if _, _, err := da.Put(ctx, client, &da.Object{Kind: 9}); err == nil {
		t.Error("an object of unknown kind was put")
	}
}

func TestUnassigned(t *testing.T) {
	ctx := context.Background()
	if _, _, err := da.Put(ctx, unassigned.Client{}, object()); !errors.Is(err, unassigned.ErrUnassigned) {
		t.Errorf("put: %v, want ErrUnassigned", err)
	}
	_, err := da.Get(ctx, unassigned.Client{}, chain.BlobID{1}, da.Want{})
	if !errors.Is(err, unassigned.ErrUnassigned) || errors.Is(err, chain.ErrNotFound) {
		t.Errorf("get: %v, want ErrUnassigned", err)
	}
}

// TestErrorsOfLongIDs: what is kept of an error, 256 bytes, has the reason, however long
// the layer's names are.
func TestErrorsOfLongIDs(t *testing.T) {
	_, err := da.Get(t.Context(), inprocess.New(), bytes.Repeat([]byte{0xce}, 1000), da.Want{Kind: da.Witness, Block: object().Block})
	if !errors.Is(err, chain.ErrNotFound) || !strings.Contains(da.Excerpt([]byte(err.Error())), chain.ErrNotFound.Error()) {
		t.Errorf("get: %v", err)
	}
}

// TestFlippedBits: every single bit of a blob counts.
func TestFlippedBits(t *testing.T) {
	blob, err := object().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(blob) {
		bad := bytes.Clone(blob)
		bad[bit/8] ^= 1 << (bit % 8)
		checkRefused(t, fmt.Sprintf("bit %d", bit), bad)
	}
	for n := range blob {
		checkRefused(t, fmt.Sprintf("cut to %d", n), blob[:n])
	}
	checkRefused(t, "trailing byte", append(bytes.Clone(blob), 0))
}

func checkRefused(t *testing.T, name string, bad []byte) {
	t.Helper()
	o := object()
	if err := o.UnmarshalBinary(bad); !errors.Is(err, chain.ErrCorrupt) {
		t.Errorf("%s: %v, want ErrCorrupt", name, err)
	}
	if !reflect.DeepEqual(o, object()) {
		t.Errorf("%s: the receiver changed", name)
	}
}

func TestObjectRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	seen := make(map[common.Hash]bool)
	for range 100 {
		o := &da.Object{Kind: da.Kind(1 + rng.IntN(4)), Block: chain.BlockID{Number: rng.Uint64()}, Payload: make([]byte, rng.IntN(100))}
		for i := range o.Payload {
			o.Payload[i] = byte(rng.Uint32())
		}
		blob, err := o.AppendBinary([]byte("prefix"))
		if err != nil {
			t.Fatal(err)
		}
		got := new(da.Object)
		if err := got.UnmarshalBinary(blob[len("prefix"):]); err != nil || !reflect.DeepEqual(got, o) {
			t.Fatalf("got %v, %v", got, err)
		}
		if seen[o.Commitment()] {
			t.Fatal("two objects with one commitment")
		}
		seen[o.Commitment()] = true
	}
}

// TestLayout spells the bytes out: they are a format.
func TestLayout(t *testing.T) {
	got, _ := object().AppendBinary(nil)
	head := append([]byte("VDA\x01\x02\x00\x00\x00\x00\x00\x00\x00\x07"), object().Block.Hash[:]...)
	head = append(head, "\x00\x00\x00\x00\x00\x00\x00\x09"...)
	commitment := chain.Keccak256(head, []byte("a witness"))
	want := bytes.Join([][]byte{head, commitment[:], []byte("a witness")}, nil)
	if !bytes.Equal(got, want) {
		t.Fatalf("got\n%x, want\n%x", got, want)
	}
}

func FuzzObject(f *testing.F) {
	for kind := da.Block; kind <= da.Snapshot; kind++ {
		o := object()
		o.Kind = kind
		blob, _ := o.AppendBinary(nil)
		f.Add(blob)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		var o da.Object
		if err := o.UnmarshalBinary(blob); err != nil {
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if again, err := o.AppendBinary(nil); err != nil || !bytes.Equal(again, blob) {
			t.Fatalf("%x decodes, but encodes to %x, %v", blob, again, err)
		}
	})
}

// What a blob says that it is needs no more than its head.
func TestKindOf(t *testing.T) {
	blob, err := object().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := da.KindOf(blob); got != da.Witness {
		t.Errorf("%s", got)
	}
	none := [][]byte{nil, blob[:20], []byte("VDM\x01" + string(blob[4:]))}
	for _, at := range []int{3, 4} { // version and kind
		other := bytes.Clone(blob)
		other[at] = 99
		none = append(none, other)
	}
	for _, b := range none {
		if got := da.KindOf(b); got != 0 {
			t.Errorf("%x is a %s", b, got)
		}
	}
}
