package p2p

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// FuzzInvitation: what is read of an answer is what a sequencer may mean, and would be
// read the same if it were said again; or the error says what is wrong.
func FuzzInvitation(f *testing.F) {
	raw, err := json.Marshal(invitation())
	require.NoError(f, err)
	f.Add(raw, 0)
	f.Add(raw, invitationMax)
	f.Add([]byte("<html>"), 0)
	f.Fuzz(func(t *testing.T, raw []byte, spaces int) {
		raw = append(raw, bytes.Repeat([]byte{' '}, max(0, min(spaces, 2*invitationMax)))...)
		i, err := readInvitation(bytes.NewReader(raw))
		if err != nil {
			if i != nil || errors.Is(err, chain.ErrTooLarge) != (len(raw) > invitationMax) || errors.Is(err, chain.ErrTooLarge) == errors.Is(err, chain.ErrCorrupt) {
				t.Fatalf("%d bytes: %+v, %v", len(raw), i, err)
			}
			return
		}
		if len(raw) > invitationMax || len(i.Provers) > 0 && (i.Threshold < 1 || i.Threshold > len(i.Provers)) {
			t.Fatalf("%d bytes: %+v", len(raw), i)
		}
		for _, text := range i.Peers {
			if info, err := peer.AddrInfoFromString(text); err != nil || info.ID.Validate() != nil {
				t.Fatalf("%q is nobody's address: %v", text, err)
			}
		}
		if client, err := i.Client(); (client == nil) == (err == nil) || err != nil && !errors.Is(err, chain.ErrCorrupt) {
			t.Fatalf("layer %q: %v", i.Layer, err)
		}
		if _, err := i.Signer("http://192.0.2.1", common.Address{}); !errors.Is(err, ErrStranger) {
			t.Fatalf("a stranger is believed: %v", err)
		}
		if err := i.check(genesis()); err != nil && !errors.Is(err, chain.ErrMismatch) {
			t.Fatal(err)
		}
		again, err := json.Marshal(i)
		require.NoError(t, err)
		if len(again) > invitationMax {
			return // characters that are escaped
		}
		back, err := readInvitation(bytes.NewReader(again))
		require.NoError(t, err)
		require.Equal(t, i, back)
	})
}
