package sequencer

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A court is a collector that expects blocks, and keys of provers.
type court struct {
	*collector
	t     *testing.T
	keys  []*attest.Key
	clock time.Time
}

func newCourt(t *testing.T, provers, threshold, keep int, change ...func(*Config)) *court {
	c := &court{t: t, clock: time.Unix(1e9, 0)}
	cfg := &Config{Genesis: &chain.Genesis{ChainID: 7}, ProverThreshold: threshold, EvidenceBlocks: keep, Now: func() time.Time { return c.clock }}
	for i := range provers {
		key := keyOf(t, byte(i)+1)
		c.keys = append(c.keys, key)
		cfg.Provers = append(cfg.Provers, key.Address())
	}
	for _, f := range change {
		f(cfg)
	}
	c.collector = newCollector(cfg)
	c.proven = blockOf(0)
	return c
}

func keyOf(t *testing.T, i byte) *attest.Key {
	key, err := attest.NewKey(append(make([]byte, 31), i))
	require.NoError(t, err)
	return key
}

func blockOf(number uint64) chain.BlockID {
	return chain.BlockID{Number: number, Hash: common.Hash{31: byte(number), 30: byte(number >> 8)}}
}

// truth is what provers must say of a block.
func truth(number uint64) chain.Attestation {
	return chain.Attestation{ChainID: 7, Block: blockOf(number), ParentHash: blockOf(number - 1).Hash}
}

// publish expects and publishes the blocks of the numbers.
func (c *court) publish(from, to uint64) {
	for n := from; n <= to; n++ {
		cl := &claim{want: truth(n), words: make(map[common.Address]word)}
		c.expect(cl)
		c.published(&chain.Publication{Block: blockOf(n)})
	}
}

// say signs what is said of a block, by one of the keys, and takes it.
func (c *court) say(key int, number uint64, change func(*chain.Attestation)) (verdict, error) {
	a := truth(number)
	if change != nil {
		change(&a)
	}
	require.NoError(c.t, attest.Sign(&a, c.keys[key]))
	return c.take(&a)
}

// take is what Attest does.
func (c *court) take(a *chain.Attestation) (verdict, error) {
	signer, news, err := c.check(a)
	if !news {
		return verdict{}, err
	}
	return c.judge(a, signer)
}

func lie(a *chain.Attestation)                 { a.PostRoot[0] = 1 }
func anotherLie(a *chain.Attestation)          { a.PostRoot[0] = 2 }
func otherBlock(a *chain.Attestation)          { a.Block.Hash[0] = 1 }
func otherDiff(a *chain.Attestation)           { a.DiffDigest[0] = 1 }
func newProgram(a *chain.Attestation)          { a.Program[0] = 1 }
func otherChain(a *chain.Attestation)          { a.ChainID = 8 }
func (c *court) signer(key int) common.Address { return c.keys[key].Address() }

// A threshold of two: neither one key that lies nor one that repeats itself moves the
// head, whatever it says and whenever; two that are right do, in any order of blocks.
func TestOneBadKeyMovesNothing(t *testing.T) {
	c := newCourt(t, 3, 2, 256)
	c.publish(1, 3)
	for _, says := range []func(*chain.Attestation){lie, anotherLie, otherBlock, otherDiff, nil, nil, newProgram, lie, nil} {
		v, _ := c.say(0, 1, says)
		require.False(t, v.moved)
		require.Zero(t, c.proven.Number)
	}
	v, err := c.say(1, 1, lie)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.False(t, v.moved)
	for _, key := range []int{1, 2} {
		v, err = c.say(key, 2, nil)
		require.NoError(t, err)
		require.False(t, v.moved, "block 1 is not proven")
	}
	v, err = c.say(2, 1, nil)
	require.NoError(t, err)
	require.True(t, v.moved)
	require.Equal(t, blockOf(2), v.proven)
	unproven, refused := c.counts()
	require.Equal(t, 1, unproven)
	require.Equal(t, 6, refused)
	require.Len(t, c.evidence, 2)
}

