package prover

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
)

// A Prover verifies published blocks and attests to them. Run does the work; the
// other methods may be called concurrently with it and each other.
type Prover struct {
	config   Config
	failures failures
	queue    chan chain.Publication
	working  atomic.Int64
	attested atomic.Uint64
	failed   atomic.Uint64
}

// New checks the Config and returns a Prover that does nothing until Run.
func New(config Config) (*Prover, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Prover{
		config:   config,
		failures: failures{max: config.FailuresMax},
		queue:    make(chan chain.Publication, config.QueueMax),
	}, nil
}

// Stats says what a Prover is doing and has done.
type Stats struct {
	Queued   int    // publications that wait for a worker
	Working  int    // blocks that workers are on
	Attested uint64 // attestations published
	Failed   uint64 // blocks that became Evidence
}

// Stats returns the current numbers.
func (p *Prover) Stats() Stats {
	return Stats{len(p.queue), int(p.working.Load()), p.attested.Load(), p.failed.Load()}
}

// Failures returns the newest Evidence, oldest first.
func (p *Prover) Failures() []Evidence { return p.failures.list() }

// Run works until ctx ends, and then returns nil, or until the publications
// cannot be read any more. It is called once.
func (p *Prover) Run(ctx context.Context) error {
	next, err := p.config.Subscriber.Subscribe(ctx, link.TopicPublications, p.config.From)
	if err != nil {
		return fmt.Errorf("prover: %w", err)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.read(groupCtx, next) })
	for range p.config.Workers {
		group.Go(func() error { return p.work(groupCtx) })
	}
	if err := group.Wait(); ctx.Err() == nil {
		return fmt.Errorf("prover: %w", err)
	}
	return nil
}

