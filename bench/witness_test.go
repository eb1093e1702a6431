package bench

import (
	"context"
	"slices"
	"testing"
)

var verifiers = []struct {
	name     string
	verifier Verifier
}{
	{"geth", GethStateless{}},
	{"vivace", Prover(vivaceExecutor)},
}

func proven(w *source[*Workload]) func(testing.TB) *Proofs {
	var made *Proofs
	return func(tb testing.TB) *Proofs {
		workload := w.get(tb)
		if made == nil {
			var err error
			if made, err = workload.Proofs(context.Background()); err != nil {
				tb.Fatal(err)
			}
		}
		return made
	}
}

func BenchmarkWitnessVerify(b *testing.B) {
	workloads := []*source[*Workload]{mainnetAll, erc20}
	proofs := make([]func(testing.TB) *Proofs, len(workloads))
	for i, w := range workloads {
		proofs[i] = proven(w)
	}
	for _, v := range verifiers {
		b.Run("impl="+v.name, func(b *testing.B) {
			for i, w := range workloads {
				b.Run("senders=recovered/"+w.name, func(b *testing.B) { WitnessVerify(b, proofs[i](b), v.verifier, false) })
				b.Run("senders=known/"+w.name, func(b *testing.B) { WitnessVerify(b, proofs[i](b), v.verifier, true) })
			}
		})
	}
}

func TestWitnessVerifySmall(t *testing.T) {
	for _, w := range []*source[*Workload]{mainnetSmall, erc20Small} {
		t.Run(w.name, func(t *testing.T) {
			p := proven(w)(t)
			if len(p.Blocks) == 0 {
				t.Fatal("no block can be proved")
			}
			for _, v := range verifiers {
				recordDigest(t, "witness/"+p.Name, CheckWitnessVerify(t, p, v.verifier))
				for _, sendersKnown := range []bool{false, true} {
					got := once(t, func(b *testing.B) { WitnessVerify(b, p, v.verifier, sendersKnown) })
					requireMetrics(t, got, "Mgas/s", "tx/s", "B/tx")
				}
			}
		})
	}
}

// Every verifier needs each node of a witness, and a block with another root fails:
// what is timed does verify.
func TestWitnessVerifyIsChecked(t *testing.T) {
	p := proven(erc20Small)(t)
	for _, v := range verifiers {
		for i := range p.Blocks[0].Witness.Nodes {
			b := *p.Blocks[0]
			w := *b.Witness
			w.Nodes = slices.Delete(slices.Clone(w.Nodes), i, i+1)
			if b.Witness, b.Encoded = &w, nil; failsToVerify(t, p, &b, v.verifier) == "" {
				t.Fatalf("%s verifies without node %d of %d", v.name, i, len(w.Nodes)+1)
			}
		}
		b := *p.Blocks[0]
		sealed, header := *b.Sealed, *b.Sealed.Header
		header.StateRoot[0]++
		sealed.Header = &header
		if b.Sealed = &sealed; failsToVerify(t, p, &b, v.verifier) == "" {
			t.Fatalf("%s verifies a wrong state root", v.name)
		}
	}
}

// failsToVerify is how the verification of b, encoded anew, ends.
func failsToVerify(t *testing.T, p *Proofs, b *Proof, v Verifier) string {
	t.Helper()
	var err error
	if b.Block, err = b.Sealed.AppendBinary(nil); err != nil {
		t.Fatal(err)
	}
	if b.Encoded, err = b.Witness.AppendBinary(nil); err != nil {
		t.Fatal(err)
	}
	return failure(func(tb testing.TB) {
		CheckWitnessVerify(tb, &Proofs{Name: p.Name, Config: p.Config, Blocks: []*Proof{b}}, v)
	})
}
