package attest

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// Every field that a block's hash determines makes a contradiction.
func TestContradict(t *testing.T) {
	want := statement(1)
	for name, c := range map[string]struct {
		alter func(*chain.Attestation)
		want  bool
	}{
		"nothing":   {func(*chain.Attestation) {}, false},
		"chain":     {func(a *chain.Attestation) { a.ChainID++ }, false},
		"number":    {func(a *chain.Attestation) { a.Block.Number++ }, false},
		"hash":      {func(a *chain.Attestation) { a.Block.Hash[0]++ }, false},
		"program":   {otherProgram, false},
		"signature": {func(a *chain.Attestation) { a.Signature[0]++ }, false},
		"diff":      {otherDiff, false},
		"term":      {func(a *chain.Attestation) { a.Term++ }, true},
		"parent":    {func(a *chain.Attestation) { a.ParentHash[0]++ }, true},
		"pre root":  {func(a *chain.Attestation) { a.PreRoot[0]++ }, true},
		"post root": {wrongRoot, true},
		"receipts":  {func(a *chain.Attestation) { a.ReceiptsRoot[0]++ }, true},
		"block":     {func(a *chain.Attestation) { a.BlockDigest[0]++ }, true},
		"changes":   {func(a *chain.Attestation) { a.ChangesDigest[0]++ }, true},
		"witness":   {func(a *chain.Attestation) { a.WitnessDigest[0]++ }, true},
	} {
		t.Run(name, func(t *testing.T) {
			other := want
			c.alter(&other)
			require.Equal(t, c.want, Contradict(&want, &other))
			require.Equal(t, c.want, Contradict(&other, &want))
		})
	}
}

func TestEvidence(t *testing.T) {
	good := Evidence{*say(t, 1, 1), *say(t, 1, 1, wrongRoot)}
	who, err := good.Check(nil)
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), who)

	for name, e := range map[string]Evidence{
		"no contradiction": {*say(t, 1, 1), *say(t, 1, 1)},
		"of two provers":   {*say(t, 1, 1), *say(t, 2, 1, wrongRoot)},
	} {
		_, err := e.Check(nil)
		require.ErrorIs(t, err, chain.ErrMismatch, name)
	}
	unsigned := Evidence{*say(t, 1, 1), statement(1)}
	wrongRoot(&unsigned.Second)
	_, err = unsigned.Check(nil)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	unsigned.First, unsigned.Second = unsigned.Second, unsigned.First
	_, err = unsigned.Check(nil)
	require.ErrorIs(t, err, chain.ErrCorrupt)
}

// Signatures are the same bytes as go-ethereum's, which wallets and contracts check.
func TestSignAgreesWithEthereum(t *testing.T) {
	a := say(t, 1, 1)
	secret, err := crypto.ToECDSA(common.FromHex("0x0101010101010101010101010101010101010101010101010101010101010101"))
	require.NoError(t, err)
	hash := a.SigningHash()
	want, err := crypto.Sign(hash[:], secret)
	require.NoError(t, err)
	require.Equal(t, want, a.Signature[:])
	who, err := Recover(a)
	require.NoError(t, err)
	require.Equal(t, crypto.PubkeyToAddress(secret.PublicKey), who)
}

func TestSignature(t *testing.T) {
	a := say(t, 1, 5)
	signer, err := Recover(a)
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), signer)

	// Every field is signed: any other attestation has another signer.
	for name, alter := range map[string]func(*chain.Attestation){
		"chain id": func(a *chain.Attestation) { a.ChainID++ }, "term": func(a *chain.Attestation) { a.Term++ },
		"number": func(a *chain.Attestation) { a.Block.Number++ }, "block": func(a *chain.Attestation) { a.Block.Hash[0]++ },
		"parent": func(a *chain.Attestation) { a.ParentHash[0]++ }, "pre": func(a *chain.Attestation) { a.PreRoot[0]++ },
		"post": func(a *chain.Attestation) { a.PostRoot[0]++ }, "receipts": func(a *chain.Attestation) { a.ReceiptsRoot[0]++ },
		"body": func(a *chain.Attestation) { a.BlockDigest[0]++ }, "changes": func(a *chain.Attestation) { a.ChangesDigest[0]++ },
		"witness": func(a *chain.Attestation) { a.WitnessDigest[0]++ }, "diff": func(a *chain.Attestation) { a.DiffDigest[0]++ },
		"program": func(a *chain.Attestation) { a.Program[0]++ },
	} {
		other := *a
		alter(&other)
		if got, err := Recover(&other); err == nil && got == signer {
			t.Errorf("%s is not signed", name)
		}
	}

	// Nobody can make a second signature of a first: S is low, V is 0 or 1.
	high := *a
	var s, order uint256.Int
	s.SetBytes(high.Signature[32:64])
	order.SetFromBig(crypto.S256().Params().N)
	s.Sub(&order, &s)
	s.WriteToSlice(high.Signature[32:64])
	high.Signature[64] ^= 1
	ethereum := *a
	ethereum.Signature[64] += 27
	for name, bad := range map[string]chain.Attestation{"high S": high, "V of 27": ethereum, "no signature": {}} {
		_, err := Recover(&bad)
		require.ErrorIs(t, err, chain.ErrCorrupt, name)
	}
}

// twister signs in the second form.
type twister struct{ *Key }

func (k twister) Sign(hash common.Hash) ([65]byte, error) {
	sig, err := k.Key.Sign(hash)
	sig[64] += 27
	return sig, err
}

func TestSignRefusesWhatOthersWould(t *testing.T) {
	a := statement(1)
	require.ErrorIs(t, Sign(&a, twister{key(t, 1)}), chain.ErrCorrupt)
	require.Zero(t, a.Signature)
}

// FuzzAttestation: a word from outside that counts is signed by who is allowed to, and
// has one form.
func FuzzAttestation(f *testing.F) {
	q := quorum(f, 1, 1)
	for _, a := range []*chain.Attestation{say(f, 1, 1), say(f, 2, 1), say(f, 1, 2, wrongRoot)} {
		raw, _ := a.AppendBinary(nil)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a chain.Attestation
		if a.UnmarshalBinary(raw) != nil {
			return
		}
		who, err := q.Check(&a)
		if err != nil {
			return
		}
		again, _ := a.AppendBinary(nil)
		if who != key(t, 1).Address() || a.Signature[64] > 1 || string(again) != string(raw) {
			t.Fatalf("%s said %x", who, raw)
		}
	})
}