// The second of two words that contradict each other completes the evidence, whichever
// is the true one; a third adds nothing.
func TestContradictions(t *testing.T) {
	type words []func(*chain.Attestation)
	for name, test := range map[string]struct {
		says       words
		log        []bool // whether each makes a record
		contradict bool
	}{
		"wrong":                       {words{lie}, []bool{true}, false},
		"the same again":              {words{lie, lie}, []bool{true, false}, false},
		"wrong, then right":           {words{lie, nil}, []bool{true, true}, true},
		"right, then wrong":           {words{nil, lie}, []bool{false, true}, true},
		"wrong in two ways":           {words{lie, anotherLie}, []bool{true, true}, true},
		"and in a third":              {words{lie, nil, anotherLie}, []bool{true, true, false}, true},
		"another block of the number": {words{nil, otherBlock}, []bool{false, true}, false},
		"another diff":                {words{otherDiff, nil}, []bool{true, false}, false},
		"another program":             {words{nil, newProgram}, []bool{false, false}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, 1, 1, 256)
			c.publish(1, 1)
			for i, says := range test.says {
				v, _ := c.say(0, 1, says)
				require.Equal(t, test.log[i], v.evidence != nil, "word %d", i)
			}
			if name == "another program" {
				require.Empty(t, c.evidence)
				return
			}
			require.Len(t, c.evidence, 1)
			e := c.evidence[0]
			require.Equal(t, c.signer(0), e.Signer)
			require.Equal(t, test.contradict, e.Other != nil)
			if e.Other != nil {
				other, err := attest.Recover(e.Other)
				require.NoError(t, err, "it is signed")
				require.Equal(t, e.Signer, other)
			}
		})
	}
}

// A wrong word is evidence also when its block was proven without it, for
// EvidenceBlocks; then nothing is remembered that it could be compared with.
func TestLateWords(t *testing.T) {
	c := newCourt(t, 2, 1, 4)
	c.publish(1, 10)
	for n := uint64(1); n <= 9; n++ {
		_, err := c.say(0, n, nil)
		require.NoError(t, err)
	}
	require.Equal(t, uint64(9), c.proven.Number)
	require.Len(t, c.claims, 4+1)
	_, err := c.say(1, 6, lie)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.Len(t, c.evidence, 1)
	v, err := c.say(0, 6, lie)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.NotNil(t, v.evidence.Other, "it had said the truth")
	_, err = c.say(1, 5, lie)
	require.NoError(t, err)
	require.Len(t, c.evidence, 2)
	_, err = c.say(1, 11, nil)
	require.ErrorIs(t, err, chain.ErrNotFound)
	unproven, _ := c.counts()
	require.Equal(t, 1, unproven)
}

// Who is not allowed counts for nothing and against nobody.
func TestNotAllowed(t *testing.T) {
	c := newCourt(t, 1, 1, 256, func(cfg *Config) { cfg.Programs = []common.Hash{{0: 1}} })
	c.publish(1, 1)
	a := truth(1)
	lie(&a)
	_, err := c.take(&a)
	require.ErrorIs(t, err, chain.ErrCorrupt, "nobody signed it")
	require.NoError(t, attest.Sign(&a, keyOf(t, 9)))
	_, err = c.take(&a)
	require.ErrorIs(t, err, ErrNotAllowed)
	for _, says := range []func(*chain.Attestation){nil, otherChain} { // nil: of no program
		_, err = c.say(0, 1, says)
		require.ErrorIs(t, err, ErrNotAllowed)
	}
	require.Empty(t, c.evidence)
	require.Zero(t, c.proven.Number)
	v, err := c.say(0, 1, newProgram)
	require.NoError(t, err)
	require.True(t, v.moved)
}

// The evidence is bounded, one for each signer and block; all is counted.
func TestEvidenceIsBounded(t *testing.T) {
	c := newCourt(t, 2, 2, 256)
	c.publish(1, evidenceMax)
	records := 0
	for _, says := range []func(*chain.Attestation){lie, lie, anotherLie} {
		for n := uint64(1); n <= evidenceMax; n++ {
			for key := range 2 {
				v, err := c.say(key, n, says)
				require.ErrorIs(t, err, chain.ErrMismatch)
				if v.evidence != nil {
					records++
				}
			}
		}
	}
	_, refused := c.counts()
	require.Equal(t, 6*evidenceMax, refused)
	require.Len(t, c.evidence, evidenceMax)
	require.Equal(t, 2*evidenceMax, records, "one for each, and one that completes it")
}

