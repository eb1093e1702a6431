package program

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// largest has the longest encoding that an output without proof can have.
func largest() *Output {
	most, full := ^uint64(0), common.MaxHash
	return &Output{
		Public: chain.Attestation{
			ChainID: most, Term: most, Block: chain.BlockID{Number: most, Hash: full},
			ParentHash: full, PreRoot: full, PostRoot: full, ReceiptsRoot: full,
			BlockDigest: full, ChangesDigest: full, WitnessDigest: full, DiffDigest: full,
		},
		Rules: full,
	}
}

func encode(t testing.TB, o *Output) []byte {
	t.Helper()
	raw, err := o.AppendBinary(nil)
	require.NoError(t, err)
	return raw
}

func TestOutput(t *testing.T) {
	require.Len(t, encode(t, largest()), PublicMax)
	for _, proof := range [][]byte{nil, {0}, []byte("proof")} {
		want := largest()
		want.Proof = proof
		raw := encode(t, want)
		require.Equal(t, "VZO1", string(raw[:4]))
		var got Output
		require.NoError(t, got.UnmarshalBinary(raw))
		require.Equal(t, want, &got)
		clear(raw)
		require.Equal(t, want, &got, "it kept the bytes")
	}
}

func TestOutputRefuses(t *testing.T) {
	raw := encode(t, largest())
	got := Output{Proof: []byte("untouched")}
	for n := range raw {
		require.ErrorIs(t, got.UnmarshalBinary(raw[:n]), chain.ErrCorrupt, "%d bytes", n)
	}
	for name, alter := range map[string]func(*chain.Attestation){
		"program":   func(a *chain.Attestation) { a.Program[31] = 1 },
		"signature": func(a *chain.Attestation) { a.Signature[0] = 1 },
	} {
		o := largest()
		alter(&o.Public)
		_, err := o.AppendBinary(nil)
		require.ErrorIs(t, err, chain.ErrCorrupt, name)
		forged, err := o.Public.AppendBinary([]byte(outputMagic))
		require.NoError(t, err)
		require.ErrorIs(t, got.UnmarshalBinary(append(forged, o.Rules[:]...)), chain.ErrCorrupt, name)
	}
	require.Equal(t, Output{Proof: []byte("untouched")}, got)
}

// FuzzOutput: what is read is written the same.
func FuzzOutput(f *testing.F) {
	f.Add(encode(f, largest()))
	f.Add(append(encode(f, &Output{}), "proof"...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o Output
		if err := o.UnmarshalBinary(raw); err != nil {
			require.ErrorIs(t, err, chain.ErrCorrupt)
			return
		}
		require.Equal(t, raw, encode(t, &o))
		require.LessOrEqual(t, len(raw)-len(o.Proof), PublicMax)
	})
}
