package work

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

// A Desk has the work; *sequencer.Desk is one. All methods may be called concurrently.
type Desk interface {
	// Allows reports whether somebody is a prover of the chain.
	Allows(who common.Address) bool
	// Lease, Renew and Release are about the leases of a prover.
	Lease(who common.Address, n int) ([]prover.Job, error)
	Renew(who common.Address, lease uint64) (time.Time, error)
	Release(who common.Address, lease uint64, why string) error
	// Submit enters an attestation, whoever brings it.
	Submit(ctx context.Context, a *chain.Attestation) error
	// Objects gives up to most bytes, from the one of number from, of the payloads of an
	// unproven block's objects.
	Objects(ctx context.Context, number, from uint64, most int) (*sequencer.Page, error)
	// Stats and Evidence are for whoever wants to know.
	Stats() sequencer.DeskStats
	Evidence() []sequencer.Evidence
}

// Config says what an API serves. Desk and ChainID are required.
type Config struct {
	Desk    Desk
	ChainID uint64
	// Recover returns who signed a request. Default: in pure Go.
	Recover attest.Recoverer
	// Now is the clock that stamps are compared with. Default time.Now.
	Now func() time.Time
}

// An API is the namespace prover. Its methods may be called concurrently; errors are
// of type *Error.
type API struct {
	desk    Desk
	gate    gate
	reading sync.Map // provers for whom objects are being read
	page    int      // bytes of an answer of Objects
}

// New makes the namespace of a sequencer; register it at the door as "prover".
func New(c Config) (*API, error) {
	switch {
	case c.Desk == nil:
		return nil, errors.New("work: Config.Desk is required")
	case c.ChainID == 0:
		return nil, errors.New("work: Config.ChainID is required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &API{
		desk: c.Desk, page: pageMax,
		gate: gate{
			chainID: c.ChainID, allows: c.Desk.Allows, recover: c.Recover, now: c.Now, since: c.Now(),
			seen: make(map[common.Address]*nonces),
		},
	}, nil
}

// Lease is prover_lease.
func (a *API) Lease(_ context.Context, n hexutil.Uint64, stamp Stamp) ([]Lease, error) {
	who, err := a.gate.admit(&ask{method: "lease", number: uint64(n)}, &stamp)
	if err != nil {
		return nil, coded(err)
	}
	jobs, err := a.desk.Lease(who, int(min(n, LeaseMax)))
	if err != nil {
		return nil, coded(err)
	}
	leases, now := make([]Lease, len(jobs)), time.Now()
	for i := range jobs {
		leases[i] = newLease(&jobs[i], now)
	}
	return leases, nil
}

// Renew is prover_renew.
func (a *API) Renew(_ context.Context, lease hexutil.Uint64, stamp Stamp) (hexutil.Uint64, error) {
	who, err := a.gate.admit(&ask{method: "renew", number: uint64(lease)}, &stamp)
	if err != nil {
		return 0, coded(err)
	}
	until, err := a.desk.Renew(who, uint64(lease))
	return milliseconds(time.Until(until)), coded(err)
}

// Release is prover_release.
func (a *API) Release(_ context.Context, lease hexutil.Uint64, why string, stamp Stamp) (bool, error) {
	if len(why) > whyMax {
		return false, tooLong("why", len(why), whyMax)
	}
	who, err := a.gate.admit(&ask{method: "release", number: uint64(lease), text: why}, &stamp)
	if err != nil {
		return false, coded(err)
	}
	err = a.desk.Release(who, uint64(lease), why)
	return err == nil, coded(err)
}

// Submit is prover_submit. A word that was entered before is entered again, to the
// same effect.
func (a *API) Submit(ctx context.Context, attestation hexutil.Bytes) (bool, error) {
	if len(attestation) > attestationMax {
		return false, tooLong("attestation", len(attestation), attestationMax)
	}
	var word chain.Attestation
	if err := word.UnmarshalBinary(attestation); err != nil {
		return false, coded(err)
	}
	err := a.desk.Submit(ctx, &word)
	return err == nil, coded(err)
}

// Objects is prover_objects. Its answers are large, so each prover gets one at a time: he
// must not take all the room that others need.
func (a *API) Objects(ctx context.Context, number, from hexutil.Uint64, stamp Stamp) (*ObjectsPage, error) {
	who, err := a.gate.admit(askObjects(uint64(number), uint64(from)), &stamp)
	if err != nil {
		return nil, coded(err)
	}
	if _, busy := a.reading.LoadOrStore(who, true); busy {
		return nil, coded(fmt.Errorf("%w: objects are being read for %s", chain.ErrBusy, who))
	}
	defer a.reading.Delete(who)
	page, err := a.desk.Objects(ctx, uint64(number), uint64(from), a.page)
	if err != nil {
		return nil, coded(fmt.Errorf("objects: %w", err))
	}
	out := &ObjectsPage{Bytes: page.Bytes}
	for i, size := range page.Sizes {
		out.Sizes[i] = hexutil.Uint64(size)
	}
	return out, nil
}

// Status is prover_status.
func (a *API) Status() *Status { return newStatus(a.desk.Stats()) }

// Evidence is prover_evidence: what is kept, from number from on.
func (a *API) Evidence(from hexutil.Uint64) []Evidence {
	kept := a.desk.Evidence()
	kept = kept[min(uint64(from), uint64(len(kept))):]
	kept = kept[:min(len(kept), evidenceMax)]
	out := make([]Evidence, len(kept))
	for i := range kept {
		out[i] = newEvidence(&kept[i])
	}
	return out
}
