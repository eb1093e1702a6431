package gossip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// An answer to each question, and to what is none.
func TestAnswers(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 2, 3)
	for _, m := range feed {
		x.publish(seq, m)
		if m.Frame != nil {
			_, err := seq.Publish(t.Context(), link.TopicBodies, sampleBody(t, m))
			require.NoError(t, err)
		}
	}
	for number := uint64(4); number < 7; number++ {
		id := chain.BlockID{Number: number}
		_, err := seq.Publish(t.Context(), link.TopicPublications, encode(t, &chain.Publication{Block: id}))
		require.NoError(t, err)
	}
	r := x.rogue(nil)
	r.meet(seq)
	require.Eventually(t, func() bool { return seq.peers.count() == 1 }, 5*time.Second, time.Millisecond)
	read := func(q request) ([][]byte, error) {
		return readAnswer(bytes.NewReader(r.ask(seq, q.append(nil))), q)
	}
	kinds := func(items [][]byte) (out []envelope.Kind) {
		for _, item := range items {
			h, err := envelope.Peek(item, nil)
			require.NoError(t, err)
			out = append(out, h.Kind)
		}
		return out
	}
	items, err := read(request{question: askStatus})
	require.NoError(t, err)
	st, err := parseStatus(items[0])
	require.NoError(t, err)
	require.Equal(t, status{
		feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 3}, bodies: chain.Place{Number: 1}, bodiesEnd: chain.Place{Number: 2, Index: 3},
		publication: 4, newestPublication: 6,
	}, st)

	items, err = read(request{question: askFeed, from: chain.Place{Number: 1}})
	require.NoError(t, err)
	require.Equal(t, []envelope.Kind{'f', 'f', 'h', 'f', 'f', 'f', 'h'}, kinds(items))
	require.Equal(t, feed[0].Body, items[0][envelope.Overhead:])
	items, err = read(request{question: askFeed, from: chain.Place{Number: 2, Index: 1}, most: 2})
	require.NoError(t, err)
	require.Equal(t, []envelope.Kind{'h', 'f'}, kinds(items))
	items, err = read(request{question: askBodies, from: chain.Place{Number: 2, Index: 1}})
	require.NoError(t, err)
	require.Equal(t, []envelope.Kind{'b', 'b'}, kinds(items))
	items, err = read(request{question: askPublications, from: chain.Place{Number: 5}})
	require.NoError(t, err)
	require.Equal(t, []envelope.Kind{'p', 'p'}, kinds(items))
	for _, q := range []question{askSnapshots, askAttestations, askPeers} {
		items, err = read(request{question: q})
		require.NoError(t, err)
		require.Empty(t, items)
	}
	for _, q := range []question{askFeed, askBodies, askPublications} {
		_, err = read(request{question: q})
		require.ErrorIs(t, err, errNotKept)
	}
	require.Equal(t, []byte{byte(answerBad)}, r.ask(seq, make([]byte, requestSize)))
	require.NoError(t, r.host.Network().ClosePeer(seq.id))
}

// One peer is answered so often at once; others are answered meanwhile.
func TestBusy(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	r, other := x.rogue(nil), x.rogue(nil)
	r.meet(n)
	other.meet(n)
	require.Eventually(t, func() bool { return n.peers.count() == 2 }, 5*time.Second, time.Millisecond)
	for range servingPerPeer { // a stream that says nothing is a request
		st, err := r.host.NewStream(t.Context(), n.id, r.syncID)
		require.NoError(t, err)
		_, err = st.Write([]byte{1})
		require.NoError(t, err)
		defer st.Reset()
	}
	require.Eventually(t, func() bool { return n.peers.answering() == servingPerPeer }, 5*time.Second, time.Millisecond)
	req := request{question: askStatus}.append(nil)
	require.Equal(t, []byte{byte(answerBusy)}, r.ask(n, req))
	require.Equal(t, byte(answerOK), other.ask(n, req)[0])
	require.NotZero(t, n.Stats().Turned)
}

// answering is how many requests are being answered.
func (p *peers) answering() (sum int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.list {
		sum += m.serving
	}
	return sum
}

// However many ask for much and do not read it: others are answered, and whoever does not
// read loses the answer.
func TestAnswersNotRead(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	parent := sampleGenesis
	for i := range uint32(6) {
		m := frameMessage(t, &chain.Frame{Number: 1, Index: i, Term: 1, Parent: parent, Diff: randomBytes(1 << 20)})
		x.publish(seq, m)
		parent = m.Content
	}
	const idlers = 16
	req := request{question: askFeed, from: chain.Place{Number: 1}}.append(nil)
	var all []*rogue
	for range idlers {
		all = append(all, x.rogue(nil))
		all[len(all)-1].meet(seq)
	}
	for _, r := range all { // at once: in seconds they lose what they do not read
		for range servingPerPeer {
			st, err := r.host.NewStream(t.Context(), seq.id, r.syncID)
			require.NoError(t, err)
			defer st.Reset()
			_, err = st.Write(req)
			require.NoError(t, err)
		}
	}
	require.Eventually(t, func() bool { return seq.peers.answering() == idlers*servingPerPeer }, 10*time.Second, time.Millisecond)
	other := x.rogue(nil)
	other.meet(seq)
	require.Equal(t, byte(answerOK), other.ask(seq, req)[0])
	require.Eventually(t, func() bool { return seq.peers.answering() == 0 }, requestTimeout-time.Second, time.Millisecond)
}

// Whoever knows one node of a network finds the others.
func TestDiscovery(t *testing.T) {
	x := newWorld(t)
	boot := x.node()
	var nodes []*running
	for range 4 {
		nodes = append(nodes, x.node(boot.Node))
	}
	for _, n := range nodes {
		x.connected(n, 4)
	}
}

