package work

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
)

const (
	// LeaseMax is how many blocks one request is given at most.
	LeaseMax = 64
	// whyMax is the length of a reason, in bytes.
	whyMax = 256
	// attestationMax is more than any attestation has, in bytes.
	attestationMax = 512
	// evidenceMax is how much evidence one answer has.
	evidenceMax = 256
	// ttlMax is what a Client believes of a lease.
	ttlMax = 24 * time.Hour
)

// A Lease is one block of prover_lease's answer.
type Lease struct {
	Lease       hexutil.Uint64 `json:"lease"`
	TTL         hexutil.Uint64 `json:"ttl"` // milliseconds from when it was made
	Publication hexutil.Bytes  `json:"publication"`
}

func newLease(job *prover.Job, now time.Time) Lease {
	publication, _ := job.Publication.AppendBinary(nil) // it has no failure of its own
	return Lease{hexutil.Uint64(job.Lease), milliseconds(job.Deadline.Sub(now)), publication}
}

func milliseconds(d time.Duration) hexutil.Uint64 { return hexutil.Uint64(max(0, d.Milliseconds())) }

// job is what a Client makes of it: asked is when it asked, so that its lease seems to
// end earlier, not later, than the sequencer thinks.
func (l *Lease) job(asked time.Time) (job prover.Job, err error) {
	if l.Lease == 0 {
		return job, errors.New("a lease without a number")
	}
	if err := job.Publication.UnmarshalBinary(l.Publication); err != nil {
		return job, fmt.Errorf("lease %#x: %w", uint64(l.Lease), err)
	}
	job.Lease, job.Deadline = uint64(l.Lease), deadline(asked, l.TTL)
	return job, nil
}

func deadline(asked time.Time, ttl hexutil.Uint64) time.Time {
	return asked.Add(time.Duration(min(uint64(ttl), uint64(ttlMax.Milliseconds()))) * time.Millisecond)
}

// Objects is the answer of prover_objects: the payloads.
type Objects struct {
	Block   hexutil.Bytes `json:"block"`
	Witness hexutil.Bytes `json:"witness"`
	Diff    hexutil.Bytes `json:"diff"`
}

// Status is the answer of prover_status. The counts are of this process.
type Status struct {
	Leases    hexutil.Uint64 `json:"leases"`
	LeasesMax hexutil.Uint64 `json:"leasesMax"`
	Provers   hexutil.Uint64 `json:"provers"`  // that have a lease
	Unproven  hexutil.Uint64 `json:"unproven"` // published blocks, as far as they are given out
	Granted   hexutil.Uint64 `json:"granted"`
	Renewed   hexutil.Uint64 `json:"renewed"`
	Released  hexutil.Uint64 `json:"released"`
	Expired   hexutil.Uint64 `json:"expired"`
	Failed    hexutil.Uint64 `json:"failed"`
	Submitted hexutil.Uint64 `json:"submitted"`
	Refused   hexutil.Uint64 `json:"refused"`
	Failing   []Failing      `json:"failing"`
}

// A Failing is an unproven block that provers failed with.
type Failing struct {
	Number  hexutil.Uint64   `json:"number"`
	Provers []common.Address `json:"provers"`
	Why     []string         `json:"why"` // of each, in its own words
}

func newStatus(s sequencer.DeskStats) *Status {
	out := &Status{
		Leases: hexutil.Uint64(s.Leases), LeasesMax: hexutil.Uint64(s.LeasesMax),
		Provers: hexutil.Uint64(s.Provers), Unproven: hexutil.Uint64(s.Unproven),
		Granted: hexutil.Uint64(s.Granted), Renewed: hexutil.Uint64(s.Renewed), Released: hexutil.Uint64(s.Released),
		Expired: hexutil.Uint64(s.Expired), Failed: hexutil.Uint64(s.Failed),
		Submitted: hexutil.Uint64(s.Submitted), Refused: hexutil.Uint64(s.Refused),
		Failing: []Failing{},
	}
	for _, f := range s.Failing {
		out.Failing = append(out.Failing, Failing{hexutil.Uint64(f.Number), f.Provers, f.Why})
	}
	return out
}

// Evidence is a word of a prover that contradicts a block, as prover_evidence answers.
type Evidence struct {
	Signer      common.Address `json:"signer"`
	Attestation hexutil.Bytes  `json:"attestation"`
	Other       hexutil.Bytes  `json:"other,omitempty"` // another word of the same signer on the same block
}

func newEvidence(e *sequencer.Evidence) Evidence {
	encode := func(a *chain.Attestation) hexutil.Bytes {
		if a == nil {
			return nil
		}
		raw, _ := a.AppendBinary(nil) // it has no failure of its own
		return raw
	}
	return Evidence{e.Signer, encode(&e.Attestation), encode(e.Other)}
}
