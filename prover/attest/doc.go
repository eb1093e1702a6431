// Package attest is about the words of provers: it signs them, says who signed, whose
// words count, and when enough agree. It executes nothing and needs no C compiler, so
// whoever reads attestations can have it: provers and sequencer, and full nodes, which
// thereby believe the provers rather than the sequencer.
//
// A Quorum answers one question: have enough of the allowed keys, under allowed
// programs, said the same of this block? The owner says of which blocks it is to keep
// words, and what of a word must fit: a sequencer knows all that is attested, a full
// node what its header says; the rest must be the same in all words that are counted.
//
// # Late, wrong, contradictory
//
// A right word counts whenever it comes, also after wrong ones of the same key:
// blocks are proven one after the other, and a prover that was repaired must be able
// to say the right thing at last. A wrong one never counts, and keeps no other from
// counting. Whether a word is wrong is for the owner to know, who has the block. That
// two words contradict each other, everybody can see: see Contradict and Evidence.
package attest
