package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
)

// An audit compares what the roles say of the same block: the sequencer's header,
// the root that the full nodes computed from the diffs, and the root that the
// provers computed from the witness.
type audit struct {
	net  *network
	from uint64 // number of the first attestation that is this run's

	mu       sync.Mutex
	problem  error
	attested map[common.Address]uint64 // good attestations by signer
}

func newAudit(n *network) *audit {
	return &audit{net: n, from: n.attestations, attested: make(map[common.Address]uint64)}
}

// start follows the attestations in the background until stop is called.
func (a *audit) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.follow(ctx, a.from)
	}()
	return func() {
		cancel()
		<-done
	}
}

// follow reads the attestations as they come, until ctx ends, and compares each
// with the sequencer's header.
func (a *audit) follow(ctx context.Context, from uint64) {
	next, err := a.net.links.Subscribe(ctx, link.TopicAttestations, from)
	for err == nil {
		var msg []byte
		if _, msg, err = next(ctx); err == nil {
			a.note(a.attestation(msg))
		}
	}
	if ctx.Err() == nil {
		a.note(fmt.Errorf("attestations: %w", err))
	}
}

func (a *audit) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.problem == nil {
		a.problem = err
	}
}

func (a *audit) attestation(msg []byte) error {
	var at chain.Attestation
	if err := at.UnmarshalBinary(msg); err != nil {
		return err
	}
	signer, err := attest.Recover(&at)
	if err != nil {
		return err
	}
	header, err := a.net.header(at.Block.Number)
	if err != nil {
		return fmt.Errorf("attestation of block %s: %w", at.Block, err)
	}
	if err := differ(at.Block.Number, "stateRoot by a prover", at.PostRoot, header.StateRoot); err != nil {
		return err
	}
	if err := differ(at.Block.Number, "hash by a prover", at.Block.Hash, header.Hash()); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attested[signer]++
	return nil
}

// compare is the final word: nil if every full node stands, with the sequencer's
// hash and so its root, at block target or later, and all provers have attested to
// what is proven, with the same roots.
func (a *audit) compare(target uint64) error {
	var errs []error
	for i, f := range a.net.nodes {
		at := f.Heads().RootChecked
		if at.Number < target {
			errs = append(errs, fmt.Errorf("full node %d: root checked up to block %d, want %d", i+1, at.Number, target))
			continue
		}
		header, err := a.net.header(at.Number)
		if err == nil {
			err = differ(at.Number, "hash by the full node", at.Hash, header.Hash())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("full node %d: %w", i+1, err))
		}
	}
	proven := a.net.sequencer.Heads().Proven
	header, err := a.net.header(proven.Number)
	if err == nil {
		err = differ(proven.Number, "hash of the proven head", proven.Hash, header.Hash())
	}
	if err != nil {
		errs = append(errs, err)
	}
	for i, p := range a.net.provers {
		for _, e := range p.Failures() {
			errs = append(errs, fmt.Errorf("prover %d: %w", i+1, e.Err))
		}
	}
	for _, e := range a.net.sequencer.Evidence() {
		errs = append(errs, fmt.Errorf("prover %s contradicts block %s", e.Signer, e.Attestation.Block))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.net.serving && len(a.attested) < provers {
		errs = append(errs, fmt.Errorf("%d of %d provers have attested to a block", len(a.attested), provers))
	}
	return errors.Join(append(errs, a.problem)...)
}

func differ(number uint64, field string, got, want common.Hash) error {
	if got == want {
		return nil
	}
	return &chain.MismatchError{Block: number, Field: field, Got: got.String(), Want: want.String()}
}
