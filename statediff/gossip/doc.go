// Package gossip carries what a sequencer says to full nodes and provers that do not
// trust each other, over libp2p, and what provers say back.
//
// A Node is a member of a chain's network. It relays what is good, keeps the newest of
// it, answers peers who lack something, and asks when it lacks something itself. For
// the roles in the same process it is one more transport beside those of internal/link:
// Publish, Subscribe and Latest on the same topics, with numbers that are the same at
// every node.
//
// # What it promises
//
//   - What a Subscription brings was signed by a key of Config.Signers, and is in its
//     topic's order: the feed as below, bodies as their frames, publications without a
//     gap. A peer can delay or withhold; it cannot forge, reorder or make a hole in the
//     feed that a reader would step over.
//   - Publish neither waits for the network nor fails because of it. What is published is
//     on the shelf first, where peers find it whatever became of sending it.
//   - Nothing is lost in silence. What a full queue drops is counted, and asked for when
//     it is missed. What the signer has said and nobody keeps any more is
//     chain.ErrOutOfStep, after some seconds; what was not said yet, or without any peer,
//     a reader waits for. But of attestations and snapshots each speaker's newest count,
//     thousands of the ones and sixteen of the others, and no more is promised of older
//     ones.
//   - A peer costs at most what Config and the constants here say: connections, streams,
//     memory, signatures a second that were checked in vain, requests a second, bytes of
//     answers. Sizes are checked before memory is taken, signatures before anything is
//     unpacked.
//   - A peer that sends what an honest one would have refused loses its score, and at the
//     second such message in minutes its connection, for ten minutes. One that is merely
//     slow, behind, or ahead does not. To come back makes nobody better: what is held
//     against a peer outlives its connections. That it says it has something moves nobody:
//     it says whom to ask, until it does not give that. The feed is given up, and a reader
//     told that something is gone, only when a peer keeps what is later, and not that.
//   - A signer that says two things about one place is kept as Evidence. Whoever brought
//     the second is not blamed for it.
//   - A sequencer whose log lost its end goes on in a newer term, which takes back what it
//     does not know of; who had read that is told by chain.ErrOutOfStep. If it goes on in
//     the same term, Publish fails as soon as its node hears of the other end.
//
// # How
//
// Mini-blocks and headers travel in signed envelopes (internal/envelope), which arrive
// in any order, several times, or not at all. An assembler makes of them what a full
// node can apply. What it lacks, it names; what it had, it keeps for a while.
//
// The order of the feed:
//
//   - Frames come in the order of their places, and each names the digest of the one
//     before it.
//   - The header of block N comes after the last frame of N, and before the last frame
//     of N+1. In between it comes as soon as it is there: who seals a block takes its
//     time, and the mini-blocks of the next do not wait for that.
//
// The order is kept by whom the frames name, not by who was first. A frame that does
// not name the one before it is put aside, although an allowed key signed it.
//
// An assembler does no I/O, has no goroutine and no clock: time is an argument. So the
// same input gives the same output, in a test, in a fuzzer and in a simulation.
//
// Topics are /vivace/<chain id>-<genesis>/1/{feed,bodies,publications,attestations}, of
// gossipsub, with a mesh of six. A message is taken where it is validated, by a call:
// there is no subscription that could overflow. Requests, each on a stream of its own,
// have the protocol /vivace/<chain id>-<genesis>/sync/1; the bytes are in wire.go.
//
// A gap in the feed shows as soon as something after it comes, and is asked for 20 ms
// later. A loss at its end shows in nothing that follows: hence the sequencer's
// Heartbeat each second, and a question to some peer each second, or 200 ms after a
// mini-block that was not its block's last. A reader who wants more than this node keeps
// has an assembler of its own, which takes what peers answer until it comes to what is
// on the shelf. Bodies that nobody has for two seconds are passed over, and asked for again
// when somebody has come who says that he has them: for peers, not for readers, who are
// past them.
//
// What peers ask each other, with the place from which on, and what answers have at most:
//
//	status        what a peer has                    1 item
//	feed, bodies  envelopes from a place on          1024, 16 and 32 MiB
//	publications  envelopes from a number on         1024, 1 MiB
//	snapshots     the newest offers                  16, 512 KiB
//	attestations  the newest, or from a number on    1024, 1 MiB
//	peers         addresses of others                16, 4 KiB
//	chunks        of a snapshot, from an index on    4, 1 MiB
//
// Where a snapshot is, its offer says: in the data-availability layer. What it is, the offer
// says too: it has the digest of a chain.Chunks, the keccak256 of each 256 KiB. So contents
// can be had from peers when the layer is away (Node.Layer): first the list, which shows by
// the offer, then the chunks, from four peers at once, each of which shows by the list. A lie
// costs one answer, and whoever told it is known; who is slow makes room for others, those too
// who come meanwhile; who goes away in the middle is waited for, a minute. What came is in
// memory until all did: whoever begins again, begins at the first chunk. Contents are kept of the two newest
// snapshots that came through Node.Layer, which are those that a sequencer made, or a node
// joined by: not of all that are offered, since who is there already has no use for them.
//
// # Traps
//
// All of these were walked into, here or elsewhere.
//
//   - Without an author and with the default message id, all messages have the same id,
//     and all but the first are dropped without an error.
//   - The router marks an id as seen before it asks whether the message is good. An id
//     that did not cover the signature would let anybody send a bad copy first and keep
//     the good one out. So would one that did not cover the topic, with a good message in
//     a wrong one, for which the router then blames all who bring it in the right one. And
//     what was ignored does not come again for two minutes: who needs it asks.
//   - The default queues hold 32 messages: a third of a second at 10 ms.
//   - Lazy repair by IHAVE takes a heartbeat of the router, which is an age here.
//   - A host without identify never learns that a peer speaks gossipsub, and gets nothing.
//   - Score weights for slow delivery, made for a message in seconds, throw out honest
//     peers at a hundred a second; so does the penalty for what was announced and did not
//     come within three seconds, on a slow link. Here they are zero.
//   - Of one peer's old connection and its new one, the end of the first may be heard of
//     after the beginning of the second.
//   - TCP that hears nothing tries again after twice as long each time, and yamux asks only
//     after half a minute: a network that was away for ten seconds, and is back, may be of no
//     use for ten more. Connections are given up sooner, and made anew.
//   - Until a mesh has formed, half a second after a connection, what is published
//     reaches nobody: it is asked for.
//   - The first frame that was checked is not the first that came. A feed begins with
//     its block, or what was before it in the block would be missing on this shelf.
//   - The place after a block's last mini-block is a place of the block that will never
//     be. One who goes on from there asks for the mini-block before.
//   - A message is read whole before its length is more than a promise: a peer can make
//     us reserve as much as a message may be, 8 MiB, and has to send it to make us use it.
//
// What a peer can still do: leave out the last bodies of a block towards a node that
// joins late and has no other peer, which makes a block that history does not have; and
// give a new node, when all its peers are of one mind, an old end of the feed. The second
// shows in Stats.LastHeartbeat.
//
// # Rejected
//
// An order by arrival with waiting for stragglers (every frame would wait); numbers of
// messages (a restart, or another transport, has others); reading the frames' content to
// see whether they fit (the Follower does that, against its state). libp2p.New (QUIC,
// WebTransport and WebRTC are linked whatever its options). Flooding (upload in the
// number of peers; the mesh costs the sequencer six copies). Peer exchange of gossipsub
// (signed peer records, and trust in who prunes; ours is a question). Believing a
// peer's status (it only says whom to ask; how far the feed is, the signer says).
// A shelf on disk (what is older than two minutes is in snapshots and in the
// data-availability layer). Contents under the hash of the whole (of many sources one lies,
// and nobody knows which), or under the layer's names (not all are bound to the bytes, and a
// split blob's is a manifest's).
package gossip
