package fullnode_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
)

var testProgram = common.Hash{7}

// provers are keys, and what they say of a recording.
type provers struct {
	t    *testing.T
	r    *recording
	keys []*attest.Key
}

func newProvers(t *testing.T, r *recording, n int) *provers {
	p := &provers{t: t, r: r}
	for i := range n {
		key, err := attest.NewKey(common.Hash{31: byte(i + 1)}.Bytes())
		require.NoError(t, err)
		p.keys = append(p.keys, key)
	}
	return p
}

func (p *provers) addresses() (out []common.Address) {
	for _, key := range p.keys {
		out = append(out, key.Address())
	}
	return out
}

// say is what a prover says of a block, after alter.
func (p *provers) say(key int, number uint64, alter func(*chain.Attestation)) []byte {
	h, parent := p.r.headers[number], p.r.headers[number-1]
	a := &chain.Attestation{
		ChainID: p.r.spec.Genesis.ChainID, Term: h.Term(), Block: h.ID(), ParentHash: h.ParentHash,
		PreRoot: parent.StateRoot, PostRoot: h.StateRoot, ReceiptsRoot: h.ReceiptsRoot,
		WitnessDigest: common.Hash{1}, DiffDigest: common.Hash{2}, Program: testProgram,
	}
	if alter != nil {
		alter(a)
	}
	require.NoError(p.t, attest.Sign(a, p.keys[key]))
	msg, err := a.AppendBinary(nil)
	require.NoError(p.t, err)
	return msg
}

// A listener is a node that hears provers, while it runs.
type listener struct {
	*provers
	*keeping
	out *outlet
}

// listen runs a node over the whole feed, with two of three provers.
func listen(t *testing.T, r *recording, o *outlet, change ...func(*fullnode.Config)) *listener {
	l := &listener{provers: newProvers(t, r, 4), out: o}
	l.keeping = o.node(t, append(change, func(c *fullnode.Config) {
		c.Provers, c.ProverThreshold, c.Programs = l.addresses()[:3], 2, []common.Hash{testProgram}
	})...)
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		done <- l.runTo(func() bool {
			select {
			case <-stop:
				return true
			default:
				return false
			}
		})
	}()
	t.Cleanup(func() {
		close(stop)
		require.NoError(t, <-done)
	})
	return l
}

// hear lets the node hear something, and returns when it has taken or refused all.
func (l *listener) hear(words ...[]byte) {
	l.out.set(func() { l.out.said = append(l.out.said, words...) })
}

func (l *listener) proven(number uint64) {
	l.provers.t.Helper()
	require.Eventually(l.provers.t, func() bool { return l.Heads().Proven.Number == number }, 5*time.Second, time.Millisecond, "block %d", number)
	if number > 0 {
		require.Equal(l.provers.t, l.provers.r.headers[number].ID(), l.Heads().Proven)
	}
}

// stays waits until the node has refused n words, or has had the time to take those that
// count, and the head is where it was.
func (l *listener) stays(number, refused, evidence uint64) {
	l.provers.t.Helper()
	require.Eventually(l.provers.t, func() bool { return l.Stats().WordsRefused == refused && l.Stats().Evidence == evidence }, 5*time.Second, time.Millisecond)
	require.Never(l.provers.t, func() bool { return l.Heads().Proven.Number != number }, 20*time.Millisecond, time.Millisecond)
}

