package gossip

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"math"
	"net"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// What travels where. Headers must not queue behind bodies, so these have a topic of
// their own.
var topicKinds = map[string][]envelope.Kind{
	link.TopicFeed:         {envelope.KindFrame, envelope.KindHeader, envelope.KindHeartbeat},
	link.TopicBodies:       {envelope.KindBodies},
	link.TopicPublications: {envelope.KindPublication, envelope.KindSnapshot},
	link.TopicAttestations: {envelope.KindAttestation},
}

// topicName is how a topic is called on the wire.
func (n *Node) topicName(topic string) string { return n.network() + "/1/" + topic }

const (
	// queueMax is how many messages may wait for validation, or for a peer: ten seconds
	// at one each 10 ms. The defaults are a third of a second, and drop without a word.
	queueMax = 1024
	// topicsMax: a peer that subscribes to more is not one of ours.
	topicsMax = 8
	// rpcOverhead is what a message may have around it on the wire.
	rpcOverhead = 64 << 10
)

// join makes the router and joins the topics. Nothing is read from subscriptions: what
// is good is taken in the validator, which is asked about each message once.
func (n *Node) join() error {
	var names []string
	for topic := range topicKinds {
		if topic != link.TopicBodies || n.shelf.bodied {
			names = append(names, topic)
		}
	}
	router, err := pubsub.NewGossipSub(n.ctx, n.host, n.routerOptions(names)...)
	if err != nil {
		return err
	}
	n.topics = make(map[string]*pubsub.Topic)
	for _, topic := range names {
		name := n.topicName(topic)
		if err := router.RegisterTopicValidator(name, n.validator(topic), pubsub.WithValidatorInline(true)); err != nil {
			return err
		}
		t, err := router.Join(name)
		if err != nil {
			return err
		}
		if _, err := t.Relay(); err != nil {
			return err
		}
		n.topics[topic] = t
	}
	return nil
}

func (n *Node) routerOptions(topics []string) []pubsub.Option {
	var allowed []string
	for topic := range topicKinds {
		allowed = append(allowed, n.topicName(topic))
	}
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dlazy = 6, 4, 10, 4
	params.Dout, params.Dscore = 2, 4
	params.HeartbeatInterval = 500 * time.Millisecond
	params.HeartbeatInitialDelay = 50 * time.Millisecond
	params.HistoryLength, params.HistoryGossip = 6, 4
	params.IDontWantMessageThreshold = 1 << 10
	params.UnsubscribeBackoff = time.Second // nobody leaves a topic but by leaving
	return []pubsub.Option{
		// The origin is nobody's business, and our own signature is inside. Without an
		// author and a sequence number the usual id is the same for all messages.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(allowed...), topicsMax)),
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(false), pubsub.WithPeerExchange(false),
		pubsub.WithMaxMessageSize(n.largest() + rpcOverhead),
		pubsub.WithPeerOutboundQueueSize(queueMax), pubsub.WithValidateQueueSize(queueMax),
		pubsub.WithPeerScore(n.scoreParams(topics), scoreThresholds()),
		pubsub.WithPeerScoreInspect(n.inspect, time.Second),
		pubsub.WithRawTracer(&tracer{n}),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)), pubsub.WithRPCLogger(slog.New(slog.DiscardHandler)),
	}
}

// messageID covers every byte, and the topic. The router remembers an id before it asks
// whether the message is good: if the id left out the signature, a bad copy sent first
// would keep the good one out. If it left out the topic, a good message sent first in
// another topic would too, and the router would blame whoever brings it in its own. No
// topic is the beginning of another.
func messageID(m *pb.Message) string {
	h := sha256.New()
	_, _ = io.WriteString(h, m.GetTopic()) // a hash takes all
	_, _ = h.Write(m.Data)
	return string(h.Sum(nil)[:20])
}

// largest is the size of the largest message that is taken, in bytes.
func (n *Node) largest() int {
	most := uint32(0)
	for _, l := range n.Sizes {
		most = max(most, l.Sent)
	}
	return int(most) + envelope.Overhead
}

// What a peer loses. Only what an honest one never does costs: to be slow, or to relay
// what others had before, costs nothing.
const (
	scoreInvalid  = -100 // for a message that it should have refused; twice is four times that
	scoreBehaved  = -10  // for what the router calls misbehaviour, beyond some
	scoreFirst    = 0.01 // for being the first with a message, up to scoreFirstCap of them
	scoreFirstCap = 500

	gossipBelow   = -50
	publishBelow  = -100
	graylistBelow = -200 // and thrown out
)

