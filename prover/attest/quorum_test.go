package attest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chainID = 7777

var program = Program{1, 2, 3}

func key(t testing.TB, n byte) *Key {
	k, err := NewKey(bytes.Repeat([]byte{n}, 32))
	require.NoError(t, err)
	return k
}

// statement is what is true of a block here.
func statement(number uint64) chain.Attestation {
	h := func(n byte) common.Hash { return common.Hash{n, byte(number)} }
	return chain.Attestation{
		ChainID: chainID, Term: 3, Block: chain.BlockID{Number: number, Hash: h(1)}, ParentHash: h(2),
		PreRoot: h(3), PostRoot: h(4), ReceiptsRoot: h(5), BlockDigest: h(6), ChangesDigest: h(7),
		WitnessDigest: h(8), DiffDigest: h(9), Program: program,
	}
}

// say is what prover n says of a block, altered.
func say(t testing.TB, n byte, number uint64, alter ...func(*chain.Attestation)) *chain.Attestation {
	a := statement(number)
	for _, f := range alter {
		f(&a)
	}
	require.NoError(t, Sign(&a, key(t, n)))
	return &a
}

func quorum(t testing.TB, threshold int, provers ...byte) *Quorum {
	r := Rules{ChainID: chainID, Threshold: threshold, Programs: []Program{program, {9}}, Blocks: 10}
	for _, n := range provers {
		r.Provers = append(r.Provers, key(t, n).Address())
	}
	q, err := NewQuorum(r)
	require.NoError(t, err)
	return q
}

func take(t testing.TB, q *Quorum, a *chain.Attestation) *Evidence {
	t.Helper()
	_, against, err := q.Take(a)
	require.NoError(t, err)
	return against
}

// isTrue is what fits for somebody who knows all of it.
func isTrue(a *chain.Attestation) bool {
	want := statement(a.Block.Number)
	return SameStatement(a, &want)
}

// headerFits is what fits for somebody who knows the header.
func headerFits(a *chain.Attestation) bool {
	want := statement(a.Block.Number)
	return a.Block == want.Block && a.PostRoot == want.PostRoot
}

func wrongRoot(a *chain.Attestation)      { a.PostRoot[9] ^= 1 }
func otherDiff(a *chain.Attestation)      { a.DiffDigest[9] ^= 1 }
func otherProgram(a *chain.Attestation)   { a.Program = Program{9} }
func unknownProgram(a *chain.Attestation) { a.Program = Program{8} }

func agreed(q *Quorum, number uint64, fits func(*chain.Attestation) bool) int {
	_, signers := q.Agreed(number, fits)
	return len(signers)
}

func TestThresholdOfAgreeingProvers(t *testing.T) {
	q := quorum(t, 2, 1, 2, 3)
	require.Nil(t, take(t, q, say(t, 1, 1)))
	require.Zero(t, agreed(q, 1, isTrue))
	// Again, and under another program: it is the same prover's voice.
	require.Nil(t, take(t, q, say(t, 1, 1)))
	require.Nil(t, take(t, q, say(t, 1, 1, otherProgram)))
	require.Zero(t, agreed(q, 1, isTrue))
	// Another program of another prover counts.
	require.Nil(t, take(t, q, say(t, 2, 1, otherProgram)))
	said, signers := q.Agreed(1, isTrue)
	require.Equal(t, []common.Address{key(t, 1).Address(), key(t, 2).Address()}, signers)
	require.True(t, isTrue(said))
	require.Zero(t, agreed(q, 2, isTrue))
}

func TestOneLiarMovesNothing(t *testing.T) {
	q := quorum(t, 2, 1, 2, 3)
	take(t, q, say(t, 1, 1, wrongRoot))
	take(t, q, say(t, 2, 1))
	require.Zero(t, agreed(q, 1, isTrue))
	require.Zero(t, agreed(q, 1, func(*chain.Attestation) bool { return true }), "they do not agree")
	take(t, q, say(t, 3, 1))
	require.Equal(t, 2, agreed(q, 1, isTrue), "and it keeps no other from counting")
}

// Who knows the header alone counts only words that are the same in what he does not
// know.
func TestUnknownFieldsMustAgree(t *testing.T) {
	q := quorum(t, 2, 1, 2, 3)
	take(t, q, say(t, 1, 1, otherDiff))
	take(t, q, say(t, 2, 1))
	require.Zero(t, agreed(q, 1, headerFits))
	take(t, q, say(t, 3, 1))
	said, signers := q.Agreed(1, headerFits)
	require.Len(t, signers, 2)
	require.True(t, isTrue(said))
}

