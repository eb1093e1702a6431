package gossip

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

const sampleChain = 7777

var (
	sampleGenesis = chain.Keccak256([]byte("genesis"))
	noon          = time.Unix(1_700_000_000, 0)
)

func sampleKey(t testing.TB) *envelope.Key {
	k, err := envelope.NewKey(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	return k
}

func termData(term uint64) []byte { return binary.BigEndian.AppendUint64(nil, term) }

// newMessage seals and reads a body.
func newMessage(t testing.TB, kind envelope.Kind, place chain.Place, term uint64, body []byte) *message {
	k := sampleKey(t)
	h := envelope.Header{Kind: kind, ChainID: sampleChain, Genesis: sampleGenesis, Term: term, Place: place}
	raw, err := envelope.Seal(nil, h, body, k)
	require.NoError(t, err)
	c, err := envelope.NewChecker(envelope.Config{
		ChainID: sampleChain, Genesis: sampleGenesis, Signers: map[common.Address]envelope.Grant{k.Address(): {}},
	})
	require.NoError(t, err)
	o, err := c.Open(raw)
	require.NoError(t, err)
	m, err := readMessage(o)
	require.NoError(t, err)
	return m
}

func frameMessage(t testing.TB, f *chain.Frame) *message {
	if f.Index == 0 {
		f.Env = &chain.Env{Number: f.Number, ExtraData: termData(f.Term)}
	}
	body, err := f.AppendBinary(nil)
	require.NoError(t, err)
	return newMessage(t, envelope.KindFrame, f.Place(), f.Term, body)
}

func headerMessage(t testing.TB, number, term uint64, frame common.Hash) *message {
	s := chain.Sealed{Header: &chain.Header{Number: number, ExtraData: termData(term)}, Frame: frame, Model: []byte("model")}
	body, err := s.AppendBinary(nil)
	require.NoError(t, err)
	return newMessage(t, envelope.KindHeader, chain.HeaderPlace(number), term, body)
}

// sampleFeed is blocks of as many frames as sizes says, with their headers, by place.
func sampleFeed(t testing.TB, sizes ...int) []*message {
	return feedAfter(t, sampleGenesis, 1, 1, sizes...)
}

// feedAfter is sampleFeed, of a term, from block first on, after the frame with the digest
// parent.
func feedAfter(t testing.TB, parent common.Hash, term, first uint64, sizes ...int) []*message {
	var (
		feed []*message
		rng  = rand.New(rand.NewPCG(3, 4+term))
	)
	for i, size := range sizes {
		number := uint64(i) + first
		for index := range size {
			f := &chain.Frame{
				Number: number, Index: uint32(index), Term: term, Parent: parent, Last: index == size-1,
				Diff: make([]byte, 20+rng.IntN(200)),
			}
			m := frameMessage(t, f)
			feed, parent = append(feed, m), m.Content
		}
		feed = append(feed, headerMessage(t, number, term, parent))
	}
	return feed
}

// twin is another frame at the place of m, which names the same frame before.
func twin(t testing.TB, m *message, change func(*chain.Frame)) *message {
	f := *m.Frame
	f.Diff = []byte("another")
	if change != nil {
		change(&f)
	}
	return frameMessage(t, &f)
}

// legal reports whether m may come next after out, of the feed after genesis: the
// contract word by word, and nothing of how an assembler does it.
func legal(genesis common.Hash, out []*message, m *message) bool {
	var (
		frame   *message // the newest
		ends    = make(map[uint64]common.Hash)
		headers = make(map[uint64]bool)
	)
	for _, o := range out {
		switch {
		case o == m:
			return false
		case o.Frame == nil:
			headers[o.Place.Number] = true
		case o.Frame.Last:
			ends[o.Place.Number] = o.Content
			fallthrough
		default:
			frame = o
		}
	}
	n := m.Place.Number
	switch {
	case m.Frame == nil:
		return ends[n] == m.Sealed.Frame && !headers[n] && (n == 1 || headers[n-1])
	case m.Frame.Last && n > 1 && !headers[n-1]:
		return false
	case frame == nil:
		return m.Place == chain.Place{Number: 1} && m.Frame.Parent == genesis
	case frame.Frame.Last:
		return m.Place == chain.Place{Number: frame.Place.Number + 1} && m.Frame.Parent == frame.Content
	}
	return m.Place == chain.Place{Number: frame.Place.Number, Index: frame.Place.Index + 1} && m.Frame.Parent == frame.Content
}

// reference sorts what came, with no cleverness: whatever is legal next, until nothing
// is.
func reference(came []*message) (out []*message) {
	for found := true; found; {
		found = false
		for _, m := range came {
			if legal(sampleGenesis, out, m) {
				out, found = append(out, m), true
			}
		}
	}
	return out
}

// A trial is an assembler under test, and what it gave out.
type trial struct {
	testing.TB
	*assembler
	genesis common.Hash
	out     []*message
	now     time.Time
}

func newTrial(t testing.TB, limits Limits) *trial { return newTrialAfter(t, sampleGenesis, limits) }

func newTrialAfter(t testing.TB, genesis common.Hash, limits Limits) *trial {
	return &trial{TB: t, assembler: newAssembler(afterGenesis(genesis), limits), genesis: genesis, now: noon}
}

// add adds m and takes what comes of it, which must be legal.
func (x *trial) add(m *message) Verdict {
	v := x.Add(m, x.now)
	x.drain()
	return v
}

func (x *trial) drain() {
	for m, ok := x.Next(x.now); ok; m, ok = x.Next(x.now) {
		if !legal(x.genesis, x.out, m) {
			x.Fatalf("%s %s is out of order after %d messages", m.Kind, m.Place, len(x.out))
		}
		x.out = append(x.out, m)
	}
	x.check()
}

// check knows all rules of the assembler's own data.
func (x *trial) check() {
	bytes := 0
	for i, w := range x.held {
		bytes += w.weight()
		if x.given(w.Place) || i > 0 && !x.held[i-1].Place.Before(w.Place) {
			x.Fatalf("%s is held at %d", w.Place, i)
		}
	}
	if bytes != x.heldBytes {
		x.Fatalf("%d bytes held, counted %d", bytes, x.heldBytes)
	}
	if len(x.held) > 1 && bytes > x.limits.BytesAhead+x.held[len(x.held)-1].weight() {
		x.Fatalf("%d bytes held, limit %d", bytes, x.limits.BytesAhead)
	}
	if x.header != x.next.Number && x.header+1 != x.next.Number {
		x.Fatalf("header %d is next at %s", x.header, x.next)
	}
	bytes = 0
	for i, k := range x.kept.msgs {
		bytes += k.weight()
		if x.kept.at[k.Place] != x.kept.first+uint64(i) || i > 0 && k.frame.Before(x.kept.msgs[i-1].frame) {
			x.Fatalf("%s is kept at %d", k.Place, i)
		}
	}
	if bytes != x.kept.bytes || len(x.kept.at) != len(x.kept.msgs) {
		x.Fatalf("%d bytes kept, counted %d; %d places of %d messages", bytes, x.kept.bytes, len(x.kept.at), len(x.kept.msgs))
	}
}
