package prover

import (
	"context"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// A Job is a block to be proven.
type Job struct {
	Publication chain.Publication
	// Lease names the promise that nobody else is given this block until Deadline; 0 is
	// no lease: whoever wants may prove it at the same time.
	Lease    uint64
	Deadline time.Time
	// Block, Witness and Diff are the payloads of the block's objects, if the Source
	// has them. Those that are nil are fetched from Config.DA.
	Block, Witness, Diff []byte
}

// A Source has work for provers and takes what they found. Lease is called by one
// goroutine; the other methods are called concurrently, with it and each other.
//
// A lease saves work, nothing else: an attestation is as good without one, and a
// prover whose lease was lost goes on and submits.
type Source interface {
	// Lease waits until there is work and returns 1 to n jobs. ctx is the same in
	// every call. An error that matches chain.ErrCorrupt is about one job, which
	// becomes Evidence; one that matches da.ErrTransient or chain.ErrBusy passes.
	// Any other ends the Prover's Run.
	Lease(ctx context.Context, n int) ([]Job, error)
	// Renew makes a lease last longer and returns until when. An error that matches
	// ErrLeaseLost is final.
	Renew(ctx context.Context, lease uint64) (time.Time, error)
	// Release ends a lease before its time: with nil because the prover leaves, or
	// else because it cannot prove the block, and why.
	Release(ctx context.Context, lease uint64, why error) error
	// Submit hands in a signed attestation, which ends the lease of its block. The
	// same may be submitted again. An error that matches da.ErrTransient or
	// chain.ErrBusy passes; any other is an attestation that is not taken. a is not
	// kept.
	Submit(ctx context.Context, a *chain.Attestation) error
}

// An ObjectSource is a Source that has the objects of its jobs as well. It is asked for what
// the data-availability layer does not give, so that a block which the layer lost can be
// proven all the same.
type ObjectSource interface {
	Source
	// Objects returns the payloads of the objects of a job's block, which belong to the
	// caller, and are believed no more than those of the layer. An error that matches
	// da.ErrTransient or chain.ErrBusy passes. It may be called concurrently.
	Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error)
}

// ErrLeaseLost: the lease ran out, ended, or never was this prover's. It matches
// chain.ErrOutOfStep.
var ErrLeaseLost = fmt.Errorf("lease is lost: %w", chain.ErrOutOfStep)
