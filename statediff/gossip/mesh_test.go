package gossip

import (
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
)

// To announce messages and not to bring them is what a slow peer does: it costs nothing.
func TestBroughtLate(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	s, h := x.stranger()
	r := &rogue{TB: t, host: h}
	h.SetStreamHandler(pubsub.GossipSubID_v11, func(st libp2p.Stream) { _, _ = io.Copy(io.Discard, st) })
	h.SetStreamHandler(protocol.ID(s.network()+"/sync/1"), func(st libp2p.Stream) { st.Reset() })
	require.NoError(t, h.Connect(t.Context(), peer.AddrInfo{ID: n.id, Addrs: n.host.Addrs()}))
	st, err := h.NewStream(t.Context(), n.id, pubsub.GossipSubID_v11)
	require.NoError(t, err)
	defer st.Reset()
	topic := n.topicName("feed")
	for i := range 18 {
		ihave := append(field(1, []byte(topic)), field(2, fmt.Appendf(nil, "message %d", i))...)
		rpc := field(3, field(1, ihave)) // a control message
		_, err = st.Write(append(binary.AppendUvarint(nil, uint64(len(rpc))), rpc...))
		require.NoError(t, err)
		if i%9 == 8 {
			time.Sleep(600 * time.Millisecond) // so many are heard at a heartbeat of the router
		}
	}
	time.Sleep(5 * time.Second) // three, and what it takes to be judged
	require.False(t, r.gone(n))
	require.Zero(t, n.Stats().Bans)
	require.GreaterOrEqual(t, n.Peers()[0].Score, 0.0)
}

// field is a field of protocol buffers that has a length.
func field(number byte, value []byte) []byte {
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
}

// A good message in the wrong topic does not keep it out of the right one.
func TestMessageID(t *testing.T) {
	id := func(topic string, data string) string {
		return messageID(&pb.Message{Topic: &topic, Data: []byte(data)})
	}
	require.Equal(t, id("/feed", "x"), id("/feed", "x"))
	require.NotEqual(t, id("/feed", "x"), id("/feed", "y"))
	require.NotEqual(t, id("/feed", "x"), id("/bodies", "x"))
}