// The proven head moves when enough of the allowed provers say the same, and what this
// node knows itself, of each block from the first on.
func TestProven(t *testing.T) {
	r := recordBlocks(t, 8)
	o := newOutlet(r)
	o.known = 0
	l := listen(t, r, o, func(c *fullnode.Config) { c.FromDA = false })
	began := time.Now()
	o.set(func() { o.until = uint64(len(r.feed)) }) // it was there first
	require.Eventually(t, l.stands(r, r.last()), 5*time.Second, time.Millisecond)

	l.hear(l.say(0, 1, nil), l.say(0, 1, nil), l.say(3, 1, nil))
	l.stays(0, 1, 0) // one voice, twice, and a stranger's
	l.hear(l.say(1, 1, nil))
	l.proven(1)
	l.hear(l.say(2, 2, nil), l.say(0, 2, nil), l.say(0, 4, nil), l.say(1, 4, nil))
	l.proven(2)
	l.stays(2, 1, 0)
	l.hear(l.say(0, 3, nil), l.say(1, 3, nil))
	l.proven(4)

	l.hear(l.say(0, 5, nil), l.say(1, 5, func(a *chain.Attestation) { a.WitnessDigest[5]++ }))
	l.stays(4, 1, 0) // two provers who checked different objects
	l.hear(l.say(1, 5, func(a *chain.Attestation) { a.Program[0]++ }))
	l.stays(4, 2, 0)
	l.hear(l.say(1, 5, func(a *chain.Attestation) { a.ChainID++ }))
	l.stays(4, 3, 0)
	l.hear(l.say(1, 5, nil)[1:])
	l.stays(4, 4, 0)
	l.hear(l.say(2, 5, nil))
	l.proven(5)

	// What contradicts this node's own block is evidence, and never counts.
	for i, lie := range []func(*chain.Attestation){
		func(a *chain.Attestation) { a.PostRoot[0]++ },
		func(a *chain.Attestation) { a.PreRoot[0]++ },
		func(a *chain.Attestation) { a.ReceiptsRoot[0]++ },
		func(a *chain.Attestation) { a.ParentHash[0]++ },
		func(a *chain.Attestation) { a.Block.Hash[0]++ },
		func(a *chain.Attestation) { a.Term++ },
	} {
		before := l.Stats().Evidence
		l.hear(l.say(i%3, 6, lie), l.say((i+1)%3, 6, lie))
		require.Eventually(t, func() bool { return l.Stats().Evidence >= before+2 }, 5*time.Second, time.Millisecond)
		require.EqualValues(t, 5, l.Heads().Proven.Number)
	}
	for _, e := range l.Evidence() {
		require.ErrorIs(t, e.Err, chain.ErrMismatch)
		require.NotEmpty(t, e.Attestations)
	}
	require.Eventually(t, func() bool { return l.Stats().WordsRefused == 16 }, 5*time.Second, time.Millisecond)
	found := l.Stats()
	l.hear(l.say(0, 6, func(a *chain.Attestation) { a.PostRoot[0]++ }))
	l.stays(5, 17, found.Evidence) // the same lie again
	require.Equal(t, l.Stats().Unproven, r.last()-5)
	require.WithinRange(t, l.Stats().UnprovenSince, began, time.Now())
	l.hear(l.say(0, 6, nil), l.say(1, 6, nil)) // repaired
	l.proven(6)
}

// A forgetful outlet loses some words at first. What it is asked for again comes.
type forgetful struct {
	*outlet
	lost  [][]byte
	asked []uint64 // blocks from which on it was
	found bool     // who subscribes now gets what was lost
}

func (f *forgetful) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	f.set(func() {
		if topic == link.TopicAttestations && f.found {
			f.said, f.lost = slices.Concat(f.lost, f.said), nil
		}
	})
	return f.outlet.Subscribe(ctx, topic, from)
}

// A recalling outlet can be asked for what was lost.
type recalling struct{ *forgetful }

func (f recalling) Recall(_ context.Context, topic string, number uint64) error {
	f.set(func() {
		if topic != link.TopicAttestations {
			number = 0
		}
		f.asked = append(f.asked, number)
		if len(f.asked) > 1 { // nobody has it at first
			f.said, f.lost = append(f.said, f.lost...), nil
		}
	})
	return nil
}

// That a word was lost holds up the proven head, and only until it is heard again: from
// peers who are asked, or among what is kept here.
func TestProvenAfterLoss(t *testing.T) {
	r := recordBlocks(t, 8)
	for _, recalls := range []bool{true, false} {
		o := newOutlet(r)
		o.known = 0 // it is there first
		f := &forgetful{outlet: o}
		for n := uint64(1); n <= 8; n++ {
			both := [][]byte{newProvers(t, r, 2).say(0, n, nil), newProvers(t, r, 2).say(1, n, nil)}
			if o.said = append(o.said, both...); n == 5 {
				o.said, f.lost = o.said[:len(o.said)-1], both[1:]
			}
		}
		l := listen(t, r, o, func(c *fullnode.Config) {
			c.FromDA, c.ProofPatience = false, 20*time.Millisecond
			if c.Subscriber = f; recalls {
				c.Subscriber = recalling{f}
			}
		})
		o.set(func() { o.until = uint64(len(r.feed)) })
		if recalls {
			l.proven(8)
			o.set(func() { require.Equal(t, []uint64{5, 5}, f.asked[:2]) })
			continue
		}
		l.proven(4)
		o.set(func() { f.found = true })
		l.proven(8)
	}
}

