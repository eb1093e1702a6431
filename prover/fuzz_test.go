package prover

import (
	"bytes"
	"context"
	"testing"

	"github.com/vivace-chain/vivace/chain"
)

// FuzzVerify: of all bytes only one witness proves a block. Whatever else is
// accepted lacks something, or has something too much.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	s := w.seal(f, w.txs(1))
	genuine, _ := s.witness.AppendBinary(nil)
	f.Add(genuine)
	for i := 0; i < len(genuine); i += 1 + len(genuine)/16 {
		damaged := bytes.Clone(genuine)
		damaged[i] ^= 1
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var witness chain.Witness
		if witness.UnmarshalBinary(raw) != nil {
			return
		}
		_, err := Verify(context.Background(), w.executor, s.block, &witness)
		if err == nil && !bytes.Equal(raw, genuine) {
			t.Fatalf("a second witness of %d bytes proves the block", len(raw))
		}
	})
}
