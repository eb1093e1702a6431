package envelope

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func TestEvidence(t *testing.T) {
	other := func(change func(*Header)) Header {
		h := sample(KindFrame)
		change(&h)
		return h
	}
	first := seal(t, sample(KindFrame), []byte("one"), key(t, 1))
	for _, c := range []struct {
		name   string
		second []byte
		want   error
	}{
		{"contradiction", seal(t, sample(KindFrame), []byte("two"), key(t, 1)), nil},
		{"the same again", first, chain.ErrMismatch},
		{"another signer", seal(t, sample(KindFrame), []byte("two"), key(t, 3)), chain.ErrMismatch},
		{"another place", seal(t, other(func(h *Header) { h.Place.Index++ }), []byte("two"), key(t, 1)), chain.ErrMismatch},
		{"another term", seal(t, other(func(h *Header) { h.Term++ }), []byte("two"), key(t, 1)), chain.ErrMismatch},
		{"another chain", seal(t, other(func(h *Header) { h.ChainID++ }), []byte("two"), key(t, 1)), chain.ErrMismatch},
		{"another kind", seal(t, other(func(h *Header) { h.Kind = KindBodies }), []byte("two"), key(t, 1)), chain.ErrMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Evidence{WordOf(first), WordOf(c.second)}
			signer, err := e.Check(nil)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.Equal(t, key(t, 1).Address(), signer)
			}
			raw, err := e.AppendBinary(nil)
			require.NoError(t, err)
			var again Evidence
			require.NoError(t, again.UnmarshalBinary(raw))
			require.Equal(t, e, again)
			require.ErrorIs(t, again.UnmarshalBinary(raw[1:]), chain.ErrCorrupt)
		})
	}
	// Heartbeats follow each other at one place.
	beats := Evidence{WordOf(seal(t, sample(KindHeartbeat), []byte("one"), key(t, 1))), WordOf(seal(t, sample(KindHeartbeat), []byte("two"), key(t, 1)))}
	_, err := beats.Check(nil)
	require.ErrorIs(t, err, chain.ErrMismatch)
}

// The same content packed by another compressor is the same word, though not the same
// bytes: no evidence against a sequencer that was upgraded.
func TestPackingIsNoContradiction(t *testing.T) {
	body := text(5000)
	packed, _ := pack(body)
	h := sample(KindBodies)
	h.Decoded, h.Content = uint32(len(body)), chain.Keccak256(body)
	plain := sealRaw(t, h, body, key(t, 1))
	h.Packed = true
	e := Evidence{WordOf(plain), WordOf(sealRaw(t, h, packed, key(t, 1)))}
	_, err := e.Check(nil)
	require.ErrorIs(t, err, chain.ErrMismatch)
}

// No word of which a bit was flipped convinces.
func TestForgedEvidence(t *testing.T) {
	e := Evidence{WordOf(seal(t, sample(KindFrame), []byte("one"), key(t, 1))), WordOf(seal(t, sample(KindFrame), []byte("two"), key(t, 1)))}
	for i := range e.Second {
		forged := e
		forged.Second[i] ^= 1
		_, err := forged.Check(nil)
		require.Error(t, err, "byte %d", i)
	}
}
