package envelope

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func TestSealOpen(t *testing.T) {
	c := checker(t)
	for kind, facts := range kinds {
		for _, body := range [][]byte{{0}, text(packMin - 1), text(packMin), noise(900), text(1000)} {
			want := sample(kind)
			msg := seal(t, want, body, key(t, 1))
			o, err := c.Open(msg)
			require.NoError(t, err)
			require.Equal(t, body, o.Body)
			require.Equal(t, msg, o.Envelope)
			require.Equal(t, key(t, 1).Address(), o.Signer)
			require.Equal(t, facts.pack && len(body) >= packMin && body[0] == 'v', o.Packed)
			want.Packed, want.Decoded, want.Content = o.Packed, uint32(len(body)), chain.Keccak256(body)
			require.Equal(t, want, o.Header)
			peeked, err := Peek(msg, nil)
			require.NoError(t, err)
			require.Equal(t, want, peeked)
		}
	}
}

// A frame may come packed, though we do not pack any.
func TestPackedFrame(t *testing.T) {
	body := text(5000)
	packed, ok := pack(body)
	require.True(t, ok)
	h := sample(KindFrame)
	h.Packed, h.Decoded, h.Content = true, uint32(len(body)), chain.Keccak256(body)
	o, err := checker(t).Open(sealRaw(t, h, packed, key(t, 1)))
	require.NoError(t, err)
	require.Equal(t, body, o.Body)
}

// Every bit of an envelope counts: none may be another and the envelope still be good.
func TestEveryBitIsSigned(t *testing.T) {
	for _, kind := range []Kind{KindFrame, KindHeader} {
		c, msg := checker(t), seal(t, sample(kind), text(200), key(t, 1))
		for i := range msg {
			for bit := range 8 {
				msg[i] ^= 1 << bit
				_, err := c.Open(msg)
				require.Error(t, err, "byte %d, bit %d", i, bit)
				require.NotErrorIs(t, err, ErrFault, "byte %d, bit %d: the signer is not to blame", i, bit)
				msg[i] ^= 1 << bit
			}
		}
		for n := range msg {
			_, err := c.Open(msg[:n])
			require.Error(t, err)
		}
		_, err := c.Open(append(msg, 0))
		require.Error(t, err)
	}
}

// The second form of a signature recovers to the same key, and is refused.
func TestMalleableSignature(t *testing.T) {
	msg := seal(t, sample(KindFrame), []byte("a frame"), key(t, 1))
	s := new(uint256.Int).SetBytes(msg[headSize+32 : headSize+64])
	order := uint256.MustFromHex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	s.Sub(order, s).WriteToSlice(msg[headSize+32 : headSize+64])
	msg[headSize+64] ^= 1

	w := newWord(msg)
	pub, err := crypto.SigToPub(signingHash(w[:headSize], w.sum()).Bytes(), msg[headSize:Overhead])
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), crypto.PubkeyToAddress(*pub), "it is the twin")
	_, err = checker(t).Open(msg)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.ErrorContains(t, err, "upper half")
}

func TestWhoMaySign(t *testing.T) {
	with := func(kind Kind, term, number uint64) Header {
		h := sample(kind)
		h.Term, h.Place.Number = term, number
		return h
	}
	foreign, fork := with(KindFrame, 2, 12), with(KindFrame, 2, 12)
	foreign.ChainID++
	fork.Genesis[31]++
	for _, c := range []struct {
		name string
		h    Header
		key  byte
		want error
	}{
		{"a stranger", with(KindFrame, 2, 12), 9, ErrSigner},
		{"a prover attests", with(KindAttestation, 2, 12), 2, nil},
		{"a prover does not sequence", with(KindFrame, 2, 12), 2, ErrSigner},
		{"first of the terms", with(KindFrame, 1, 12), 3, nil},
		{"last of the terms", with(KindFrame, 2, 12), 3, nil},
		{"before the terms", with(KindFrame, 0, 12), 3, ErrTerm},
		{"after the terms", with(KindFrame, 3, 12), 3, ErrTerm},
		{"any term", with(KindFrame, math.MaxUint64, 12), 1, nil},
		{"another chain id", foreign, 1, ErrForeign},
		{"another genesis", fork, 1, ErrForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := checker(t).Open(seal(t, c.h, []byte("body"), key(t, c.key)))
			require.ErrorIs(t, err, c.want)
		})
	}
}

