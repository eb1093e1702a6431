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
// seldom, and at last gives up (Config.RejoinDelay).
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
// delay is not; but it waits for no stream that is silent, or brings nothing new. An
// error of the history's own ends Run, because nothing good comes of a full disk or of
// another chain's store.
//
// Blocks that the history has already it is not told again, nor are their bodies waited
// for; it only compares their headers with its own. What it does not have sealed is kept
// in memory, with the bodies that came, from one Run to the next. Each begins with taking
// back what is unsealed and telling it anew, so it does not matter where the one before
// ended, or who wrote to the history before that.
//
// Nothing here imports an executor; a test holds that.
package fullnode
