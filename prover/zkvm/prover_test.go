//go:build unix

package zkvm

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/bench"
	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
)

// source has its jobs, once, and takes what comes of them.
type source struct {
	jobs     chan prover.Job
	attested chan chain.Attestation
}

func (s *source) Lease(ctx context.Context, _ int) ([]prover.Job, error) {
	select {
	case job := <-s.jobs:
		return []prover.Job{job}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *source) Renew(context.Context, uint64) (time.Time, error) {
	return time.Time{}, errors.New("no leases here")
}

func (s *source) Release(context.Context, uint64, error) error { return nil }

func (s *source) Submit(_ context.Context, a *chain.Attestation) error {
	s.attested <- *a
	return nil
}

// TestProver: a prover with this backend attests to what the guest found, under the
// guest's name, and not to what it refuses.
func TestProver(t *testing.T) {
	made, err := bench.Generated(t.Context(), bench.ERC20(40, 3))
	require.NoError(t, err)
	task := newTask(t, made)
	b := native(t, task.config)
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	s := &source{make(chan prover.Job, 2), make(chan chain.Attestation, 2)}
	p, err := prover.New(prover.Config{
		Backend: b, ChainConfig: task.config, Source: s, Key: key, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()

	job := prover.Job{Publication: chain.Publication{Block: task.want.Block}, Block: task.in.Block, Witness: task.in.Witness, Diff: task.in.Diff}
	wrong := job
	wrong.Diff = spoil(job.Diff, len(job.Diff)/2)
	s.jobs <- wrong
	s.jobs <- job
	got := <-s.attested
	signer, err := attest.Recover(&got)
	require.NoError(t, err)
	require.Equal(t, crypto.PubkeyToAddress(key.PublicKey), signer)
	want := task.want
	want.Program, want.Signature = b.Program(), got.Signature
	require.Equal(t, want, got)
	require.Empty(t, s.attested)
	require.Len(t, p.Failures(), 1)
	require.ErrorIs(t, p.Failures()[0].Err, ErrRefused)
	cancel()
	require.NoError(t, <-done)
}
