package sequencer

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func sampleGroup() *group {
	return &group{
		number:  7,
		txs:     []*chain.Tx{chain.NewTx(append([]byte{0xc9}, make([]byte, 9)...)), chain.NewTx(append([]byte{2, 0xc9}, make([]byte, 9)...))},
		running: common.Hash{9},
	}
}

func TestGroupRoundTrip(t *testing.T) {
	want := sampleGroup()
	var got group
	require.NoError(t, got.decode(want.append(nil)))
	require.Equal(t, want.number, got.number)
	require.Equal(t, want.running, got.running)
	require.Len(t, got.txs, 2)
	for i := range got.txs {
		require.Equal(t, want.txs[i].Raw(), got.txs[i].Raw())
	}
}

// What a damaged log may hold: records are refused, or are exactly what they say.
func FuzzRecords(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var g group
		if err := g.decode(b); err == nil {
			require.True(t, bytes.Equal(g.append(nil), b))
		} else {
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
		if id, err := decodeBlockID(b); err == nil {
			require.True(t, bytes.Equal(appendBlockID(nil, id), b))
		} else {
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
		var stored storedBlob
		if err := stored.decode(b); err == nil {
			require.True(t, bytes.Equal(stored.append(nil), b))
		} else {
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
		var e Evidence
		if err := e.decode(b); err == nil {
			require.True(t, bytes.Equal(e.encode(), b))
		} else {
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
		if c, err := decodeClaim(b); err == nil {
			require.True(t, bytes.Equal(c.encode(), b))
		} else {
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
	})
}
