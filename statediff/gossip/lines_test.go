package gossip

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// prover is the key of prover i.
func prover(t testing.TB, i byte) *envelope.Key {
	k, err := envelope.NewKey(bytes.Repeat([]byte{100 + i}, 32))
	require.NoError(t, err)
	return k
}

// attestation is prover i's word about a block.
func attestation(t testing.TB, i byte, number uint64, program byte) []byte {
	a := &chain.Attestation{ChainID: sampleChain, Term: 1, Block: chain.BlockID{Number: number}, Program: common.Hash{program}}
	var err error
	a.Signature, err = prover(t, i).Sign(a.SigningHash())
	require.NoError(t, err)
	return encode(t, a)
}

// sealed is an envelope of something about a block.
func sealed(t testing.TB, by envelope.Signer, kind envelope.Kind, number uint64, body []byte) []byte {
	h := envelope.Header{Kind: kind, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: chain.HeaderPlace(number)}
	msg, err := envelope.Seal(nil, h, body, by)
	require.NoError(t, err)
	return msg
}

// word is an envelope that was opened, of something that nobody reads.
func word(t testing.TB, by envelope.Signer, number uint64, body string) envelope.Opened {
	msg := sealed(t, by, envelope.KindAttestation, number, fmt.Appendf(nil, "%s %020d", body, number))
	h, err := envelope.Peek(msg, nil)
	require.NoError(t, err)
	return envelope.Opened{Header: h, Signer: by.Address(), Envelope: msg, Body: msg[envelope.Overhead:]}
}

// check knows all rules of arrivals' own data.
func (a *arrivals) check(t *testing.T) {
	items := 0
	for _, by := range a.signed {
		signed := 0
		for _, s := range by.shares {
			size := 0
			for i, one := range s.items {
				size += one.weight()
				require.Same(t, one, a.items[a.search(one.number)])
				require.True(t, i == 0 || s.items[i-1].Place.Number <= one.Place.Number)
			}
			require.Equal(t, size, s.bytes)
			require.LessOrEqual(t, len(s.items), a.most)
			items += len(s.items)
			signed += size
		}
		require.Equal(t, signed, by.bytes)
		require.True(t, len(a.items) <= 1 || signed <= a.mostBytes)
		require.LessOrEqual(t, len(by.shares), speakersMax+1)
	}
	said := 0
	for _, n := range a.said {
		require.True(t, n > 0 && n <= speechMax)
		said += n
	}
	require.True(t, slices.IsSortedFunc(a.items, func(x, y *arrival) int { return int(x.number) - int(y.number) }))
	require.True(t, slices.IsSortedFunc(a.blocks, compareBlocks))
	require.ElementsMatch(t, a.items, a.blocks)
	require.Equal(t, []int{items, items, items}, []int{len(a.items), len(a.seen), said})
}

func (a *arrivals) numbers() (list []uint64) {
	for _, one := range a.blocks {
		list = append(list, one.Place.Number)
	}
	return list
}

// The words of all provers travel in envelopes of the sequencer's: each counts for who
// spoke. A prover that speaks in its own envelopes speaks for itself alone.
func TestAttestationsOfMany(t *testing.T) {
	x := newWorld(t)
	cfg := x.config()
	cfg.Signer = sampleKey(t)
	cfg.Signers[prover(t, 90).Address()] = envelope.Grant{Kinds: []envelope.Kind{envelope.KindAttestation}}
	seq, err := New(cfg)
	require.NoError(t, err)
	defer seq.Close()
	next, err := seq.Subscribe(t.Context(), link.TopicAttestations, link.Oldest)
	require.NoError(t, err)
	const provers = 70
	for i := range byte(provers) {
		_, err := seq.Publish(t.Context(), link.TopicAttestations, attestation(t, i, 7, 0))
		require.NoError(t, err)
		_, msg, err := next(t.Context())
		require.NoError(t, err)
		require.Equal(t, attestation(t, i, 7, 0), msg)
	}
	for program := range byte(speechMax + 1) { // the first is known
		_, err := seq.Publish(t.Context(), link.TopicAttestations, attestation(t, 0, 7, program))
		require.NoError(t, err)
	}
	require.Len(t, seq.shelf.attestations.items, provers+speechMax-1, "one prover speaks so often of a block")
	_, err = seq.Publish(t.Context(), link.TopicAttestations, encode(t, &chain.Attestation{Block: chain.BlockID{Number: 7}}))
	require.ErrorIs(t, err, envelope.ErrFault, "nobody signed that")

	take := func(body []byte) error {
		o, err := seq.checker.Open(sealed(t, prover(t, 90), envelope.KindAttestation, 7, body))
		require.NoError(t, err)
		_, err = seq.take(o, false)
		return err
	}
	require.NoError(t, take(attestation(t, 90, 7, 0)))
	require.ErrorIs(t, take(attestation(t, 91, 7, 0)), envelope.ErrFault)
	require.Len(t, seq.shelf.attestations.items, provers+speechMax)
	seq.shelf.attestations.check(t)
}