// Once block 20 is known to be of term 5, an earlier term is over there, and was good
// before.
func TestFence(t *testing.T) {
	c := checker(t)
	c.Fence(20, 5)
	c.Fence(10, 4) // known already that it is over
	for _, x := range []struct {
		number, term uint64
		want         error
	}{{19, 4, nil}, {20, 4, ErrTerm}, {99, 4, ErrTerm}, {20, 5, nil}, {20, 6, nil}} {
		h := sample(KindFrame)
		h.Place.Number, h.Term = x.number, x.term
		_, err := c.Open(seal(t, h, []byte("body"), key(t, 1)))
		require.ErrorIs(t, err, x.want, "block %d, term %d", x.number, x.term)
	}
}

// What a trusted key signed, and is not what it says, is proven to be its fault.
func TestFaults(t *testing.T) {
	body := text(5000)
	packed, _ := pack(body)
	twice, _ := pack(append(text(5000), text(5000)...))
	noSize, err := zstd.NewWriter(nil, zstd.WithSingleSegment(false))
	require.NoError(t, err)
	streamed := noSize.EncodeAll(body, nil)
	var stream bytes.Buffer
	noSize.Reset(&stream)
	_, err = noSize.Write(body)
	require.NoError(t, err)
	require.NoError(t, noSize.Flush()) // what is not known to end here has no size
	require.NoError(t, noSize.Close())
	unstated := stream.Bytes()
	for _, c := range []struct {
		name    string
		sent    []byte
		packed  bool
		decoded int
		content []byte
	}{
		{"another content", body, false, 5000, text(1)},
		{"another packed content", packed, true, 5000, text(1)},
		{"not packed", noise(400), true, 5000, body},
		{"states less", packed, true, 4999, body[:4999]},
		{"states more", packed, true, 5001, body},
		{"more than stated", twice, true, 5000, body},
		{"cut", packed[:len(packed)-1], true, 5000, body},
		{"two frames", append(packed[:len(packed):len(packed)], packed...), true, 5000, body},
		{"no size stated", unstated, true, 5000, body},
		{"skippable and good", append(append(binary.LittleEndian.AppendUint32(nil, 0x184D2A50), 4, 0, 0, 0, 1, 2, 3, 4), packed...), true, 5000, body},
		{"skippable", append(binary.LittleEndian.AppendUint32(nil, 0x184D2A50), make([]byte, 20)...), true, 5000, body},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := sample(KindFrame)
			h.Packed, h.Decoded, h.Content = c.packed, uint32(c.decoded), chain.Keccak256(c.content)
			_, err := checker(t).Open(sealRaw(t, h, c.sent, key(t, 1)))
			require.ErrorIs(t, err, ErrFault)
			fault := new(FaultError)
			require.True(t, errors.As(err, &fault))
			require.Equal(t, key(t, 1).Address(), fault.Signer)
			_, err = checker(t).Open(sealRaw(t, h, c.sent, key(t, 9)))
			require.ErrorIs(t, err, ErrSigner, "a stranger's is not even unpacked")
		})
	}
	// As long as it states its size, any way to write a frame will do.
	h := sample(KindFrame)
	h.Packed, h.Decoded, h.Content = true, 5000, chain.Keccak256(body)
	_, err = checker(t).Open(sealRaw(t, h, streamed, key(t, 1)))
	require.NoError(t, err)
}

