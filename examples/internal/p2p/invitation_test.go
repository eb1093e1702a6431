package p2p

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

var quiet = slog.New(slog.DiscardHandler)

func genesis() *chain.Genesis {
	return &chain.Genesis{ChainID: 7, Header: &chain.Header{GasLimit: 1}}
}

func invitation() *Invitation {
	g := genesis()
	return &Invitation{ChainID: g.ChainID, Genesis: g.Header.Hash(), Sequencer: common.Address{1}, Peers: []string{"/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"}, Layer: "altda=http://x", Provers: []common.Address{{2}}, Threshold: 1}
}

// A program that is there before the sequencer waits for it, and takes no other chain's.
func TestAsk(t *testing.T) {
	var (
		asked  atomic.Int64
		answer = invitation()
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case 2:
			_, _ = w.Write([]byte(`{"chainId":` + strings.Repeat(" ", invitationMax) + `7}`))
		case 3:
			senseless := *answer
			senseless.Threshold = 2
			senseless.ServeHTTP(w, r)
		default:
			require.Equal(t, "/network", r.URL.Path)
			answer.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	got, err := Ask(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"/realtime?x=1", genesis(), quiet)
	require.NoError(t, err)
	require.Equal(t, answer, got)
	require.EqualValues(t, 4, asked.Load())

	answer.ChainID++
	_, err = Ask(t.Context(), server.URL, genesis(), quiet)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.ErrorContains(t, err, "chain id 8, want 7")
	answer.ChainID--
	answer.Genesis[0]++
	_, err = Ask(t.Context(), server.URL, genesis(), quiet)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.ErrorContains(t, err, "another chain")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	server.Close()
	_, err = Ask(ctx, server.URL, genesis(), quiet)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A sequencer says itself whose word counts only to its own machine.
func TestSigner(t *testing.T) {
	i, known := invitation(), common.Address{9}
	for door, here := range map[string]bool{
		"http://127.0.0.1:8545": true, "http://localhost:8545": true, "ws://[::1]:8545": true,
		"http://192.0.2.1:8545": false, "http://localhost.example:8545": false, "http://127.0.0.1.example:8545": false, "::": false,
	} {
		got, err := i.Signer(door, known)
		require.NoError(t, err, door)
		require.Equal(t, known, got)
		got, err = i.Signer(door, common.Address{})
		if here {
			require.NoError(t, err, door)
			require.Equal(t, i.Sequencer, got)
		} else {
			require.ErrorIs(t, err, ErrStranger, door)
		}
	}
}