// Whatever blocks a signer invents, it pushes out its own words only; and who asks what is
// recent gets some of everybody.
func TestSharesOfSigners(t *testing.T) {
	const most = 8
	a := newArrivals(most, 1<<20, 2)
	honest, liar := prover(t, 1), prover(t, 2)
	add := func(by *envelope.Key, number uint64) Verdict {
		defer a.check(t)
		return a.add(word(t, by, number, "word"+by.Address().Hex()), by.Address())
	}
	for i := range uint64(3 * most) {
		require.Equal(t, Taken, add(liar, 1<<60+i))
	}
	for number := uint64(1); number <= 5; number++ {
		require.Equal(t, Taken, add(honest, number))
		require.Equal(t, Taken, add(liar, 1<<61+number))
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5}, a.numbers()[:5])
	require.Len(t, a.items, 5+most)
	require.Equal(t, uint64(1<<61+5), a.newest().Place.Number)
	var recent []uint64
	for _, msg := range a.recent(6, 1<<20) {
		h, err := envelope.Peek(msg, nil)
		require.NoError(t, err)
		recent = append(recent, h.Place.Number)
	}
	require.Equal(t, []uint64{3, 1<<61 + 3, 4, 1<<61 + 4, 5, 1<<61 + 5}, recent)
	require.Len(t, a.recent(100, 1000), 1000/len(a.items[0].Envelope))
	require.Len(t, a.recent(100, 1<<20), len(a.items))
}

// The words of provers that one sequencer signs are each prover's own: however many they
// are, and whatever one of them says, the others' reach as far back.
func TestSharesOfSpeakers(t *testing.T) {
	const most, speakers = 8, 20
	sequencer := sampleKey(t)
	speaker := func(i int) common.Address { return common.Address{byte(i >> 8), byte(i), 1} }
	say := func(a *arrivals, i int, number uint64) Verdict {
		return a.add(word(t, sequencer, number, fmt.Sprintf("%05d", i)), speaker(i))
	}
	a := newArrivals(most, 1<<20, 1)
	for number := uint64(1); number <= 2*most; number++ {
		for i := range speakers {
			require.Equal(t, Taken, say(&a, i, number))
		}
		require.Equal(t, Taken, say(&a, speakers, 1<<60+number))
	}
	a.check(t)
	require.Len(t, a.items, (speakers+1)*most)
	require.Len(t, a.since(most+1, 1000, 1<<20), (speakers+1)*most)
	require.Equal(t, Old, say(&a, 0, most))
	old := word(t, sequencer, most, "00001").Header
	require.Equal(t, Old, a.has(&old), "it need not be opened")
	require.Len(t, a.recent(speakers+1, 1<<20), speakers+1)

	// If all is too much, who said most loses some.
	weight := a.items[0].weight()
	b := newArrivals(most, 12*weight, 1)
	for i, numbers := range [][]uint64{{1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4, 5}} {
		for _, number := range numbers {
			require.Equal(t, Taken, say(&b, i, number))
			b.check(t)
		}
	}
	require.Len(t, b.items, 12)
	for i := range 4 {
		require.Len(t, b.signed[sequencer.Address()].shares[speaker(i)].items, 3, "%d", i)
	}
	require.Equal(t, Old, say(&b, 3, 1))

	// Speakers that a signer invents share what is left.
	c := newArrivals(most, 1<<20, 1)
	for i := range speakersMax + most + 5 {
		require.Equal(t, Taken, say(&c, i, uint64(1+i)))
	}
	c.check(t)
	require.Len(t, c.items, speakersMax+most)
}

// Twenty provers' words reach back for half an hour and more of blocks of a second.
func TestWordsReachBack(t *testing.T) {
	body := attestation(t, 1, 1<<40, 0)
	weight := (&arrival{Opened: envelope.Opened{Envelope: sealed(t, sampleKey(t), envelope.KindAttestation, 1<<40, body)}}).weight()
	a := speakerOnly(t, 1).shelf.attestations
	require.Greater(t, min(a.most, a.mostBytes/weight/20), 2048)
}

// Whoever asks for old words has us look at those alone that he gets: the shelf's lock is
// held meanwhile.
func TestSinceCostsWhatItFinds(t *testing.T) {
	a := newArrivals(100, 1<<20, 2)
	for number := uint64(1); number <= 20; number++ {
		for _, i := range []byte{2, 1} {
			require.Equal(t, Taken, a.add(word(t, prover(t, i), 21-number, fmt.Sprint(i)), prover(t, i).Address()))
		}
	}
	var found []uint64
	for _, msg := range a.since(9, 4, 1<<20) {
		h, err := envelope.Peek(msg, nil)
		require.NoError(t, err)
		found = append(found, h.Place.Number)
	}
	require.Equal(t, []uint64{9, 9, 10, 10}, found)
	require.Len(t, a.since(0, 100, 1000), 1000/len(a.items[0].Envelope))
	for from, want := range map[uint64]float64{1 << 60: 0, 20: 1} {
		require.LessOrEqual(t, testing.AllocsPerRun(10, func() { a.since(from, 1, 1<<20) }), want, "from %d", from)
	}
	a.check(t)
}

