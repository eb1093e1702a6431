package fullnode

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// A hearing is a node that has headers and nothing else, and believes one prover.
type hearing struct {
	*Follower
	t       *testing.T
	headers []*chain.Header
}

// newHearing is at genesis of a chain of so many blocks, of which one was just published.
func newHearing(t *testing.T, blocks, published uint64) *hearing {
	h := &hearing{t: t, headers: []*chain.Header{{}}}
	for n := uint64(1); n <= blocks; n++ {
		h.headers = append(h.headers, &chain.Header{Number: n, ParentHash: h.headers[n-1].Hash(), StateRoot: common.Hash{byte(n)}})
	}
	bus := link.NewBus(1 << 20)
	said := chain.Publication{Block: chain.BlockID{Number: published}} // false, if there is none
	if published <= blocks {
		said.Block = h.headers[published].ID()
	}
	msg, err := said.AppendBinary(nil)
	require.NoError(t, err)
	_, err = bus.Publish(t.Context(), link.TopicPublications, msg)
	require.NoError(t, err)
	ancestry, err := newAncestry(h.headers[0], nil)
	require.NoError(t, err)
	prover := common.Address{1}
	h.Follower = &Follower{
		cfg: &Config{
			Genesis: &chain.Genesis{Header: h.headers[0]}, Subscriber: bus, Logger: slog.New(slog.DiscardHandler),
			Provers:   []common.Address{prover},
			Recoverer: func(common.Hash, *[65]byte) (common.Address, error) { return prover, nil },
		},
		place: place{base: &base{ancestry: ancestry}, head: h.headers[0]}, header: h.headers[0],
	}
	h.confirm, err = newConfirmer(h.Follower)
	require.NoError(t, err)
	h.confirm.join(t.Context(), h.headers[0])
	return h
}

// attest is the prover's word of blocks.
func (h *hearing) attest(from, to uint64) {
	for n := from; n <= to; n++ {
		own, parent := h.headers[n], h.headers[n-1]
		require.NoError(h.t, h.confirm.attest(&chain.Attestation{
			Block: own.ID(), ParentHash: own.ParentHash, PreRoot: parent.StateRoot, PostRoot: own.StateRoot,
		}))
	}
}

// follow takes blocks.
func (h *hearing) follow(from, to uint64) {
	for n := from; n <= to; n++ {
		h.ancestry.add(h.headers[n])
		h.showHeader(h.headers[n])
		h.confirm.sealed(h.headers[n])
	}
}

// Words of blocks that are too far ahead are not kept. When they are heard again, they
// count: the proven head goes on.
func TestWordsTooFarAhead(t *testing.T) {
	const joined = 6000
	h := newHearing(t, joined+headersKept, joined)
	h.attest(joined-2000, joined+headersKept)
	h.follow(1, joined+headersKept)
	proven := h.Heads().Proven.Number
	require.Greater(t, proven, uint64(joined))
	require.Less(t, proven, uint64(joined+headersKept))
	require.Equal(t, joined+headersKept-proven, h.Stats().Unproven)
	require.Empty(t, h.Evidence(), "nobody contradicts what we do not keep")
	h.attest(joined-2000, joined+headersKept)
	require.Equal(t, h.headers[joined+headersKept].ID(), h.Heads().Proven)
	require.Zero(t, h.Stats().Unproven)
	require.Zero(t, h.Stats().UnprovenSince)
}

// A word about the oldest block whose header is kept is no contradiction: its parent's is
// not kept.
func TestWordOfOldestHeader(t *testing.T) {
	h := newHearing(t, headersKept+10, 1)
	h.follow(1, headersKept+10)
	oldest := uint64(11)
	require.NotNil(t, h.ancestry.header(oldest))
	require.Nil(t, h.ancestry.header(oldest-1))
	require.True(t, h.confirm.unheard < oldest)
	h.attest(oldest, oldest)
	require.Empty(t, h.Evidence())
}

