package statediff

import (
	"math/rand/v2"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
)

// fuzzPrior is the state that the fuzz targets decode against.
func fuzzPrior() *chain.Changes {
	return chaintest.RandomChanges(rand.New(rand.NewPCG(4, 4)), 6)
}

// FuzzDecode feeds whole diffs, checksum and all.
func FuzzDecode(f *testing.F) {
	prior := fuzzPrior()
	f.Add(encode(f, New(Config{Stateless: true}), prior))
	f.Add(encode(f, New(Config{}), prior))
	f.Add(encode(f, New(Config{Stateless: true}), new(chain.Changes)))
	f.Fuzz(func(t *testing.T, src []byte) { checkAccepted(t, src, prior) })
}

// FuzzBody feeds bodies below checksum and digest of prior, which a fuzzer would
// not guess.
func FuzzBody(f *testing.F) {
	prior := fuzzPrior()
	codec := New(Config{Stateless: true})
	encode(f, codec, prior)
	h := codec.describe(prior)
	f.Add(byte(h.accounts), byte(h.slots), byte(h.codes), codec.body)
	f.Add(byte(0), byte(0), byte(0), make([]byte, columnCount))
	f.Fuzz(func(t *testing.T, accounts, slots, codes byte, body []byte) {
		h := header{accounts: int(accounts), slots: int(slots), codes: int(codes), body: len(body), before: h.before}
		checkAccepted(t, frame(h, body), prior)
	})
}

// FuzzRoundTrip encodes whatever Changes the fuzzer finds.
func FuzzRoundTrip(f *testing.F) {
	for _, c := range goldenChanges() {
		raw, _ := c.changes.AppendBinary(nil)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var changes, got chain.Changes
		if changes.UnmarshalBinary(raw) != nil {
			return
		}
		codec := New(Config{Stateless: true})
		if err := codec.Decode(&got, encode(t, codec, &changes), chaintest.Before(&changes)); err != nil {
			t.Fatal(err)
		}
		if got.Digest() != changes.Digest() {
			t.Fatal("decodes to other changes")
		}
	})
}
