package links

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A rogue is a peer that behaves as no honest one does: it has libp2p's router without a
// validator, and nothing of statediff/gossip. What it knows of the wire is written down
// here once more. When nobody lets it in any more, it comes back as somebody else.
type rogue struct {
	*mission
	manner
	key      *envelope.Key // a stranger's
	host     host.Host
	swarm    *swarm.Swarm
	topics   map[string]*pubsub.Topic
	protocol protocol.ID

	mu    sync.Mutex
	heard []hearsay // the newest of what others said

	said, answered, asked atomic.Int64
}

// A mission is what a rogue is sent out with.
type mission struct {
	Invitation invitation
	Targets    []string // multiaddresses with peer ids
	Manner     string
}

// hearsay is a message as it travels.
type hearsay struct {
	topic string
	msg   []byte
}

// heardMax is how many messages a rogue remembers.
const heardMax = 1024

// harass is the rogue: its argument is a mission.
func harass(ctx context.Context, args []string) error {
	m := new(mission)
	if err := json.Unmarshal([]byte(args[0]), m); err != nil {
		return err
	}
	for life := 1; ctx.Err() == nil; life++ {
		r, err := newRogue(ctx, m)
		if err != nil {
			return err
		}
		began := time.Now()
		r.live(ctx)
		fmt.Printf("life %d of %s: said %d, answered %d, asked %d in %s\n",
			life, m.Manner, r.said.Load(), r.answered.Load(), r.asked.Load(), time.Since(began).Round(time.Millisecond))
		if err := r.host.Close(); err != nil {
			return err
		}
	}
	return nil
}

// newRogue makes a rogue that is in all topics.
func newRogue(ctx context.Context, m *mission) (*rogue, error) {
	key, err := envelope.NewKey(random(32))
	if err != nil {
		return nil, err
	}
	r := &rogue{mission: m, manner: manners[m.Manner], key: key, topics: make(map[string]*pubsub.Topic)}
	name := fmt.Sprintf("/vivace/%d-%s", m.Invitation.ChainID, hex.EncodeToString(m.Invitation.Genesis[:4]))
	r.protocol = protocol.ID(name + "/sync/1")
	if r.host, r.swarm, err = newHost(); err != nil {
		return nil, err
	}
	router, err := pubsub.NewGossipSub(ctx, r.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string {
			sum := sha256.Sum256(slices.Concat([]byte(m.GetTopic()), m.Data))
			return string(sum[:20])
		}), pubsub.WithMaxMessageSize(64<<20), pubsub.WithFloodPublish(true), pubsub.WithPeerOutboundQueueSize(1024))
	if err != nil {
		return nil, errors.Join(err, r.host.Close())
	}
	for _, topic := range []string{link.TopicFeed, link.TopicBodies, link.TopicPublications, link.TopicAttestations} {
		if err := r.join(ctx, router, topic, name+"/1/"+topic); err != nil {
			return nil, errors.Join(err, r.host.Close())
		}
	}
	if r.lie != nil {
		r.host.SetStreamHandler(r.protocol, r.answer)
	}
	return r, nil
}

// join enters a topic and remembers what is said there.
func (r *rogue) join(ctx context.Context, router *pubsub.PubSub, topic, name string) error {
	t, err := router.Join(name)
	if err != nil {
		return err
	}
	sub, err := t.Subscribe(pubsub.WithBufferSize(heardMax))
	if err != nil {
		return err
	}
	r.topics[topic] = t
	go func() { // until the process ends
		for {
			m, err := sub.Next(ctx)
			if err != nil {
				return
			}
			if m.ReceivedFrom == r.host.ID() {
				continue
			}
			h := hearsay{topic, slices.Clone(m.Data)}
			r.remember(h)
			if r.echo != nil {
				r.say(ctx, r.echo(&h))
			}
		}
	}()
	return nil
}

func (r *rogue) remember(h hearsay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard = append(r.heard, h); len(r.heard) > heardMax {
		r.heard = r.heard[1:]
	}
}

// any is something that was said; nil if nothing was.
func (r *rogue) any() *hearsay {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.heard) == 0 {
		return nil
	}
	h := r.heard[rand.IntN(len(r.heard))]
	return &hearsay{h.topic, slices.Clone(h.msg)}
}

// newest is what was said last in a topic; nil if nothing was.
func (r *rogue) newest(topic string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range slices.Backward(r.heard) {
		if h.topic == topic {
			return slices.Clone(h.msg)
		}
	}
	return nil
}

// live behaves until nobody lets it in for three seconds.
func (r *rogue) live(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var busy sync.WaitGroup
	defer busy.Wait()
	if r.speak != nil {
		busy.Go(func() { r.talk(ctx) })
	}
	for alone := time.Now(); time.Since(alone) < 3*time.Second && ctx.Err() == nil; nap(ctx, 300*time.Millisecond) {
		for _, target := range r.Targets {
			if r.meet(ctx, target) {
				alone = time.Now()
				if r.pesters {
					busy.Go(func() { r.pester(ctx, target) })
				}
			}
		}
	}
	cancel()
}

// meet reports whether a target is connected, and dials it if not.
func (r *rogue) meet(ctx context.Context, target string) bool {
	to, err := peer.AddrInfoFromString(target)
	if err != nil {
		panic(err) // the test's own
	}
	if r.host.Network().Connectedness(to.ID) == network.Connected {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r.swarm.Backoff().Clear(to.ID)
	_ = r.host.Connect(ctx, *to) // looked at again the next time
	return false
}

// talk says one thing after the other.
func (r *rogue) talk(ctx context.Context) {
	for n := 0; ctx.Err() == nil; nap(ctx, r.pause) {
		real := r.any()
		if real == nil {
			continue
		}
		r.say(ctx, r.speak(r, real, n))
		n++
	}
}

func (r *rogue) say(ctx context.Context, h hearsay) {
	if len(h.msg) > 0 && r.topics[h.topic].Publish(ctx, h.msg) == nil {
		r.said.Add(1)
	}
}

// random is so many random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
