package envelope

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

const sampleChain = 7777

var sampleGenesis = chain.Keccak256([]byte("genesis"))

func key(t testing.TB, n byte) *Key {
	k, err := NewKey(bytes.Repeat([]byte{n}, 32))
	require.NoError(t, err)
	return k
}

// sample is a header of kind k for what is at block 12, or its mini-block 3.
func sample(k Kind) Header {
	h := Header{Kind: k, ChainID: sampleChain, Genesis: sampleGenesis, Term: 2, Place: chain.HeaderPlace(12)}
	if kinds[k].mini {
		h.Place.Index = 3
	}
	return h
}

func seal(t testing.TB, h Header, body []byte, s Signer) []byte {
	msg, err := Seal(nil, h, body, s)
	require.NoError(t, err)
	return msg
}

// sealRaw signs whatever head and body say.
func sealRaw(t testing.TB, h Header, sent []byte, s Signer) []byte {
	msg := h.append(nil)
	sig, err := s.Sign(signingHash(msg, chain.Keccak256(sent)))
	require.NoError(t, err)
	return append(append(msg, sig[:]...), sent...)
}

// checker believes key 1 in everything, key 2 in attestations, key 3 in terms 1 to 2.
func checker(t testing.TB, change ...func(*Config)) *Checker {
	cfg := Config{ChainID: sampleChain, Genesis: sampleGenesis, Signers: map[common.Address]Grant{
		key(t, 1).Address(): {},
		key(t, 2).Address(): {Kinds: []Kind{KindAttestation}},
		key(t, 3).Address(): {Terms: TermRange{1, 2}},
	}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewChecker(cfg)
	require.NoError(t, err)
	return c
}

// text is n bytes that can be packed, noise n bytes that cannot.
func text(n int) []byte { return bytes.Repeat([]byte("vivace "), n/7+1)[:n] }

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