// Who may be connected: allowed, not denied, and not too many.
func TestGate(t *testing.T) {
	x := newWorld(t)
	friend, stranger := x.config(), x.config()
	a, b := x.run(friend), x.run(stranger)
	connect := func(from *running, to *running) {
		for _, addr := range to.Addrs() {
			info, err := parseAddress(mustAddr(t, addr))
			require.NoError(t, err)
			from.peers.learn(*info)
		}
	}
	cfg := x.config()
	cfg.Allow = []string{a.ID()}
	closed := x.run(cfg)
	connect(a, closed)
	connect(b, closed)
	x.connected(closed, 1)
	time.Sleep(200 * time.Millisecond)
	require.Len(t, closed.Peers(), 1)
	require.Equal(t, a.ID(), closed.Peers()[0].ID)

	cfg = x.config()
	cfg.Deny = []string{b.ID(), "10.0.0.0/8"}
	denies := x.run(cfg)
	connect(b, denies)
	connect(denies, b)
	connect(a, denies)
	x.connected(denies, 1)
	time.Sleep(200 * time.Millisecond)
	require.Len(t, denies.Peers(), 1)
	require.Equal(t, a.ID(), denies.Peers()[0].ID)

	cfg = x.config()
	cfg.PeersMax, cfg.PeersWanted = 1, 1
	small := x.run(cfg)
	connect(a, small)
	x.connected(small, 1)
	connect(b, small)
	time.Sleep(200 * time.Millisecond)
	require.Len(t, small.Peers(), 1)
}

func TestConfig(t *testing.T) {
	x := newWorld(t)
	for name, change := range map[string]func(*Config){
		"signers": func(c *Config) { c.Signers = nil },
		"signer":  func(c *Config) { c.Signer = sampleKey(t); c.Signers = map[common.Address]envelope.Grant{{1}: {}} },
		"key":     func(c *Config) { c.Key = make([]byte, 5) },
		"listen":  func(c *Config) { c.Listen = []string{"127.0.0.1:80"} },
		"boot":    func(c *Config) { c.Boot = []string{"/ip4/127.0.0.1/tcp/1"} },
		"allow":   func(c *Config) { c.Allow = []string{"somebody"} },
		"deny":    func(c *Config) { c.Deny = []string{"1.2.3.4/99"} },
		"in use":  func(c *Config) { c.Listen = []string{"/ip4/127.0.0.1/tcp/1/ws"} },
	} {
		cfg := x.config()
		change(&cfg)
		_, err := New(cfg)
		require.Error(t, err, name)
	}
}

// Sizes name kinds of messages that are larger than by default. Of the others, and of those
// that are said to be smaller, peers send what every node takes, and are not blamed.
func TestSizes(t *testing.T) {
	cfg := newWorld(t).config()
	cfg.Sizes = new(Sizes)
	cfg.Sizes[KindFrame].Sent, cfg.Sizes[KindHeader].Sent = 5<<20, 1
	n, err := New(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Close()) }()
	want := DefaultSizes()
	want[KindFrame].Sent = 5 << 20
	require.Equal(t, want, n.Sizes)
	require.Greater(t, n.largest(), int(want[KindBodies].Sent))
	kinds := []Kind{KindFrame, KindHeader}
	for _, m := range sampleFeed(t, 1) {
		require.Equal(t, pubsub.ValidationAccept, n.hear("somebody", kinds, m.Envelope), "%s", m.Kind)
	}
}

func mustAddr(t *testing.T, text string) []byte {
	a, err := ma.NewMultiaddr(text)
	require.NoError(t, err)
	return a.Bytes()
}

// Who is thrown out stays out for a while; so does everybody at an address from which
// several were, but for boot nodes, and on this machine.
func TestBans(t *testing.T) {
	boot := peer.ID("boot")
	g := &gate{boot: func(id peer.ID) bool { return id == boot }, bans: make(map[any]ban)}
	at := func(text string) ma.Multiaddr {
		a, err := ma.NewMultiaddr(text)
		require.NoError(t, err)
		return a
	}
	near, far := at("/ip4/127.0.0.1/tcp/1"), at("/ip4/192.0.2.1/tcp/1")
	now := time.Now()
	for i := range bansPerIP {
		id := peer.ID([]byte{byte(i)})
		require.True(t, g.lets("another", far), "%d", i)
		g.ban(id, far, now)
		g.ban(id+"near", near, now)
		require.False(t, g.lets(id, far))
		require.False(t, g.InterceptPeerDial(id))
	}
	require.False(t, g.lets("another", far))
	require.True(t, g.lets("another", at("/ip4/192.0.2.2/tcp/1")))
	require.True(t, g.lets("another", near))
	require.True(t, g.lets(boot, far))
	// Of IPv6, whoever has one address has 2^64.
	for i := range bansPerIP {
		g.ban(peer.ID([]byte{byte(i)}), at(fmt.Sprintf("/ip6/2001:db8::%d/tcp/1", i+1)), now)
	}
	require.False(t, g.lets("another", at("/ip6/2001:db8::99/tcp/1")))
	require.True(t, g.lets("another", at("/ip6/2001:db8:0:1::99/tcp/1")))
	for i := range 2 * bansMax {
		g.ban(peer.ID(binary.BigEndian.AppendUint32([]byte("x"), uint32(i))), nil, now.Add(time.Duration(i)))
	}
	require.Len(t, g.bans, bansMax)
	g.bans = make(map[any]ban)
	g.ban("late", far, now.Add(-banFor))
	require.True(t, g.lets("late", far))
}
