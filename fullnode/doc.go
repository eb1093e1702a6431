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
// is a matter of trust, as with any weak-subjectivity checkpoint.
//
// Nothing here imports an executor; a test holds that.
package fullnode