// read fills the queue. It ends with an error only.
func (p *Prover) read(ctx context.Context, next func(context.Context) (uint64, []byte, error)) error {
	for {
		seq, msg, err := next(ctx)
		if err != nil {
			return fmt.Errorf("read publications: %w", err)
		}
		var publication chain.Publication
		if err := publication.UnmarshalBinary(msg); err != nil {
			p.refuse(publication, fmt.Errorf("publication %d: %w", seq, err))
			continue
		}
		select {
		case p.queue <- publication:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// work takes blocks from the queue. It ends with ctx only.
func (p *Prover) work(ctx context.Context) error {
	decoder := p.config.Diff()
	for {
		select {
		case publication := <-p.queue:
			p.working.Add(1)
			err := p.handle(ctx, decoder, &publication)
			p.working.Add(-1)
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handle ends in an attestation, in Evidence, or with ctx.
func (p *Prover) handle(ctx context.Context, decoder chain.DiffEncoder, publication *chain.Publication) error {
	start := time.Now()
	attestation, err := p.prove(ctx, decoder, publication)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		p.refuse(*publication, err)
		return nil
	}
	if err := p.publish(ctx, attestation); err != nil {
		return err
	}
	p.attested.Add(1)
	p.config.Logger.Info("attested", "block", publication.Block, "took", time.Since(start))
	return nil
}

func (p *Prover) refuse(publication chain.Publication, err error) {
	p.failed.Add(1)
	p.failures.add(Evidence{publication, err})
	p.config.Logger.Error("block is not proven", "block", publication.Block, "error", err)
}

// prove fetches what the publication names and returns the signed attestation.
func (p *Prover) prove(ctx context.Context, decoder chain.DiffEncoder, publication *chain.Publication) (*chain.Attestation, error) {
	var payloads struct{ block, witness, diff []byte }
	for _, o := range []struct {
		kind    da.Kind
		id      chain.BlobID
		payload *[]byte
	}{
		{da.Block, publication.Body, &payloads.block},
		{da.Witness, publication.Witness, &payloads.witness},
		{da.Diff, publication.Diff, &payloads.diff},
	} {
		object, err := p.fetch(ctx, o.id, da.Want{Kind: o.kind, Block: publication.Block})
		if err != nil {
			return nil, err
		}
		*o.payload = object.Payload
	}
	block, err := readBlock(payloads.block, publication.Block)
	if err != nil {
		return nil, err
	}
	var witness chain.Witness
	if err := witness.UnmarshalBinary(payloads.witness); err != nil {
		return nil, err
	}
	verified, err := Verify(ctx, p.config.Executor, block, &witness)
	if err != nil {
		return nil, err
	}
	changesDigest := verified.Changes.Digest()
	if err := checkDiff(decoder, payloads.diff, block, verified, changesDigest); err != nil {
		return nil, err
	}
	a := &chain.Attestation{
		ChainID:       p.config.ChainID,
		Term:          block.Header.Term(),
		Block:         publication.Block,
		ParentHash:    block.Header.ParentHash,
		PreRoot:       verified.PreRoot,
		PostRoot:      verified.PostRoot,
		ReceiptsRoot:  verified.ReceiptsRoot,
		BlockDigest:   chain.Keccak256(payloads.block),
		ChangesDigest: changesDigest,
		WitnessDigest: chain.Keccak256(payloads.witness),
		DiffDigest:    chain.Keccak256(payloads.diff),
		Program:       p.config.Program,
	}
	return a, Sign(a, p.config.Key)
}

// readBlock decodes a block and checks that it is the one that was announced.
func readBlock(payload []byte, want chain.BlockID) (*chain.Block, error) {
	block := new(chain.Block)
	if err := block.UnmarshalBinary(payload); err != nil {
		return nil, err
	}
	if got := block.Header.ID(); got != want {
		return nil, &chain.MismatchError{Block: want.Number, Field: "hash", Got: got.String(), Want: want.String()}
	}
	return block, nil
}

// checkDiff decodes the diff against the proven prior state: full nodes that apply
// it must get the proven changes and nothing else.
func checkDiff(decoder chain.DiffEncoder, payload []byte, b *chain.Block, v *Verified, want common.Hash) error {
	var changes chain.Changes
	if err := decoder.Decode(&changes, payload, v.Prior); err != nil {
		return fmt.Errorf("diff of block %d: %w", b.Header.Number, err)
	}
	if got := changes.Digest(); got != want {
		return &chain.MismatchError{Block: b.Header.Number, Field: "changes of diff", Got: got.Hex(), Want: want.Hex()}
	}
	return nil
}

// fetch gets an object, however often that takes; see Config.Attempts.
func (p *Prover) fetch(ctx context.Context, id chain.BlobID, want da.Want) (*da.Object, error) {
	var object *da.Object
	err := p.retry(ctx, func(attempt int) (final bool, err error) {
		object, err = da.Get(ctx, p.config.DA, id, want)
		switch {
		case errors.Is(err, chain.ErrMismatch), errors.Is(err, chain.ErrTooLarge):
			return true, err // it will not be another one later
		case errors.Is(err, chain.ErrNotFound), errors.Is(err, chain.ErrCorrupt):
			return attempt == p.config.Attempts, err
		}
		return false, err
	})
	return object, err
}

func (p *Prover) publish(ctx context.Context, a *chain.Attestation) error {
	msg, err := a.AppendBinary(nil)
	if err != nil {
		return err
	}
	return p.retry(ctx, func(int) (bool, error) {
		_, err := p.config.Publisher.Publish(ctx, link.TopicAttestations, msg)
		return false, err
	})
}

// retry calls try, with growing pauses, until it succeeds, its error is final or
// ctx ends. Attempts count from 1.
func (p *Prover) retry(ctx context.Context, try func(attempt int) (final bool, err error)) error {
	pause := p.config.RetryMin
	for attempt := 1; ; attempt++ {
		final, err := try(attempt)
		if err == nil || final || ctx.Err() != nil {
			return err
		}
		p.config.Logger.Warn("trying again", "attempt", attempt, "pause", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, p.config.RetryMax)
	}
}
