package sequencer

import (
	"errors"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A claim is what an attestation must say about one of our blocks, and who said it.
type claim struct {
	want        chain.Attestation // without Program and Signature
	words       map[common.Address]word
	publication *chain.Publication // once it is published, until it is proven
}

// A word is what a prover's attestation has beside the claim that it agrees with.
type word struct {
	program   common.Hash
	signature [65]byte
}

func newClaim(cfg *Config, b *block, parent *chain.Header) *claim {
	return &claim{
		want: chain.Attestation{
			ChainID: cfg.Genesis.ChainID, Term: b.header.Term(), Block: b.header.ID(),
			ParentHash: b.header.ParentHash, PreRoot: parent.StateRoot, PostRoot: b.header.StateRoot,
			ReceiptsRoot: b.header.ReceiptsRoot, BlockDigest: chain.Keccak256(b.body),
			ChangesDigest: b.result.Changes.Digest(), WitnessDigest: chain.Keccak256(b.witness),
			DiffDigest: chain.Keccak256(b.diff),
		},
		words: make(map[common.Address]word),
	}
}

func (c *claim) encode() []byte {
	b, _ := c.want.AppendBinary(nil) // it has no failure of its own
	return b
}

func decodeClaim(src []byte) (*claim, error) {
	c := &claim{words: make(map[common.Address]word)}
	return c, c.want.UnmarshalBinary(src)
}

// matches compares all that is attested but the program, which the claim leaves open.
func (c *claim) matches(a *chain.Attestation) bool {
	want := c.want
	want.Program, want.Signature = a.Program, a.Signature
	return want == *a
}

// said is the attestation of a signer that agreed, or nil.
func (c *claim) said(signer common.Address) *chain.Attestation {
	w, ok := c.words[signer]
	if !ok {
		return nil
	}
	a := c.want
	a.Program, a.Signature = w.program, w.signature
	return &a
}

// heard reports whether an attestation agrees and was heard before.
func (c *claim) heard(a *chain.Attestation) bool {
	if !c.matches(a) {
		return false
	}
	for _, w := range c.words {
		if w == (word{a.Program, a.Signature}) {
			return true
		}
	}
	return false
}

// hear enters an attestation that agrees, and reports whether it is the signer's first.
func (c *claim) hear(a *chain.Attestation, signer common.Address) bool {
	if _, again := c.words[signer]; again {
		return false
	}
	c.words[signer] = word{a.Program, a.Signature}
	return true
}

// expect adds the claim of a block that will be published.
func (c *collector) expect(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := cl.want.Block.Number
	if len(c.provers) == 0 || number+c.keep <= c.proven.Number {
		return
	}
	if c.claims[number] == nil && number > c.proven.Number {
		c.unproven++
	}
	c.claims[number] = cl
}

// published enters where the block of a claim is, and reports whether it waits for
// provers.
func (c *collector) published(p *chain.Publication) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.claims[p.Block.Number]
	if cl == nil || p.Block.Number <= c.proven.Number {
		return false
	}
	own := *p // p is part of a block, which would live as long
	cl.publication = &own
	if p.Block.Number == c.proven.Number+1 && c.since.IsZero() {
		c.next()
	}
	return true
}

// advance moves the proven head over linked hashes as far as it goes.
func (c *collector) advance() {
	for {
		next := c.claims[c.proven.Number+1]
		if next == nil || len(next.words) < c.threshold || next.want.ParentHash != c.proven.Hash {
			return
		}
		next.publication = nil
		c.proven = next.want.Block
		c.unproven--
		if c.proven.Number >= c.keep {
			delete(c.claims, c.proven.Number-c.keep)
		}
		c.next()
	}
}

// setProven is for recovery. It returns the proven head, which never moves back:
// a snapshot may know more than the log, which it may be older than, or whose end
// was lost.
func (c *collector) setProven(id chain.BlockID) chain.BlockID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id.Number <= c.proven.Number {
		return c.proven
	}
	c.proven, c.unproven = id, 0
	for number, cl := range c.claims {
		switch {
		case number > id.Number:
			c.unproven++
		case number+c.keep <= id.Number:
			delete(c.claims, number)
		default:
			cl.publication = nil
		}
	}
	c.next()
	return c.proven
}

// outstanding is the proven head and the encoded claims that are kept, in order.
func (c *collector) outstanding() (proven chain.BlockID, claims [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, number := range slices.Sorted(maps.Keys(c.claims)) {
		claims = append(claims, c.claims[number].encode())
	}
	return c.proven, claims
}

// recallWord is for recovery: a word that counted, and still does, unless the claim of its
// block is not kept any more, or prover or program are none of ours any more. It returns
// the proven head.
func (c *collector) recallWord(a *chain.Attestation) (chain.BlockID, error) {
	signer, news, err := c.check(a)
	if news {
		_, err = c.judge(a, signer)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrMismatch) {
		return c.proven, err
	}
	return c.proven, nil
}

// carried is what a snapshot after the block of that number does not have, and the log
// has before it: the evidence, the publications of blocks that are not proven, and the
// words of those whose claims are kept.
func (c *collector) carried(number uint64) (evidence []Evidence, publications []*chain.Publication, words []chain.Attestation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, cl := range c.claims {
		for signer := range cl.words {
			if n <= number {
				words = append(words, *cl.said(signer))
			}
		}
	}
	for n := c.proven.Number + 1; n <= number; n++ {
		if cl := c.claims[n]; cl != nil && cl.publication != nil {
			publications = append(publications, cl.publication)
		}
	}
	return slices.Clone(c.evidence), publications, words
}

// An Unproven is a block that is published and not proven.
type Unproven struct {
	Publication chain.Publication
	Signers     []common.Address // who attested to it, in no order
}

// Unproven returns the published blocks after the proven head, oldest first, at most
// limit of them: what provers may work on. Who is among Signers has no more to do.
func (s *Sequencer) Unproven(limit int) []Unproven {
	c := s.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Unproven
	for n := c.proven.Number + 1; len(out) < limit; n++ {
		cl := c.claims[n]
		if cl == nil || cl.publication == nil {
			break
		}
		out = append(out, Unproven{*cl.publication, slices.Collect(maps.Keys(cl.words))})
	}
	return out
}
