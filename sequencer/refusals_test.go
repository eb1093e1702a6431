package sequencer

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A flood of words that are refused is one line of each kind, and later another that says
// how many there were; the lie of a prover does not drown in what strangers send.
func TestRefusedWordsAreLogged(t *testing.T) {
	key, stranger := keyOf(t, 1), keyOf(t, 2)
	s := newWordy(t, vfs.NewCrash(1), link.NewBus(1<<20), key, 1)
	defer s.Close()
	var out bytes.Buffer
	now := time.Unix(1e9, 0)
	s.refusals = refusals{
		log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }, kinds: make(map[refusal]*refused),
	}
	word := func(n uint64, by *attest.Key, alter func(*chain.Attestation)) error {
		a := truth(n)
		a.ChainID = s.cfg.Genesis.ChainID
		alter(&a)
		require.NoError(t, attest.Sign(&a, by))
		return s.Attest(t.Context(), &a)
	}
	flood := func() {
		for i := range 100 {
			require.ErrorIs(t, word(1, stranger, func(a *chain.Attestation) { a.ReceiptsRoot = common.Hash{byte(i)} }), ErrNotAllowed)
			require.ErrorIs(t, word(uint64(1000+i), stranger, func(*chain.Attestation) {}), chain.ErrNotFound)
		}
	}
	flood()
	go func() { <-s.journal }() // the evidence
	require.ErrorIs(t, word(1, key, lie), chain.ErrMismatch)
	lines := func() []string { return strings.Split(strings.TrimSpace(out.String()), "\n") }
	require.Len(t, lines(), 3)
	require.Contains(t, out.String(), stranger.Address().String())
	require.Contains(t, lines()[2], key.Address().String())
	require.Contains(t, lines()[2], "contradicts")

	now = now.Add(refusalPause - 1)
	flood()
	require.Len(t, lines(), 3)
	now = now.Add(1)
	flood()
	require.Len(t, lines(), 5)
	require.Contains(t, lines()[4], "line\"=199")
	require.Len(t, s.refusals.kinds, 3, "nothing is remembered of strangers")
	s.refusals.note(stranger.Address(), chain.ErrMismatch)
	require.Len(t, lines(), 6, "one prover of ours hides no other")
}