// Heads that do not fit together are refused at Peek.
func TestPeekRefuses(t *testing.T) {
	good := seal(t, sample(KindFrame), []byte("body"), key(t, 1))
	put := func(offset int, b ...byte) func([]byte) []byte {
		return func(msg []byte) []byte { copy(msg[offset:], b); return msg }
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"magic":               {put(1, 'e'), chain.ErrCorrupt},
		"version":             {put(2, 2), chain.ErrCorrupt},
		"kind":                {put(3, 'x'), chain.ErrCorrupt},
		"packing":             {put(4, 2), chain.ErrCorrupt},
		"header's index":      {put(61, 255, 255, 255, 255), chain.ErrCorrupt},
		"header with index":   {put(3, 'h'), chain.ErrCorrupt},
		"less than stated":    {put(65, 0, 0, 0, 5), chain.ErrCorrupt},
		"more than stated":    {put(65, 0, 0, 0, 3), chain.ErrCorrupt},
		"packed and not less": {put(4, 1), chain.ErrCorrupt},
		"too large unpacked":  {put(65, 255, 255, 255, 255), chain.ErrTooLarge},
		"no body":             {func(msg []byte) []byte { return msg[:Overhead] }, chain.ErrCorrupt},
		"empty":               {func(msg []byte) []byte { return nil }, chain.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Peek(c.change(append([]byte(nil), good...)), nil)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestLimits(t *testing.T) {
	for kind, facts := range kinds {
		sent := int(facts.limit.Sent)
		largest := sealRaw(t, withSize(kind, sent), make([]byte, sent), key(t, 1))
		_, err := Peek(largest, nil)
		require.NoError(t, err)
		_, err = Peek(sealRaw(t, withSize(kind, sent+1), make([]byte, sent+1), key(t, 1)), nil)
		require.ErrorIs(t, err, chain.ErrTooLarge)

		h := withSize(kind, int(facts.limit.Decoded)+1)
		h.Packed = true
		_, err = Peek(sealRaw(t, h, make([]byte, 10), key(t, 1)), nil)
		require.ErrorIs(t, err, chain.ErrTooLarge)

		_, err = Peek(largest, new(Limits))
		require.ErrorIs(t, err, chain.ErrCorrupt, "a kind without a limit is not taken")
		require.LessOrEqual(t, facts.limit.Decoded, uint32(DecodedMax))
	}
}

func withSize(kind Kind, decoded int) Header {
	h := sample(kind)
	h.Decoded = uint32(decoded)
	return h
}

type strange struct {
	*Key
	sig [65]byte
	err error
}

func (s strange) Sign(common.Hash) ([65]byte, error) { return s.sig, s.err }

func TestSealRefuses(t *testing.T) {
	upper := [65]byte{32: 0xff}
	for name, c := range map[string]struct {
		h    Header
		body []byte
		s    Signer
		want error
	}{
		"no body":        {sample(KindFrame), nil, key(t, 1), chain.ErrCorrupt},
		"too large":      {sample(KindHeader), noise(2049), key(t, 1), chain.ErrTooLarge},
		"far too large":  {sample(KindFrame), make([]byte, DecodedMax+1), key(t, 1), chain.ErrTooLarge},
		"no such kind":   {sample('x'), []byte("body"), key(t, 1), chain.ErrCorrupt},
		"index":          {Header{Kind: KindHeader}, []byte("body"), key(t, 1), chain.ErrCorrupt},
		"signer fails":   {sample(KindFrame), []byte("body"), strange{err: chain.ErrBusy}, chain.ErrBusy},
		"V of a KMS":     {sample(KindFrame), []byte("body"), strange{sig: [65]byte{64: 27}}, chain.ErrCorrupt},
		"high S of same": {sample(KindFrame), []byte("body"), strange{sig: upper}, chain.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Seal(nil, c.h, c.body, c.s)
			require.ErrorIs(t, err, c.want)
		})
	}
	msg, err := Seal([]byte("before"), sample(KindFrame), []byte("body"), key(t, 1))
	require.NoError(t, err)
	require.Equal(t, append([]byte("before"), seal(t, sample(KindFrame), []byte("body"), key(t, 1))...), msg)
}

// V says which of two points R is, and no more: other Vs, which some recover from, are
// other forms of a signature.
func TestOddV(t *testing.T) {
	c := checker(t, trusting(t))
	msg := seal(t, sample(KindFrame), []byte("a frame"), key(t, 1))
	for _, v := range []byte{2, 3, 27, 28, 255} {
		msg[headSize+64] = v
		_, err := c.Open(msg)
		require.ErrorIs(t, err, chain.ErrCorrupt, "V %d", v)
	}
}

func TestNobodyToBelieve(t *testing.T) {
	_, err := NewChecker(Config{ChainID: 1})
	require.Error(t, err)
}
