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
	// pageMax is how many bytes of objects one answer has, in hex below the 25 MB that a
	// door allows.
	pageMax = 11 << 20
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

// ObjectsPage is the answer of prover_objects.
type ObjectsPage struct {
	Sizes [3]hexutil.Uint64 `json:"sizes"` // of the payloads of block, witness and diff
	Bytes hexutil.Bytes     `json:"bytes"` // of the three, one after the other, from where was asked
}

// objects is what a Client makes of pages.
type objects struct {
	sizes [3]hexutil.Uint64
	whole []byte
}

// add adds the next page, and reports whether it is the last. What is stated takes no memory;
// what comes does. The error matches chain.ErrTooLarge for objects of more than most bytes; any
// other is a sequencer that does not say one thing.
func (o *objects) add(p *ObjectsPage, most int) (done bool, err error) {
	total := uint64(0)
	for _, size := range p.Sizes {
		if total += min(uint64(size), uint64(most)+1); total > uint64(most) { // the sum is far from 2^64
			return false, fmt.Errorf("%w: objects of %v bytes, at most %d together may be", chain.ErrTooLarge, p.Sizes, most)
		}
	}
	left := total - uint64(len(o.whole))
	switch {
	case len(o.whole) > 0 && p.Sizes != o.sizes:
		return false, fmt.Errorf("a page of objects of %v bytes after one of %v", p.Sizes, o.sizes)
	case uint64(len(p.Bytes)) > left || len(p.Bytes) == 0 && left > 0:
		return false, fmt.Errorf("a page of %d bytes where %d are left", len(p.Bytes), left)
	}
	o.sizes, o.whole = p.Sizes, append(o.whole, p.Bytes...)
	return uint64(len(p.Bytes)) == left, nil
}

// payloads are those of block, witness and diff, once all pages are there.
func (o *objects) payloads() (block, witness, diff []byte) {
	b, w := o.sizes[0], o.sizes[0]+o.sizes[1]
	return o.whole[:b:b], o.whole[b:w:w], o.whole[w:]
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