func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{
		GossipThreshold: gossipBelow, PublishThreshold: publishBelow, GraylistThreshold: graylistBelow,
		AcceptPXThreshold: 1000, OpportunisticGraftThreshold: 1,
	}
}

func (n *Node) scoreParams(topics []string) *pubsub.PeerScoreParams {
	p := &pubsub.PeerScoreParams{
		Topics:            make(map[string]*pubsub.TopicScoreParams),
		TopicScoreCap:     20,
		AppSpecificScore:  n.peers.score,
		AppSpecificWeight: 1,
		// Many nodes behind one address are a laboratory, or a data centre.
		IPColocationFactorWeight: 0, IPColocationFactorWhitelist: []*net.IPNet{},
		BehaviourPenaltyWeight: scoreBehaved, BehaviourPenaltyThreshold: 6, BehaviourPenaltyDecay: decay(time.Minute),
		DecayInterval: time.Second, DecayToZero: 0.01, RetainScore: banFor,
	}
	for _, topic := range topics {
		p.Topics[n.topicName(topic)] = &pubsub.TopicScoreParams{
			SkipAtomicValidation: true, TopicWeight: 1, TimeInMeshQuantum: time.Second,
			FirstMessageDeliveriesWeight: scoreFirst, FirstMessageDeliveriesDecay: decay(time.Minute), FirstMessageDeliveriesCap: scoreFirstCap,
			InvalidMessageDeliveriesWeight: scoreInvalid, InvalidMessageDeliveriesDecay: decay(10 * time.Minute),
		}
	}
	return p
}

// decay is the factor by which a counter of 1 comes to a hundredth in d, at a step a
// second.
func decay(d time.Duration) float64 { return math.Pow(0.01, 1/d.Seconds()) }

// inspect sees all scores once a second.
func (n *Node) inspect(scores map[peer.ID]float64) {
	for id, score := range scores {
		n.peers.noteScore(id, score)
		if score <= graylistBelow {
			n.throwOut(id)
		}
	}
}

// validator is what the router asks about each message of a topic, in one of its
// workers.
func (n *Node) validator(topic string) func(context.Context, peer.ID, *pubsub.Message) pubsub.ValidationResult {
	kinds := topicKinds[topic]
	return func(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		if from == n.id {
			return pubsub.ValidationAccept // was taken when it was published
		}
		return n.hear(from, kinds, m.Data)
	}
}

// A tracer counts what the router drops without asking.
type tracer struct{ *Node }

var _ pubsub.RawTracer = (*tracer)(nil)

// silent are the reasons to reject for which our validator was not asked.
var silent = []string{pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled}

func (t *tracer) RejectMessage(_ *pubsub.Message, reason string) {
	if slices.Contains(silent, reason) {
		t.tally.dropped.Add(1)
	}
}

func (t *tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	t.tally.unsent.Add(uint64(len(rpc.GetPublish())))
}

func (t *tracer) DuplicateMessage(*pubsub.Message) { t.tally.duplicates.Add(1) }

func (t *tracer) RecvRPC(rpc *pubsub.RPC) { t.tally.received.Add(messageBytes(rpc)) }

func (t *tracer) SendRPC(rpc *pubsub.RPC, _ peer.ID) { t.tally.sent.Add(messageBytes(rpc)) }

func (t *tracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (t *tracer) OnClosedOutboundStream(peer.ID)           {}
func (t *tracer) Join(string)                              {}
func (t *tracer) Leave(string)                             {}
func (t *tracer) Graft(peer.ID, string)                    { t.tally.mesh.Add(1) }
func (t *tracer) Prune(peer.ID, string)                    { t.tally.mesh.Add(-1) }
func (t *tracer) ValidateMessage(*pubsub.Message)          {}
func (t *tracer) DeliverMessage(*pubsub.Message)           {}
func (t *tracer) ThrottlePeer(peer.ID)                     {}
func (t *tracer) UndeliverableMessage(*pubsub.Message)     {}

// messageBytes is the size of the messages in an RPC; what is about them is small.
func messageBytes(rpc *pubsub.RPC) (n uint64) {
	for _, m := range rpc.GetPublish() {
		n += uint64(len(m.GetData()))
	}
	return n
}