func TestContradiction(t *testing.T) {
	q := quorum(t, 1, 1, 2)
	take(t, q, say(t, 1, 1, wrongRoot))
	require.Nil(t, take(t, q, say(t, 2, 1)), "of another prover")
	require.Nil(t, take(t, q, say(t, 1, 2)), "of another block")
	against := take(t, q, say(t, 1, 1))
	require.NotNil(t, against)
	who, err := against.Check(nil)
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), who)
	require.Equal(t, 2, agreed(q, 1, isTrue), "a right word counts, also after a wrong one")
	// Two encodings of one diff, and two blocks of one number, are none.
	require.Nil(t, take(t, q, say(t, 2, 1, otherDiff)))
	require.Nil(t, take(t, q, say(t, 2, 1, func(a *chain.Attestation) { a.Block.Hash[9] ^= 1 })))
}

// However often a prover changes its mind, what is kept is bounded, and its newest
// word is.
func TestFickleProverIsBounded(t *testing.T) {
	q := quorum(t, 1, 1)
	for i := range byte(20) {
		against := take(t, q, say(t, 1, 1, func(a *chain.Attestation) { a.PostRoot = common.Hash{i} }))
		require.Equal(t, i > 0, against != nil)
	}
	require.Len(t, q.words[1], wordsMax)
	take(t, q, say(t, 1, 1))
	require.Equal(t, 1, agreed(q, 1, isTrue))
	require.Len(t, q.words[1], wordsMax)
}

func TestWordsThatDoNotCount(t *testing.T) {
	q := quorum(t, 1, 1)
	forged := say(t, 1, 1)
	forged.Signature[10] ^= 1
	highV := say(t, 1, 1)
	highV.Signature[64] = 27
	altered := say(t, 1, 1)
	wrongRoot(altered)
	for name, c := range map[string]struct {
		said *chain.Attestation
		want []error
	}{
		"stranger":        {say(t, 2, 1), []error{ErrStranger}},
		"other chain":     {say(t, 1, 1, func(a *chain.Attestation) { a.ChainID++ }), []error{ErrForeign, chain.ErrMismatch}},
		"program":         {say(t, 1, 1, unknownProgram), []error{ErrProgram}},
		"second form":     {highV, []error{chain.ErrCorrupt}},
		"genesis":         {say(t, 1, 0), []error{ErrRange, chain.ErrOutOfStep}},
		"far ahead":       {say(t, 1, 11), []error{ErrRange}},
		"altered":         {altered, []error{ErrStranger}}, // it recovers to some key
		"for ever beyond": {say(t, 1, 1<<64-1), []error{ErrRange}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := q.Take(c.said)
			for _, want := range c.want {
				require.ErrorIs(t, err, want)
			}
		})
	}
	_, _, err := q.Take(forged)
	require.True(t, errors.Is(err, chain.ErrCorrupt) || errors.Is(err, ErrStranger))
	require.Empty(t, q.words)
}

func TestForget(t *testing.T) {
	q := quorum(t, 1, 1)
	for n := uint64(1); n <= 10; n++ {
		take(t, q, say(t, 1, n))
	}
	q.Forget(7)
	q.Forget(5)
	require.Len(t, q.words, 3)
	require.Zero(t, agreed(q, 7, isTrue))
	require.Equal(t, 1, agreed(q, 8, isTrue))
	_, _, err := q.Take(say(t, 1, 7))
	require.ErrorIs(t, err, ErrRange)
	take(t, q, say(t, 1, 17))
}

func TestRulesAreChecked(t *testing.T) {
	who := key(t, 1).Address()
	for _, r := range []Rules{
		{},
		{Provers: []common.Address{who}, Threshold: 2},
		{Provers: []common.Address{who, who}, Threshold: 2},
		{Provers: []common.Address{who}, Threshold: -1},
	} {
		_, err := NewQuorum(r)
		require.Error(t, err)
	}
	q, err := NewQuorum(Rules{ChainID: chainID, Provers: []common.Address{who}})
	require.NoError(t, err)
	take(t, q, say(t, 1, 1, unknownProgram))
	require.Equal(t, 1, agreed(q, 1, isTrue), "no programs: any")
}

func TestInjectedRecoverer(t *testing.T) {
	asked := 0
	q, err := NewQuorum(Rules{ChainID: chainID, Provers: []common.Address{{5}}, Recoverer: func(common.Hash, *[65]byte) (common.Address, error) {
		asked++
		return common.Address{5}, nil
	}})
	require.NoError(t, err)
	a := statement(1)
	signer, _, err := q.Take(&a)
	require.NoError(t, err)
	require.Equal(t, common.Address{5}, signer)
	a.Signature[64] = 2
	_, _, err = q.Take(&a)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.Equal(t, 1, asked, "the form is looked at first")
}
