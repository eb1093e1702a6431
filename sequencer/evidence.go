package sequencer

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/prover/attest"
)

// Evidence is a word of a prover of ours that contradicts our block: it differs from
// what the block is. Whoever has the block can see that for himself.
type Evidence struct {
	Attestation chain.Attestation
	Signer      common.Address
	// Other, if it is not nil, is another word of the same signer on the same block, and
	// not both can be true: he contradicts himself, which shows without the block.
	Other *chain.Attestation
}

// evidenceMax bounds the evidence kept, one for each signer and block, and each signer has
// an equal share of it: who lies about everything hides nobody else's lies. What comes
// later is only counted.
const evidenceMax = 1024

// encode is the log's form: the attestations, the second empty if there is none.
func (e *Evidence) encode() []byte {
	first, _ := e.Attestation.AppendBinary(nil) // it has no failure of its own
	var other []byte
	if e.Other != nil {
		other, _ = e.Other.AppendBinary(nil)
	}
	return rlp.WrapList(rlp.AppendBytes(rlp.AppendBytes(nil, first), other), 0)
}

// decode leaves Signer to be recovered.
func (e *Evidence) decode(src []byte) error {
	var (
		out Evidence
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	first, other := r.Bytes(), r.Bytes()
	in.Close(r)
	if err := in.End(); err != nil {
		return &chain.CorruptError{What: "evidence", Offset: -1, Err: err}
	}
	if err := out.Attestation.UnmarshalBinary(first); err != nil {
		return err
	}
	if len(other) > 0 {
		out.Other = new(chain.Attestation)
		if err := out.Other.UnmarshalBinary(other); err != nil {
			return err
		}
	}
	*e = out
	return nil
}

// accuse enters a word that contradicts a block. It returns the evidence as it is now
// if that is new or says more than before; nil if not.
func (c *collector) accuse(a *chain.Attestation, signer common.Address, other *chain.Attestation) *Evidence {
	c.refused++
	i := c.evidenceOf(signer, a.Block.Number)
	switch {
	case i < 0 && !c.hasRoomFor(signer):
		return nil
	case i < 0:
		e := Evidence{Attestation: *a, Signer: signer}
		if other != nil && attest.Contradict(a, other) {
			e.Other = other
		}
		c.evidence = append(c.evidence, e)
		return &e
	}
	return c.confront(a, signer)
}

// confront holds another word of a signer against him of whom a wrong one is known. The
// result is as for accuse.
func (c *collector) confront(a *chain.Attestation, signer common.Address) *Evidence {
	i := c.evidenceOf(signer, a.Block.Number)
	if i < 0 || c.evidence[i].Other != nil || !attest.Contradict(&c.evidence[i].Attestation, a) {
		return nil
	}
	other := *a
	c.evidence[i].Other = &other
	e := c.evidence[i]
	return &e
}

func (c *collector) hasRoomFor(signer common.Address) bool {
	own := 0
	for i := range c.evidence {
		if c.evidence[i].Signer == signer {
			own++
		}
	}
	return len(c.evidence) < evidenceMax && own < max(1, evidenceMax/len(c.provers))
}

func (c *collector) evidenceOf(signer common.Address, number uint64) int {
	return slices.IndexFunc(c.evidence, func(e Evidence) bool {
		return e.Signer == signer && e.Attestation.Block.Number == number
	})
}

// recallEvidence is for recovery: the log may have several records of one signer and
// block, of which the last says most.
func (c *collector) recallEvidence(payload []byte) error {
	var e Evidence
	if err := e.decode(payload); err != nil {
		return err
	}
	var err error
	if e.Signer, err = attest.RecoverBy(&e.Attestation, c.recover); err != nil {
		return &chain.CorruptError{What: "evidence", Offset: -1, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch i := c.evidenceOf(e.Signer, e.Attestation.Block.Number); {
	case i >= 0:
		c.evidence[i] = e
	case len(c.evidence) < evidenceMax:
		c.evidence = append(c.evidence, e)
		c.refused++
	}
	return nil
}

// Evidence returns the words of our provers that contradict our blocks, in the order in
// which they came: one for each signer and block, at most 1,024; Stats counts all. It
// survives restarts.
func (s *Sequencer) Evidence() []Evidence {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	return slices.Clone(s.collector.evidence)
}
