// Package fullnode is the full node that follows by diffs: it never executes. It
// takes mini-blocks as diffs against its own state, shows them as preconfirmed,
// and at each header computes the root of all that it applied, compares, and only
// then commits.
//
// # What it promises
//
// Its committed state is at every moment the state of a block whose header's root
// it has computed itself. What is torn, flipped, out of order, another chain's or
// simply wrong is refused with an error that says what and where, and changes
// nothing: not the state, not the diff decoder's model, not the place in the feed.
// A header that its mini-blocks do not bear out drops these mini-blocks; that is
// what preconfirmed means.
//
// # How
//
// Frames arrive in order, each naming the digest of the one before (chain.Frame).
// Their changes are staged, one on the other, while the block has no header; the
// mini-blocks of the next block are staged on top. A block's last frame comes after
// the parent's header, so that the write of EIP-2935, which no frame has, can be
// derived and staged where it belongs. The header commits the block's stages as
// one block; those on top remain.
//
// A node begins at genesis or at a snapshot (Config.FromSnapshot), whose state it
// rebuilds the trie from and checks against the header's root. Which header that is,
// is a matter of trust, as with any weak-subjectivity checkpoint. A node that has a
// history goes back to a snapshot that leaves no gap in it, as long as the feed does.
//
// A node that was away for longer than the feed keeps messages, or is too slow for it,
// begins anew at a snapshot in the same way, while it runs, if it began at one: it
// brings another state up beside the one it has, and only when that has the root of its
// header do readers get it, all at once. Until then they have the state from before,
// which is old but whole. Waiting for a snapshot it can go on from, it asks ever more
// seldom, and at last gives up (Config.RejoinDelay). An archive's history has a gap there,
// from the block it had to the snapshot's, and no block of it half: what waits for its
// bodies may still be had, what comes after the snapshot goes behind the gap.
//
// # From the data-availability layer
//
// With Config.FromDA it needs no feed and no snapshot: publications say where the blocks
// are, and what is there, header, body and diff, is all that a state needs. Some are
// fetched at a time and applied one after the other, each only if it hashes to what was
// published, follows the head, and its diff leads to the root in its header. What does not
// is refused, is Evidence where it is a lie and no accident, and is asked for again, from
// the next of Config.Mirrors and later. So the layer can withhold and delay, and no more.
// Which block is the next, the publication says: who gives publications vouches for that
// (Config.Subscriber, and Config.Index), as for the feed's headers.
// A node goes this way, too, when the feed is silent while blocks are published.
//
// Each header in the feed says what the decoder needs to go on after it (chain.Sealed). So
// the node goes over to the feed right after the first block whose header it finds there
// with all that follows, in the midst of the stream.
//
// # Two modes
//
// Without Config.History, or with one of headers only, a node is one of state: it reads the
// feed alone, and knows no transactions and no receipts. With a History it is an archive.
// Stats tells apart what the diffs, the bodies and the receipts of a transaction take on
// the way. What a body implies is not sent: of a receipt go status, gas and logs, of a
// transaction its envelope, and no sender. Number and index of a body follow from the
// frame that it names; these 5 to 9 bytes let it be put aside or refused before that frame
// has come. The gas of a mini-block's last transaction follows from the frame as well, and
// is sent: 3 bytes for every mini-block are not worth a receipt that cannot be read alone.
//
// # How sure
//
// Heads.Published moves when a block of ours is said to be in the layer, and Heads.Proven
// when enough of Config.Provers say of it what this node knows itself: chain, term, hash,
// parent, both state roots, receipts root; of what it does not know, the digests of the
// objects, they must say the same. It believes provers, not the sequencer. The proven head
// passes over no block, because a block is only proven if those before it are: a word vouches
// for one step, from the state before to the state after, and for nothing before that.
//
// So Proven rests on what the node began with: the snapshot, or genesis, and, since provers
// may have spoken before it could hear, the block that was then the newest to be published,
// whose hash says all that comes before it. When the node has come to that block, and it is
// the very same, it passes over those up to there of which it hears nothing, as it takes the
// snapshot, unless a prover contradicts one; if it is another, over none. All later blocks
// need words: those, too, that the node goes over when it begins anew while it runs, for who
// publishes could make it do that at any time. Of these it has no headers, and the words must
// name each other, hash and root, from the proven head to a block that it has.
//
// If a word is lost later, or came when its block was too far ahead, the head stands still
// until the word is heard again: after Config.ProofPatience the node asks for what others
// keep (a sequencer, and gossip, keep the newest), and reads anew what is kept here. If
// nobody keeps it any more the head stays, and the operator sees it in Stats.UnprovenSince;
// to pass over a block of which nothing was heard is what a sequencer would want who made a
// false one. What helps is to make a new node (New) with FromSnapshot, which is to trust a
// snapshot. (Rejected: to pass over after some time; to let the sequencer say where to go on,
// or by a number alone how far it is; and to ask of a header's timestamp whether the block
// was there before: where blocks take less than a second timestamps run ahead of the clock.)
//
// With Config.Reexecute an archive believes nobody: it executes each block once more,
// behind the head, on the state before it, and compares. A difference ends Run with a
// VerifyError. Blocks from the layer it executes before they become state, and has their
// receipts thereby, which are not in the layer. A block whose bodies are withheld, or lie,
// or trickle in, it takes from the layer as well. What a sequencer gets into neither in
// time, while the state before it is kept, is counted (Stats.Unverified). (Rejected: to stop
// there. Who verifies would be the first whom a lost message stops.)
//
// What cannot be true, whoever said it, is kept as Evidence.
//
// # Bodies
//
// Transactions and receipts come on a stream of their own, as bodies of mini-blocks.
// A node with Config.History brings them together with what the feed said of the
// mini-block (by the frame's digest), and seals a block of the history only after its
// bodies were compared with the roots in its header, by which the state has then been
// checked. So what is sealed is what the header commits to, and only what is not sealed
// rests on the word of who sent the bodies.
//
// The state does not need bodies and never fails for want of them. A body that did not
// come shows in that a later one does, and costs its block: the history has a gap
// there, for good. So does a body that lies, whether that shows at once or at the
// header. A body that is refused is counted and remembered (Follower.RefusedBody), a
// block that is given up is logged and counted (Stats.Lost); Run goes on. If bodies
// lag, the feed waits for them when Config.BacklogBytes are full: a gap is for ever, a
// delay is not; but it waits for no stream that is silent, or brings nothing new. Blocks
// that come whole from the layer wait in the same bounds until the history has taken those
// before. That the feed waits is not silence of the feed. An
// error of the history's own ends Run, because nothing good comes of a full disk or of
// another chain's store.
//
// Blocks that the history has already it is not told again, nor are their bodies waited
// for; it only compares their headers with its own. What it does not have sealed is kept
// in memory, with the bodies that came, from one Run to the next. Each begins with taking
// back what is unsealed and telling it anew, so it does not matter where the one before
// ended, or who wrote to the history before that.
//
// Nothing here imports an executor; a test holds that. Reexecute is a function.
package fullnode
