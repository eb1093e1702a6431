package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

func TestFullnodeReasons(t *testing.T) {
	const patience = 90 * time.Second
	start := time.Unix(1000, 0)
	never := []rpc.Reason{{Check: "feed", Detail: "nothing has come from the sequencer yet"}}
	for name, test := range map[string]struct {
		heard      time.Time
		feed, body error
		want       []rpc.Reason
	}{
		"never heard":   {want: never},
		"heard":         {heard: start.Add(-patience)},
		"silent":        {heard: start.Add(-patience - time.Second), want: []rpc.Reason{{Check: "feed", Detail: "nothing came from the sequencer for 1m31s; the chain's blocks let it expect something within 1m30s"}}},
		"refused":       {heard: start, feed: errors.New("another root"), want: []rpc.Reason{{Check: "feed", Detail: "another root"}}},
		"body refused":  {heard: start, body: errors.New("another body"), want: []rpc.Reason{{Check: "bodies", Detail: "another body"}}},
		"both":          {feed: errors.New("another root"), want: append([]rpc.Reason{{Check: "feed", Detail: "another root"}}, never...)},
		"clock is back": {heard: start.Add(time.Hour)},
	} {
		require.Equal(t, test.want, fullnodeReasons(start, &fullnode.Stats{LastMessage: test.heard, BacklogMax: 5}, patience, test.feed, test.body), name)
	}
}

// What a node counts can be a reason, too.
func TestFullnodeReasonsOfStats(t *testing.T) {
	now := time.Unix(10_000, 0)
	for name, test := range map[string]struct {
		stats fullnode.Stats
		want  []rpc.Reason
	}{
		"nothing":      {},
		"provers lag":  {stats: fullnode.Stats{Unproven: 300, UnprovenSince: now.Add(-5 * time.Minute)}},
		"provers stop": {fullnode.Stats{Unproven: 301, UnprovenSince: now.Add(-301 * time.Second)}, []rpc.Reason{{Check: "provers", Detail: "301 blocks are not proven; the first of them waits for 5m1s"}}},
		"unverified": {
			fullnode.Stats{Verified: 7, Unverified: 2, LastUnverified: now.Add(-10 * time.Minute)},
			[]rpc.Reason{{Check: "verify", Detail: "2 blocks were not executed again, the last of them 10m0s ago"}},
		},
		"verifies since": {stats: fullnode.Stats{Verified: 7, Unverified: 2, LastUnverified: now.Add(-10*time.Minute - time.Second)}},
		"backlog":        {stats: fullnode.Stats{BacklogBytes: 11, BacklogMax: 10}},
		"feed waits": {
			fullnode.Stats{BacklogBytes: 11, BacklogMax: 10, LastMessage: now.Add(-time.Hour)},
			[]rpc.Reason{{Check: "history", Detail: "the feed waits for 1h0m0s, until history has taken some of 11 bytes; 10 are too many"}},
		},
	} {
		if test.stats.LastMessage.IsZero() {
			test.stats.LastMessage = now
		}
		require.Equal(t, test.want, fullnodeReasons(now, &test.stats, time.Minute, nil, nil), name)
	}
}

