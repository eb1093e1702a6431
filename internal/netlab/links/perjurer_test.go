package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc/work"
	"github.com/vivace-chain/vivace/sequencer"
)

// An oath is what a perjurer is sent out with. It has a prover's key that is allowed, one
// that is not, and the sequencer's, so that full nodes hear what the sequencer would have
// kept to itself.
type oath struct {
	mission
	Door                        string
	Prover, Stranger, Sequencer []byte
}

// A perjurer hears what honest provers say of blocks, and says something else.
type perjurer struct {
	*rogue
	prover, stranger, sequencer *envelope.Key
	door                        *work.Client
}

// perjure is the perjurer: its argument is an oath.
func perjure(ctx context.Context, args []string) (err error) {
	var (
		p perjurer
		o oath
	)
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	for _, k := range []struct {
		secret []byte
		key    **envelope.Key
	}{{o.Prover, &p.prover}, {o.Stranger, &p.stranger}, {o.Sequencer, &p.sequencer}} {
		if *k.key, err = envelope.NewKey(k.secret); err != nil {
			return err
		}
	}
	if p.door, err = work.NewClient(work.ClientConfig{URL: o.Door, ChainID: o.Invitation.ChainID, Signer: p.prover}); err != nil {
		return err
	}
	if p.rogue, err = newRogue(ctx, &o.mission); err != nil {
		return err
	}
	go p.live(ctx)
	return p.testify(ctx)
}

// testify speaks about each block of which an honest prover spoke.
func (p *perjurer) testify(ctx context.Context) error {
	for newest := uint64(0); ctx.Err() == nil; nap(ctx, 20*time.Millisecond) {
		msg := p.newest(link.TopicAttestations)
		if msg == nil {
			continue
		}
		a := new(chain.Attestation)
		if err := a.UnmarshalBinary(msg[envelope.Overhead:]); err != nil {
			return err
		}
		if a.Block.Number <= newest {
			continue
		}
		newest = a.Block.Number
		if err := p.speakOf(ctx, a); err != nil && ctx.Err() == nil {
			return err
		}
		fmt.Println("spoke of block", newest)
	}
	return nil
}

// speakOf says of a block what is wrong, in all ways, and then, of every second but the
// first, also what is right: so of those this prover says two things. What full nodes hear is one of the
// wrong words, since of each block they take a few only.
func (p *perjurer) speakOf(ctx context.Context, right *chain.Attestation) error {
	wrong, foreign, forged := *right, *right, *right
	wrong.PostRoot[0] ^= 1
	err := errors.Join(attest.Sign(&wrong, p.prover), attest.Sign(&foreign, p.stranger))
	forged.Signature[9] ^= 1
	for _, word := range []struct {
		*chain.Attestation
		want []error
	}{
		{&wrong, []error{chain.ErrMismatch}},
		{&foreign, []error{sequencer.ErrNotAllowed}},
		{&forged, []error{sequencer.ErrNotAllowed, da.ErrRefused}}, // nobody's, or somebody's
	} {
		err = errors.Join(err, p.refused(ctx, word.Attestation, word.want))
	}
	err = errors.Join(err, p.publish(ctx, []*chain.Attestation{&wrong, &foreign, &forged}[rand.IntN(3)]))
	if err != nil || right.Block.Number%2 == 0 || right.Block.Number == 1 {
		return err
	}
	own := *right
	if err := attest.Sign(&own, p.prover); err != nil {
		return err
	}
	if err := p.submit(ctx, &own); err != nil {
		return fmt.Errorf("the truth: %w", err)
	}
	return nil
}

// submit hands a word in at the sequencer's door, which may be closed for a while.
func (p *perjurer) submit(ctx context.Context, a *chain.Attestation) (err error) {
	for ctx.Err() == nil {
		if err = p.door.Submit(ctx, a); !errors.Is(err, da.ErrTransient) {
			break
		}
		nap(ctx, 50*time.Millisecond)
	}
	return err
}

// refused fails if a word is taken, or refused for another reason.
func (p *perjurer) refused(ctx context.Context, a *chain.Attestation, want []error) error {
	err := p.submit(ctx, a)
	if slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		return nil
	}
	return fmt.Errorf("block %d, want %v: %v", a.Block.Number, want, err)
}

// publish says a word as if the sequencer passed it on.
func (p *perjurer) publish(ctx context.Context, a *chain.Attestation) error {
	body, err := a.AppendBinary(nil)
	if err != nil {
		return err
	}
	msg, err := envelope.Seal(nil, envelope.Header{
		Kind: envelope.KindAttestation, ChainID: p.Invitation.ChainID, Genesis: p.Invitation.Genesis,
		Term: a.Term, Place: chain.HeaderPlace(a.Block.Number),
	}, body, p.sequencer)
	if err != nil {
		return err
	}
	return p.topics[link.TopicAttestations].Publish(ctx, msg)
}