// What the log has of evidence comes to the same evidence again.
func TestEvidenceRoundTrip(t *testing.T) {
	c := newCourt(t, 2, 2, 256)
	c.publish(1, 2)
	again := newCourt(t, 0, 0, 256)
	for _, word := range []struct {
		key    int
		number uint64
		says   func(*chain.Attestation)
	}{{0, 1, lie}, {1, 1, otherBlock}, {0, 2, nil}, {0, 2, lie}, {0, 1, nil}} {
		if v, _ := c.say(word.key, word.number, word.says); v.evidence != nil {
			require.NoError(t, again.recallEvidence(v.evidence.encode()))
		}
	}
	require.Len(t, c.evidence, 3)
	require.Equal(t, c.evidence, again.evidence)
	evidence, _, _ := c.carried(0)
	for _, e := range evidence {
		require.NoError(t, again.recallEvidence(e.encode()), "a record that is there twice")
	}
	require.Equal(t, c.evidence, again.evidence)
	_, refused := again.counts()
	require.Equal(t, 3, refused)
	unsigned := Evidence{Attestation: truth(1)}
	require.ErrorIs(t, again.recallEvidence(unsigned.encode()), chain.ErrCorrupt)
}

// Publications of what is not proven are carried behind a snapshot, and shown with who
// has attested.
func TestUnproven(t *testing.T) {
	c := newCourt(t, 2, 2, 256)
	c.publish(1, 5)
	s := &Sequencer{collector: c.collector}
	for _, n := range []uint64{1, 3} {
		_, err := c.say(0, n, nil)
		require.NoError(t, err)
	}
	_, err := c.say(1, 1, nil)
	require.NoError(t, err)
	c.expect(&claim{want: truth(6)}) // sealed, and not published
	blocks := s.Unproven(10)
	require.Len(t, blocks, 4)
	for i, b := range blocks {
		require.Equal(t, uint64(i)+2, b.Publication.Block.Number)
	}
	require.Equal(t, []common.Address{c.signer(0)}, blocks[1].Signers)
	require.Empty(t, blocks[0].Signers)
	require.Len(t, s.Unproven(2), 2)
	_, publications, _ := c.carried(4)
	require.Len(t, publications, 3)
	require.Equal(t, uint64(2), publications[0].Block.Number)
}

// The proven head of a snapshot may be ahead of the log's, whose end was lost: it
// stays, with the claims after it.
func TestProvenHeadDoesNotMoveBack(t *testing.T) {
	c := newCollector(&Config{Genesis: new(chain.Genesis), Provers: []common.Address{{1}}, Now: time.Now})
	c.proven = chain.BlockID{Number: 10}
	cl := &claim{}
	cl.want.Block.Number = 11
	c.expect(cl)
	require.Equal(t, uint64(10), c.setProven(chain.BlockID{Number: 8}).Number)
	require.Equal(t, uint64(10), c.proven.Number)
	require.Contains(t, c.claims, uint64(11))
	require.NoError(t, c.checkClaims(10))
	require.NoError(t, c.checkClaims(12))
	require.Equal(t, uint64(11), c.setProven(chain.BlockID{Number: 11}).Number)
	require.Empty(t, c.claims)
	require.ErrorIs(t, c.checkClaims(12), chain.ErrUnknown)
}

// For how long the head stands still counts from when the block after it could be proven,
// and anew when it moves, however many blocks come.
func TestWaitForProvers(t *testing.T) {
	c := newCourt(t, 1, 1, 256)
	require.Zero(t, c.waits())
	c.expect(&claim{want: truth(1), words: make(map[common.Address]word)})
	c.clock = c.clock.Add(time.Hour)
	require.Zero(t, c.waits(), "it is not published")
	c.publish(1, 1)
	c.clock = c.clock.Add(time.Minute)
	c.publish(2, 3)
	require.Equal(t, time.Minute, c.waits())
	_, err := c.say(0, 2, nil)
	require.NoError(t, err)
	require.Equal(t, time.Minute, c.waits(), "the first is not proven")
	_, err = c.say(0, 1, nil)
	require.NoError(t, err)
	require.Zero(t, c.waits())
	c.clock = c.clock.Add(time.Second)
	require.Equal(t, time.Second, c.waits(), "the third waits")
	_, err = c.say(0, 3, nil)
	require.NoError(t, err)
	c.clock = c.clock.Add(time.Hour)
	require.Zero(t, c.waits(), "all are proven")
}
