package dashboard

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a chain that does what its clock says: some thousand transactions per
// second, in waves.
type world struct {
	started time.Time
	alone   bool // nobody follows, proves or measures
	trouble bool // a prover refuses, the data-availability layer is slow, a node lags
}

var worldBounds = func() (bounds []time.Duration) {
	for i := range 80 {
		bounds = append(bounds, time.Duration(1e5*math.Pow(10, float64(i+1)/16)))
	}
	return bounds
}()

func (w *world) at(now time.Time) Snapshot {
	seconds := now.Sub(w.started).Seconds()
	blocks := uint64(seconds)
	txs := uint64(2400*seconds + 900*math.Sin(seconds/3) + 120*math.Sin(2.3*seconds))
	minis := uint64(100 * seconds)
	s := Snapshot{
		Name: "devnet", ChainID: 31337, Started: w.started, Durability: "fsync", Load: 2400,
		MiniBlockInterval: 10 * time.Millisecond, BlockInterval: time.Second,
		Transactions: txs, Groups: uint64(420 * seconds), SyncTime: time.Duration(380 * seconds * 2.1e6),
		MiniBlocks: minis, DiffBytes: 52 * txs, WitnessBytes: 417 * txs, WitnessTxs: txs,
		Latency: &Latency{From: 100 * time.Microsecond, Bounds: worldBounds},
		Heads: Heads{
			Number: blocks, Index: uint32(100 * (seconds - float64(blocks))),
			Sealed: blocks - 1, Published: blocks - 1, Proven: blocks - 3, Proves: true,
		},
		Nodes: []Node{
			{"full node 1", uint64(seconds*7) % 2, 0, txs, 52 * txs},
			{"full node 2", uint64(seconds*5) % 3, 0, txs, 52 * txs},
		},
		Provers: []Prover{{"prover 1", blocks - 3, 0, 1}, {"prover 2", blocks - 4, 0, 2}},
		Queues: []Queue{
			{"Pool", "transactions for execution", 1284, 65_536},
			{"Log", "entries for the disk", 17, 1024},
			{"Roots", "closed blocks for their root", 1, 2},
			{"DA", "sealed blocks for data availability", 2, 64},
			{"Proofs", "published blocks for provers", 3, 4096},
		},
		Addresses: []Address{
			{"sequencer", []string{"http://127.0.0.1:8545", "ws://127.0.0.1:8545", "http://127.0.0.1:8545/realtime"}},
			{"full node 1", []string{"http://127.0.0.1:8547", "ws://127.0.0.1:8547", "http://127.0.0.1:8547/realtime"}},
		},
	}
	for i := range len(worldBounds) + 1 { // a bell around 4 ms
		x := (float64(i) - 26) / 4
		s.Latency.Counts = append(s.Latency.Counts, uint64(float64(txs)*math.Exp(-x*x/2)/10))
	}
	if w.trouble {
		s.Heads.Published, s.Heads.Proven = blocks-35, blocks-60
		s.Queues[0].Length, s.Queues[3].Length = 51_200, 34
		s.Nodes[1].MiniBlocksBehind, s.Nodes[1].BlocksBehind = 1543, 15
		s.Provers[1].Refused = 2
	}
	if w.alone {
		s.Name, s.Durability, s.Load, s.Latency, s.Nodes, s.Provers = "sequencer", "none", 0, nil, nil, nil
		s.Heads.Proves, s.Queues, s.Addresses = false, s.Queues[:4], s.Addresses[:1]
	}
	return s
}

// open serves a dashboard of the world that has been running for some time, of which it
// saw the last minute.
func (w *world) open(t *testing.T, running time.Duration) (url string, d *Dashboard) {
	t.Helper()
	now := time.Now()
	w.started = now.Add(-running)
	past := new(window)
	for ago := min(span, running); ago > 0; ago -= period {
		past.add(now.Add(-ago), w.at(now.Add(-ago)))
	}
	d = newDashboard(func() Snapshot { return w.at(time.Now()) }, past)
	server := httptest.NewServer(d)
	t.Cleanup(func() { require.NoError(t, d.Close()); server.Close() })
	return server.URL, d
}

// look opens a feed.
func look(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/dashboard/live", nil)
	require.NoError(t, err)
	response.Body.Close()
	t.Cleanup(func() { conn.Close() })
	return conn
}

// next is the next message of a feed.
func next(t *testing.T, conn *websocket.Conn) (m message) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	require.NoError(t, conn.ReadJSON(&m))
	return m
}