// A key that signed two feeds is a reason; one that contradicts itself in what nobody reads
// as the chain is not.
func TestPeersReasons(t *testing.T) {
	require.Empty(t, peersReasons(1, nil))
	require.Equal(t, []rpc.Reason{{Check: "peers", Detail: "no peer is connected"}}, peersReasons(0, nil))
	key, err := attest.NewKey(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	evidence := func(kind gossip.Kind, at chain.Place) (e gossip.Evidence) {
		for i, word := range []*envelope.Word{&e.First, &e.Second} {
			msg, err := envelope.Seal(nil, envelope.Header{Kind: kind, ChainID: 1, Term: 1, Place: at}, []byte{byte(i)}, key)
			require.NoError(t, err)
			*word = envelope.WordOf(msg)
		}
		return e
	}
	other := evidence(gossip.KindPublication, chain.HeaderPlace(7))
	require.Empty(t, peersReasons(1, []gossip.Evidence{other}))
	for kind, at := range map[gossip.Kind]chain.Place{gossip.KindFrame: {Number: 7, Index: 3}, gossip.KindHeader: chain.HeaderPlace(7)} {
		e := evidence(kind, at)
		reasons := peersReasons(1, []gossip.Evidence{other, e, e})
		require.Len(t, reasons, 1)
		require.Equal(t, "signer", reasons[0].Check)
		require.Contains(t, reasons[0].Detail, at.String())
	}
}

func TestInterval(t *testing.T) {
	for name, test := range map[string]struct {
		times   []uint64 // of blocks from genesis on
		from    uint64   // of the oldest header that is kept
		open    uint64   // the timestamp of the block after these; 0: none
		want    time.Duration
		unknown bool
	}{
		"genesis":                {times: []uint64{0}, unknown: true},
		"its child":              {times: []uint64{0}, open: 1_700_000_000, unknown: true},
		"first block":            {times: []uint64{0, 1_700_000_000}, unknown: true},
		"open block":             {times: []uint64{0, 100}, open: 130, want: 30 * time.Second},
		"two blocks":             {times: []uint64{0, 100, 130}, want: 30 * time.Second},
		"pause":                  {times: []uint64{0, 100, 130, 9000}, open: 99_000, want: 30 * time.Second},
		"another rate long ago":  {times: []uint64{0, 100, 101, 131, 161, 191}, open: 221, want: 30 * time.Second},
		"less than a second":     {times: []uint64{0, 100, 100, 101}, open: 101},
		"from a snapshot":        {times: []uint64{0, 100, 130}, from: 2, open: 160, want: 30 * time.Second},
		"from a snapshot, alone": {times: []uint64{0, 100, 130}, from: 2, unknown: true},
	} {
		header := func(number uint64) (*chain.Header, error) {
			if number < test.from {
				return nil, chain.ErrNotFound
			}
			return &chain.Header{Number: number, Timestamp: test.times[number]}, nil
		}
		newest, err := header(uint64(len(test.times) - 1))
		require.NoError(t, err)
		env := &chain.Env{Number: newest.Number, Timestamp: newest.Timestamp}
		if test.open != 0 {
			env = &chain.Env{Number: newest.Number + 1, Timestamp: test.open}
		}
		got, known := interval(env, newest, header)
		require.Equal(t, test.want, got, name)
		require.Equal(t, !test.unknown, known, name)
	}
}

// A full node gets no traffic before it has heard of its sequencer.
func TestFullnodeReadiness(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := slog.New(slog.DiscardHandler)
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)})
	require.NoError(t, err)
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header, Logger: log})
	require.NoError(t, err)
	defer store.Close()
	bus := sequencer.NewBus(1 << 20)
	f, err := fullnode.New(ctx, fullnode.Config{Genesis: spec.Genesis, Subscriber: bus, History: store, Logger: log})
	require.NoError(t, err)
	defer f.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	door, err := (&Options{Address: "127.0.0.1", Hosts: "localhost", API: "eth"}).Open(t.TempDir())
	require.NoError(t, err)
	service := &Service{
		Door: door, Backend: node.OfFullnode(f, store, spec.Config, node.FullnodeOptions{Logger: log}), Engine: engine,
		Ready: FullnodeReady(f, store), Log: log,
	}
	ended := make(chan error, 2)
	go func() { ended <- Together(ctx, f.Run, service.Run) }()
	ready := func() (int, string) {
		res, err := http.Get("http://" + door.Addr().String() + "/healthz/ready")
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, why := ready()
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, why, "nothing has come from the sequencer yet")

	s, err := sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), DA: inprocess.New(), Publisher: bus, Logger: log,
	})
	require.NoError(t, err)
	defer s.Close()
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { status, _ := ready(); return status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}

func TestDeskReasons(t *testing.T) {
	one, two := common.Address{1}, common.Address{2}
	require.Empty(t, deskReasons(nil))
	require.Empty(t, deskReasons([]sequencer.Failing{{Number: 7, Provers: []common.Address{one}, Why: []string{"no memory"}}}), "it may be the prover's affair")
	require.Equal(t, []rpc.Reason{{Check: "provers", Detail: "2 provers failed with block 8, the last: no root"}},
		deskReasons([]sequencer.Failing{{Number: 8, Provers: []common.Address{one, two}, Why: []string{"no root", "no memory"}, Last: "no root"}}))
}

// A sequencer is not as it should be while its layer does not give back what it took, and when
// the block after the proven head is not proven for long: with what provers say of that one.
func TestSequencerReasons(t *testing.T) {
	bounds := sequencer.Stats{UnpublishedMax: 64, UnprovenMax: 4096, PoolMax: 100}
	failing := []sequencer.Failing{{Number: 17, Provers: make([]common.Address, 1), Why: make([]string, 1), Last: "object not found"}}
	for name, test := range map[string]struct {
		change  func(*sequencer.Stats)
		next    uint64
		failing []sequencer.Failing
		want    []rpc.Reason
	}{
		"nothing":     {change: func(*sequencer.Stats) {}, next: 1},
		"provers lag": {change: func(st *sequencer.Stats) { st.Unproven, st.OldestUnproven = 300, 5*time.Minute }, next: 17, failing: failing},
		"a block stops provers": {
			func(st *sequencer.Stats) { st.Unproven, st.OldestUnproven = 301, 301*time.Second }, 17, failing,
			[]rpc.Reason{{Check: "provers", Detail: "block 17 is published and has not been proven for 5m1s; the last that a prover said: object not found"}},
		},
		"there is no prover": {
			func(st *sequencer.Stats) { st.OldestUnproven = time.Hour }, 16, failing,
			[]rpc.Reason{{Check: "provers", Detail: "block 16 is published and has not been proven for 1h0m0s; no prover has said why"}},
		},
		"lost": {
			func(st *sequencer.Stats) { st.Missing = "witness of block 3: not found" }, 1, nil,
			[]rpc.Reason{{Check: "da", Detail: "the data-availability layer took and does not give back the witness of block 3: not found"}},
		},
		"window": {
			func(st *sequencer.Stats) { st.Unpublished = 48 }, 1, nil,
			[]rpc.Reason{{Check: "da", Detail: "48 of at most 64 blocks wait for the data-availability layer"}},
		},
	} {
		st := bounds
		test.change(&st)
		require.Equal(t, test.want, sequencerReasons(&st, test.next, test.failing), name)
	}
}
