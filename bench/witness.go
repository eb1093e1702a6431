package bench

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

// A Verifier verifies blocks without state in its own way.
type Verifier interface {
	// Prepare takes proofs in, before time is taken: it brings witnesses into an
	// encoding of the verifier's own. Where senders are known it also decodes the
	// blocks, and their transactions with the senders.
	Prepare(p *Proofs, sendersKnown bool) (Verification, error)
}

// A Verification decodes block i, unless its senders are known, and its witness, and
// verifies the block. An error says that the block or the witness is not good, or
// that the root after is not the header's. It keeps nothing from one call for the
// next.
type Verification func(ctx context.Context, i int) (stateRoot common.Hash, err error)

// CheckWitnessVerify verifies all of p, with the senders known and not, and returns a
// digest of the roots.
func CheckWitnessVerify(tb testing.TB, p *Proofs, v Verifier) common.Hash {
	tb.Helper()
	var digests [2]common.Hash
	for i, sendersKnown := range []bool{false, true} {
		digests[i] = checkVerification(tb, p, prepareVerification(tb, p, v, sendersKnown))
	}
	if digests[0] != digests[1] {
		tb.Fatalf("%s: known senders lead to another state", p.Name)
	}
	return digests[0]
}

func prepareVerification(tb testing.TB, p *Proofs, v Verifier, sendersKnown bool) Verification {
	tb.Helper()
	verify, err := v.Prepare(p, sendersKnown)
	if err != nil {
		tb.Fatalf("%s: %v", p.Name, err)
	}
	return verify
}

func checkVerification(tb testing.TB, p *Proofs, verify Verification) common.Hash {
	tb.Helper()
	var roots []byte
	for i, b := range p.Blocks {
		root, err := verify(tb.Context(), i)
		if err != nil {
			tb.Fatalf("%s: block %d: %v", p.Name, b.Sealed.Header.Number, err)
		}
		if root != b.Sealed.Header.StateRoot {
			tb.Fatalf("%s: block %d: state root %s, want %s", p.Name, b.Sealed.Header.Number, root, b.Sealed.Header.StateRoot)
		}
		roots = append(roots, root[:]...)
	}
	return chain.Keccak256(roots)
}

// WitnessVerify times a verifier. One operation is the verification of every block of p.
// Metrics: Mgas/s, tx/s, B/tx of the witnesses in Vivace's encoding, cpu-ns/op.
func WitnessVerify(b *testing.B, p *Proofs, v Verifier, sendersKnown bool) {
	verify := prepareVerification(b, p, v, sendersKnown)
	checkVerification(b, p, verify)
	b.ReportAllocs()
	watch := newStopwatch(b)
	for b.Loop() {
		for i := range p.Blocks {
			if _, err := verify(b.Context(), i); err != nil {
				b.Fatal(err)
			}
		}
	}
	watch.stop()
	watch.rate("Mgas/s", float64(p.Gas())/1e6)
	watch.rate("tx/s", float64(p.Txs()))
	b.ReportMetric(float64(p.WitnessSize())/float64(p.Txs()), "B/tx")
	watch.processor()
}

// Prover is prover.Verify with executors of this constructor. Besides what a
// verifier needs for itself it compares the body with its roots, demands what the
// access set says although the executor may not have looked at it, and refuses a
// witness with anything superfluous.
type Prover func(config *params.ChainConfig) (chain.Executor, error)

// Prepare implements Verifier.
func (open Prover) Prepare(p *Proofs, sendersKnown bool) (Verification, error) {
	executor, err := open(p.Config)
	if err != nil {
		return nil, err
	}
	blocks := make([]*chain.Block, len(p.Blocks))
	if sendersKnown {
		for i, b := range p.Blocks {
			own := *b.Sealed
			own.Txs = (&Block{Block: b.Sealed, Senders: b.Senders}).transactions(true)
			blocks[i] = &own
		}
	}
	return func(ctx context.Context, i int) (common.Hash, error) {
		var (
			block   = blocks[i]
			witness chain.Witness
		)
		if block == nil {
			block = new(chain.Block)
			if err := block.UnmarshalBinary(p.Blocks[i].Block); err != nil {
				return common.Hash{}, err
			}
		}
		if err := witness.UnmarshalBinary(p.Blocks[i].Encoded); err != nil {
			return common.Hash{}, err
		}
		verified, err := prover.Verify(ctx, executor, block, &witness)
		if err != nil {
			return common.Hash{}, err
		}
		return verified.PostRoot, nil
	}, nil
}