// An old word that is sent again pushes out nothing, is nobody's to read, and is not even
// opened; by number as by size.
func TestReplaysPushOutNothing(t *testing.T) {
	key := prover(t, 1)
	weight := (&arrival{Opened: word(t, key, 1, "word")}).weight()
	for name, a := range map[string]arrivals{
		"number": newArrivals(4, 1<<20, 1),
		"bytes":  newArrivals(1000, 4*weight, 1),
	} {
		t.Run(name, func(t *testing.T) {
			add := func(number uint64) Verdict {
				defer a.check(t)
				return a.add(word(t, key, number, "word"), key.Address())
			}
			for _, number := range []uint64{10, 20, 40, 30} {
				require.Equal(t, Taken, add(number))
			}
			reader := newArrivalReader(&a, link.Oldest)
			read := func() (list []uint64) {
				for {
					number, msg, _, err := reader.poll()
					require.NoError(t, err)
					if msg == nil {
						return list
					}
					list = append(list, number)
				}
			}
			require.Equal(t, []uint64{10, 20, 30, 40}, read())
			for range 3 {
				for number := range uint64(11) {
					v := add(number)
					require.True(t, v == Old || v == Have && number == 10, "%d: %s", number, v)
				}
			}
			require.Equal(t, []uint64{10, 20, 30, 40}, a.numbers())
			require.Equal(t, Taken, add(50))
			require.Equal(t, Taken, add(25), "nobody has it, and it is not the lowest")
			require.Equal(t, []uint64{25, 30, 40, 50}, a.numbers())
			old := word(t, key, 20, "word").Header
			require.Equal(t, Old, a.has(&old))
			require.Equal(t, []uint64{50, 25}, read())
			for _, number := range []uint64{60, 70, 80, 90} {
				require.Equal(t, Taken, add(number))
			}
			require.Equal(t, []uint64{60, 70, 80, 90}, read())
			for _, number := range []uint64{100, 110, 120, 130, 140} {
				require.Equal(t, Taken, add(number))
			}
			require.Equal(t, []uint64{110, 120, 130, 140}, read(), "100 was dropped before it was read")
		})
	}
}

// A speaker whose share is full, and who goes on, costs others nothing: a reader that lags
// gets what they say, and all that is kept.
func TestDroppedBeforeRead(t *testing.T) {
	a := newArrivals(4, 1<<20, 2)
	honest, liar := prover(t, 1), prover(t, 2)
	reader := newArrivalReader(&a, link.Oldest)
	read := func() (number uint64) {
		number, _, _, err := reader.poll()
		require.NoError(t, err)
		return number
	}
	require.Zero(t, read(), "there is nothing yet")
	for number := uint64(1); number <= 3; number++ {
		require.Equal(t, Taken, a.add(word(t, honest, number, "honest"), honest.Address()))
		for i := range uint64(9) {
			require.Equal(t, Taken, a.add(word(t, liar, 1<<60+10*number+i, "liar"), liar.Address()))
		}
	}
	var got []uint64
	for number := read(); number > 0; number = read() {
		got = append(got, number)
	}
	require.Equal(t, []uint64{1, 2, 3, 1<<60 + 35, 1<<60 + 36, 1<<60 + 37, 1<<60 + 38}, got)
}

// A series keeps the highest, within its bounds, and does not hide its gaps.
func TestSeriesBounds(t *testing.T) {
	var s series
	add := func(number uint64, size int) Verdict {
		o := envelope.Opened{Header: envelope.Header{Kind: envelope.KindPublication, Place: chain.HeaderPlace(number)}, Envelope: make([]byte, size)}
		v, evidence := s.add(o)
		require.Nil(t, evidence)
		return v
	}
	for number := uint64(100); number < 110; number++ {
		if number != 105 {
			require.Equal(t, Taken, add(number, 100))
		}
	}
	for from, want := range map[uint64]int{100: 5, 104: 1, 106: 4, 110: 0, 200: 0} {
		found, err := s.since(from, 100, 1<<20)
		require.NoError(t, err)
		require.Len(t, found, want, "from %d", from)
	}
	for _, from := range []uint64{99, 105} {
		_, err := s.since(from, 100, 1<<20)
		require.ErrorIs(t, err, chain.ErrOutOfStep)
	}
	require.Equal(t, Taken, add(110, seriesBytes-messageOverhead-5*(100+messageOverhead)+1))
	require.Equal(t, uint64(106), s.first())
	require.Equal(t, Old, add(104, 100))
	require.Equal(t, Taken, add(105, 1), "there is room")
	require.LessOrEqual(t, s.bytes, seriesBytes)
	s = series{}
	for number := uint64(1); number <= seriesKept+10; number++ {
		require.Equal(t, Taken, add(number, 1))
	}
	require.Equal(t, uint64(11), s.first())
	require.Equal(t, Old, add(10, 1))
}
