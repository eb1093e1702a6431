package gossip

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// shortenChunks lets an answer with chunks take so long, until the test and its nodes end.
func shortenChunks(t *testing.T, patience time.Duration) {
	facts := questions[askChunks]
	t.Cleanup(func() { questions[askChunks] = facts })
	short := facts
	short.patience = patience
	questions[askChunks] = short
}

// dripping gives one chunk in time, and no second one.
func dripping(t *testing.T, blob []byte, asked *atomic.Int64) func(libp2p.Stream, request) {
	chunks := chain.ChunksOf(blob)
	list := encode(t, chunks)
	return func(st libp2p.Stream, r request) {
		if r.from.Index == chunksIndex {
			_, _ = st.Write(answerOf(list))
			return
		}
		asked.Add(1)
		from, to := chunks.Span(int(r.from.Index))
		out := answerOf(blob[from:to])
		_, _ = st.Write(out[:len(out)-4])
		_, _ = st.Read(make([]byte, 1)) // until it is reset
	}
}

// depositor is a node that keeps a blob for its peers.
func (x *world) depositor(dir string, blob []byte) *running {
	n := x.run(x.keeper(dir))
	n.stockUp(blob, chain.ChunksOf(blob))
	return n
}

// downloads has a node get a blob from its peers.
func (x *world) downloads(n *running, blob []byte) <-chan error {
	result := make(chan error, 1)
	go func() {
		got, _, err := n.download(x.Context(), chain.ChunksOf(blob).Digest())
		if err == nil && !bytes.Equal(got, blob) {
			err = errors.New("it is something else")
		}
		result <- err
	}()
	return result
}

// meets waits until a node knows what so many peers have.
func (x *world) meets(n *running, peers int) {
	require.Eventually(x, func() bool { return len(n.peers.statuses()) == peers }, 10*time.Second, 5*time.Millisecond)
}

// Those who drip keep nobody waiting who has more.
func TestSnapshotAmongSlow(t *testing.T) {
	shortenChunks(t, time.Second)
	x, blob, asked := newWorld(t), contents(39), new(atomic.Int64)
	good, n := x.depositor(t.TempDir(), blob), x.node()
	x.introduce(n, good)
	for range sourcesMax {
		r := x.swindler(dripping(t, blob, asked))
		r.meetIdle(n.Node)
		require.Eventually(t, func() bool { return n.peers.statusOf(r.host.ID()) != nil }, 10*time.Second, 5*time.Millisecond)
		n.peers.reward(r.host.ID(), scoreServedMax) // is asked first
	}
	x.meets(n, sourcesMax+1)
	require.NoError(t, <-x.downloads(n, blob))
	require.NotZero(t, asked.Load())
	require.Greater(t, good.Stats().ChunksGiven, uint64(len(blob)/chain.ChunkSize/2))
}

// Who comes while others give is asked too.
func TestSnapshotFromNewcomers(t *testing.T) {
	x, blob := newWorld(t), contents(99)
	first, second, n := x.depositor(t.TempDir(), blob), x.depositor(t.TempDir(), blob), x.node()
	first.uploads.SetLimit(4 << 20) // it takes seconds
	first.uploads.SetBurst(servedPart)
	x.introduce(n, first)
	x.meets(n, 1)
	result := x.downloads(n, blob)
	require.Eventually(t, func() bool { return n.Stats().ChunksTaken > 0 }, 10*time.Second, time.Millisecond)
	x.introduce(n, second)
	require.NoError(t, <-result)
	require.Positive(t, second.Stats().ChunksGiven)
}

// Who goes away in the middle is waited for: what came so far is not had twice.
func TestSnapshotSourceComesBack(t *testing.T) {
	blob, dir, x := contents(39), t.TempDir(), newWorld(t)
	n := x.node()
	first := x.depositor(dir, blob)
	first.uploads.SetLimit(2 << 20) // the half of it takes seconds
	first.uploads.SetBurst(servedPart)
	x.introduce(n, first)
	x.meets(n, 1)
	result := x.downloads(n, blob)
	require.Eventually(t, func() bool { return n.Stats().ChunksTaken >= 20 }, 20*time.Second, time.Millisecond)
	first.stop()
	require.Eventually(t, func() bool { return n.peers.count() == 0 }, 10*time.Second, time.Millisecond)
	time.Sleep(3 * mendAgain)
	x.introduce(n, x.run(x.keeper(dir)))
	require.NoError(t, <-result)
	require.Less(t, n.Stats().ChunksTaken, uint64(60))
}

// A download ends with its node, though somebody might come back.
func TestSnapshotEndsWithNode(t *testing.T) {
	x, blob, asked := newWorld(t), contents(9), new(atomic.Int64)
	n := x.node()
	x.swindler(dripping(t, blob, asked)).meetIdle(n.Node)
	result := x.downloads(n, blob)
	require.Eventually(t, func() bool { return asked.Load() > 0 }, 10*time.Second, time.Millisecond)
	n.stop()
	select {
	case err := <-result:
		require.ErrorIs(t, err, chain.ErrClosed)
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for somebody")
	}
}

// Only who gave something is waited for when he is gone, and nobody who lied.
func TestDownloadHope(t *testing.T) {
	n := newWorld(t).node()
	d := n.newDownload(common.Hash{}, nil)
	require.Zero(t, d.hope(nil))
	require.Equal(t, nobodyFor, d.hope([]peer.ID{"somebody"}))
	d.of("somebody").gave = true
	require.Equal(t, goneFor, d.hope(nil))
	d.of("somebody").lied = true
	require.Zero(t, d.hope([]peer.ID{"somebody"}))
}

// Peers that give a little and never all do not keep a node from asking the layer again.
func TestSnapshotTooSlow(t *testing.T) {
	blob := contents(20)
	chunks := chain.ChunksOf(blob)
	list := encode(t, chunks)
	x := newWorld(t)
	n := x.node()
	n.timeFor = func(size uint64) time.Duration {
		require.EqualValues(t, len(blob), size)
		return timeFor(size) / 100
	}
	x.swindler(func(st libp2p.Stream, r request) {
		if r.from.Index == chunksIndex {
			_, _ = st.Write(answerOf(list))
			return
		}
		time.Sleep(100 * time.Millisecond)
		from, to := chunks.Span(int(r.from.Index))
		_, _ = st.Write(answerOf(blob[from:to]))
	}).meetIdle(n.Node)
	require.Eventually(t, func() bool { return len(n.peers.statuses()) == 1 }, 10*time.Second, 5*time.Millisecond)
	began := time.Now()
	_, _, err := n.download(t.Context(), chain.Keccak256(list))
	require.ErrorIs(t, err, errSlow)
	require.Less(t, time.Since(began), 10*time.Second)
	require.Equal(t, time.Minute+8192*time.Second, timeFor(1<<30))
}

// Who gave chunks stays for those that others are asked for, and gets them if they fail.
func TestSnapshotSourcesStay(t *testing.T) {
	n := newWorld(t).node()
	d := n.newDownload(common.Hash{}, nil)
	d.chunks, d.left = chain.ChunksOf(contents(1)), 1
	again := make(chan bool)
	go func() { again <- d.askOnce(t.Context(), "somebody", new(source)) }()
	select {
	case <-again:
		t.Fatal("it did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	close(d.moved)
	require.True(t, <-again)
	d.left = 0
	require.False(t, d.askOnce(t.Context(), "somebody", new(source)), "all is there")
}
