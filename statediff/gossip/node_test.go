package gossip

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is nodes of the sample's chain, which run until the test ends.
type world struct {
	testing.TB
	genesis common.Hash
}

func newWorld(t testing.TB) *world { return &world{t, sampleGenesis} }

// config is of a node that believes the sample's key, on loopback.
func (x *world) config(boot ...*Node) Config {
	cfg := Config{
		ChainID: sampleChain, Genesis: x.genesis, Listen: []string{"/ip4/127.0.0.1/tcp/0"},
		Signers: map[common.Address]envelope.Grant{sampleKey(x).Address(): {}},
	}
	for _, b := range boot {
		cfg.Boot = append(cfg.Boot, b.Addrs()...)
	}
	return cfg
}

// run runs a node.
func (x *world) run(cfg Config) *running {
	n, err := New(cfg)
	require.NoError(x, err)
	return x.start(n)
}

// start runs a node that was made.
func (x *world) start(n *Node) *running {
	r := &running{Node: n}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(x, <-done)
	})
	x.Cleanup(r.stop)
	return r
}

type running struct {
	*Node
	stop func()
}

// node runs a node that knows the others.
func (x *world) node(boot ...*Node) *running { return x.run(x.config(boot...)) }

// sequencer runs a node that signs.
func (x *world) sequencer(boot ...*Node) *running {
	cfg := x.config(boot...)
	cfg.Signer = sampleKey(x)
	return x.run(cfg)
}

// publish publishes messages of the feed.
func (x *world) publish(n *running, feed ...*message) {
	for _, m := range feed {
		seq, err := n.Publish(x.Context(), link.TopicFeed, feedMessage(x, m))
		require.NoError(x, err)
		require.Equal(x, link.SeqOf(m.Place), seq)
	}
}

// awaitFeed reads the feed from a number on and wants what it brings to be feed: the
// frames in their order, and each header in time.
func (x *world) awaitFeed(n *running, from uint64, feed ...*message) {
	ctx, cancel := context.WithTimeout(x.Context(), 20*time.Second)
	defer cancel()
	next, err := n.Subscribe(ctx, link.TopicFeed, from)
	require.NoError(x, err)
	var (
		frames, headers []*message
	)
	for _, m := range feed {
		if m.Frame != nil {
			frames = append(frames, m)
		} else {
			headers = append(headers, m)
		}
	}
	for len(frames)+len(headers) > 0 {
		seq, msg, err := next(ctx)
		require.NoError(x, err, "%d frames and %d headers to come", len(frames), len(headers))
		p := link.PlaceOf(seq)
		if p.IsHeader() {
			require.NotEmpty(x, headers)
			require.Equal(x, feedMessage(x, headers[0]), msg)
			require.True(x, len(frames) == 0 || p.Before(frames[0].Place), "too soon")
			headers = headers[1:]
			continue
		}
		require.NotEmpty(x, frames)
		require.Equal(x, frames[0].Place, p)
		require.Equal(x, feedMessage(x, frames[0]), msg)
		late := frames[0].Frame.Last && len(headers) > 0 && headers[0].Place.Number < p.Number
		require.False(x, late, "the block ends before the header of the block before came")
		frames = frames[1:]
	}
}

// meshed waits until nodes are in the mesh of every topic: what is published before is
// not lost, but asked for.
func (x *world) meshed(nodes ...*running) {
	for _, n := range nodes {
		require.Eventually(x, func() bool { return n.Stats().Mesh >= len(n.topics) }, 10*time.Second, 5*time.Millisecond)
	}
}

func (x *world) connected(n *running, peers int) {
	require.Eventually(x, func() bool { return n.peers.count() >= peers }, 10*time.Second, 5*time.Millisecond)
}

// What a sequencer publishes comes to everybody, through whoever is in between, in the
// feed's order.
func TestPublish(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	middle := x.node(seq.Node)
	last := x.node(middle.Node)
	x.connected(last, 1)
	x.connected(middle, 2)
	feed := sampleFeed(t, 3, 1, 4)
	go x.publish(seq, feed...)
	x.awaitFeed(last, 0, feed...)
	x.awaitFeed(middle, link.SeqOf(feed[4].Place), feed[3:]...)
	x.awaitFeed(seq, link.Oldest, feed...)
}
