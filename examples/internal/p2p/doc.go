// Package p2p brings the programs of one chain together: the network in which they gossip,
// the data-availability layer that they share, and how one that knows nothing but the
// sequencer's address finds both.
//
// A sequencer says at /network of its door what others need to know (Invitation). On this
// machine that is enough; elsewhere its key has to come from somebody who is trusted:
// whoever answers at an address could name a key of his own.
package p2p