// A publication that comes while its block is being sealed is not put aside when nobody
// will look for it any more.
func TestPublishedWhileSealed(t *testing.T) {
	h := newHearing(t, 2, 1)
	h.follow(1, 1)
	h.confirm.mu.Lock()
	done := make(chan error, 1)
	go func() { done <- h.confirm.publish(h.headers[2].ID()) }()
	time.Sleep(20 * time.Millisecond) // as far as it comes
	h.ancestry.add(h.headers[2])
	h.showHeader(h.headers[2])
	h.confirm.mu.Unlock()
	require.NoError(t, <-done)
	require.Equal(t, h.headers[2].ID(), h.Heads().Published)
}

// How far the chain is when the node joins, says a block's hash: until the node has come
// to that very block, it passes over nothing.
func TestJoinsAtOwnBlock(t *testing.T) {
	h := newHearing(t, 12, 8)
	h.attest(2, 7)
	h.follow(1, 7)
	require.Zero(t, h.Heads().Proven, "nobody speaks of block 1")
	h.follow(8, 8)
	require.Equal(t, h.headers[7].ID(), h.Heads().Proven)
	h.attest(10, 10)
	h.follow(9, 12)
	require.Equal(t, h.headers[7].ID(), h.Heads().Proven, "nobody speaks of blocks 8 and 9, and only 8 was there")
	h.attest(9, 9)
	require.Equal(t, h.headers[10].ID(), h.Heads().Proven)
}

// A block far ahead that is said to be published does not let those that are made
// afterwards pass without provers: not before the node is there, and not if there is
// another then.
func TestJoinsAtNoOtherBlock(t *testing.T) {
	for name, claim := range map[string]chain.BlockID{
		"never there": {Number: 2000}, "another block": {Number: 8, Hash: common.Hash{1}}, "out of reach": {Number: 1 << 62},
	} {
		h := newHearing(t, 12, max(claim.Number, 13))
		h.confirm.claimed = claim
		h.attest(2, 12)
		h.follow(1, 12)
		require.Zero(t, h.Heads().Proven, name)
		require.EqualValues(t, 12, h.Stats().Unproven, name)
		require.NotZero(t, h.Stats().UnprovenSince, name)
	}
}

// beginAnew is at a later block, and has the headers of some before it.
func (h *hearing) beginAnew(number, before uint64) {
	h.ancestry = &ancestry{headers: make(map[uint64]*chain.Header)}
	for n := number - before; n <= number; n++ {
		h.ancestry.add(h.headers[n])
	}
	h.showHeader(h.headers[number])
}

// Blocks that the node went over need words, too, which lead to one of its own: until then
// nothing is proven of these, nor after them.
func TestProvenOverSkippedBlocks(t *testing.T) {
	for _, before := range []uint64{0, 1, 3, 6} {
		h := newHearing(t, 14, 1)
		h.attest(1, 3)
		h.follow(1, 4)
		require.Equal(t, h.headers[3].ID(), h.Heads().Proven)
		h.beginAnew(10, before)
		h.attest(7, 13)
		h.follow(11, 14)
		require.Equal(t, h.headers[3].ID(), h.Heads().Proven)
		h.attest(4, 5)
		require.Less(t, h.Heads().Proven.Number, uint64(6))
		h.attest(6, 6)
		require.Equal(t, h.headers[13].ID(), h.Heads().Proven)
		require.Empty(t, h.Evidence())
	}
}

// Words about blocks that the node went over count only if they lead to its own: those of
// another chain do not.
func TestProvenOverAnotherChain(t *testing.T) {
	for _, before := range []uint64{0, 2} {
		h := newHearing(t, 14, 1)
		h.attest(1, 3)
		h.follow(1, 4)
		own := h.headers
		h.headers = append([]*chain.Header(nil), own...)
		for n := 5; n <= 9; n++ {
			h.headers[n] = &chain.Header{Number: uint64(n), ParentHash: h.headers[n-1].Hash(), StateRoot: common.Hash{99, byte(n)}}
		}
		h.showHeader(own[10])
		h.ancestry = &ancestry{headers: map[uint64]*chain.Header{10: own[10]}}
		h.attest(4, 9)
		require.Equal(t, own[3].ID(), h.Heads().Proven, "these are not ours")
		h.headers = own
		h.beginAnew(10, before)
		h.attest(10, 14)
		h.follow(11, 14)
		require.Equal(t, own[3].ID(), h.Heads().Proven)
	}
}