// Of what was there before the node was it passes over what nobody speaks of, and not over
// what a prover says is wrong.
func TestProvenPassesOverNoContradiction(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.oldest, o.until, o.offers, o.known = r.ends[4], r.ends[8], 1, 8
	l := listen(t, r, o, func(c *fullnode.Config) { c.FromSnapshot, c.FromDA = true, false })
	o.set(func() { o.until = uint64(len(r.feed)) })
	require.Eventually(t, l.stands(r, 12), 5*time.Second, time.Millisecond)
	l.hear(l.say(2, 6, func(a *chain.Attestation) { a.PostRoot[0]++ }), l.say(0, 7, nil), l.say(1, 7, nil))
	l.stays(0, 1, 1)
	l.hear(l.say(0, 6, nil), l.say(1, 6, nil))
	l.proven(7)
}

// A node that joins late begins with the first block of which it hears enough; what was
// there before, it takes as it takes the snapshot. After that it passes over no block.
func TestProvenAfterJoining(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.oldest, o.until, o.offers, o.known = r.ends[4], r.ends[8], 1, 8
	l := listen(t, r, o, func(c *fullnode.Config) { c.FromSnapshot, c.FromDA = true, false })
	o.set(func() { o.until = uint64(len(r.feed)) })
	require.Eventually(t, l.stands(r, 12), 5*time.Second, time.Millisecond)
	l.hear(l.say(0, 3, nil), l.say(1, 3, nil), l.say(0, 7, nil))
	l.stays(0, 0, 0)
	l.hear(l.say(1, 7, nil), l.say(0, 10, nil), l.say(1, 10, nil))
	l.proven(7)
	l.stays(7, 0, 0)
	l.hear(l.say(0, 8, nil), l.say(1, 8, nil), l.say(0, 9, nil), l.say(1, 9, nil))
	l.proven(10)
}

// A node that begins anew while it runs takes nothing more on trust: who publishes could
// make it do that just after a false block. The proven head waits for words of all blocks
// that the node went over.
func TestProvenAfterRejoin(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.oldest, o.until, o.offers, o.known = r.ends[4], r.ends[6], 1, 4
	l := listen(t, r, o, func(c *fullnode.Config) { c.FromSnapshot, c.FromDA = true, false })
	both := func(number uint64) {
		l.hear(l.say(0, number, nil), l.say(1, number, nil))
	}
	both(5)
	l.proven(5)
	o.set(func() { o.oldest, o.until, o.offers, o.known = r.ends[8], uint64(len(r.feed)), 2, r.published() })
	require.Eventually(t, l.stands(r, 12), 5*time.Second, time.Millisecond)
	require.EqualValues(t, 1, l.Stats().Rejoins)
	for _, number := range []uint64{12, 11, 10, 9, 7, 8} {
		both(number)
	}
	l.stays(5, 0, 0)
	require.Equal(t, r.last()-5, l.Stats().Unproven)
	both(6)
	l.proven(12)
}

// The published head is the newest of our own blocks that is said to be published.
func TestPublished(t *testing.T) {
	r := recordBlocks(t, 8)
	o := newOutlet(r)
	o.known = 5
	o.alter = func(p *chain.Publication) {
		if p.Block.Number == 7 {
			p.Block.Hash[0]++
		}
	}
	l := listen(t, r, o, func(c *fullnode.Config) { c.FromDA = false })
	require.Never(t, func() bool { return l.Heads().Published.Number > 0 }, 20*time.Millisecond, time.Millisecond, "it has no such block")
	o.set(func() { o.until = uint64(len(r.feed)) })
	require.Eventually(t, func() bool { return l.Heads().Published == r.headers[5].ID() }, 5*time.Second, time.Millisecond)
	o.set(func() { o.known = 7 })
	require.Eventually(t, func() bool { return l.Stats().Evidence == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, r.headers[6].ID(), l.Heads().Published)
	o.set(func() { o.known = 8 })
	require.Eventually(t, func() bool { return l.Heads().Published == r.headers[8].ID() }, 5*time.Second, time.Millisecond)
}
