package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/examples/internal/dashboard/browser"
	"github.com/vivace-chain/vivace/examples/internal/serve"
)

// serveDevnet runs the program with -serve until the test ends, and returns the addresses
// of its doors.
func serveDevnet(t *testing.T, args ...string) (sequencer, node string) {
	t.Helper()
	var (
		out, in = io.Pipe()
		errs    bytes.Buffer
		code    int
		ended   = make(chan struct{})
		lines   = bufio.NewScanner(out)
	)
	args = append(args, "-serve", "-http.port=0", "-fullnode.http.port=0", "-log-level=error")
	t.Setenv("TMPDIR", t.TempDir())
	go func() {
		defer close(ended)
		code = run(args, in, &errs)
		in.Close()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
		_, _ = io.Copy(io.Discard, out)
		<-ended
		require.Zero(t, code, errs.String())
	})
	for lines.Scan() {
		switch name, rest, _ := strings.Cut(lines.Text(), "  http://"); name {
		case "full node":
			node, _, _ = strings.Cut(rest, " ")
		case "dashboard":
			go func() { _, _ = io.Copy(io.Discard, out) }() // the live display
			return rest, node
		}
	}
	<-ended
	t.Fatalf("the devnet ended with %d: %s", code, &errs)
	return "", ""
}

// shown is what the test looks at of what the dashboard's feed says.
type shown struct {
	Txs     uint64
	TPS     float64
	Diff    float64
	Witness float64
	Latency struct{ Total, P50 uint64 }
	Heads   struct{ Sealed, Published, Proven uint64 }
	Nodes   []struct {
		Name       string
		Lag, Roots uint64
		Diff       float64
	}
	Provers []struct{ Attested uint64 }
	Queues  []struct{ Most int }
}

func TestServeDashboard(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	sequencer, node := serveDevnet(t, "-rate=50", "-accounts=20", "-clients=8", "-block=200ms")
	for _, door := range []string{sequencer, node} {
		response, err := http.Get("http://" + door)
		require.NoError(t, err)
		page, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		response.Body.Close()
		require.Contains(t, string(page), "<title>Vivace</title>")
		require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'")

		conn, response, err := websocket.DefaultDialer.Dial("ws://"+door+"/dashboard/live", nil)
		require.NoError(t, err)
		response.Body.Close()
		var s shown
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		for s.Heads.Proven < 2 || s.Latency.Total < 20 || s.Nodes[1].Diff == 0 {
			_, text, err := conn.ReadMessage()
			require.NoError(t, err)
			s = shown{}
			require.NoError(t, json.Unmarshal(text, &s))
		}
		conn.Close()
		require.Positive(t, s.TPS)
		require.GreaterOrEqual(t, s.Txs, s.Latency.Total)
		require.Positive(t, s.Latency.P50)
		require.Positive(t, s.Diff)
		require.InDelta(t, s.Diff, s.Nodes[0].Diff, s.Diff/2)
		require.Positive(t, s.Witness)
		require.GreaterOrEqual(t, s.Heads.Sealed, s.Heads.Published)
		require.GreaterOrEqual(t, s.Heads.Published, s.Heads.Proven)
		require.Len(t, s.Nodes, fullNodes)
		require.Len(t, s.Provers, provers)
		require.Positive(t, s.Provers[0].Attested)
		require.Len(t, s.Queues, 5)
		for _, q := range s.Queues {
			require.Positive(t, q.Most)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// The page of a running devnet, as somebody sees it.
func TestServeDashboardInBrowser(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	b := browser.Open(t)
	sequencer, _ := serveDevnet(t, "-rate=100", "-accounts=50", "-clients=16")
	for name, view := range map[string]browser.View{"desktop": browser.Desktop, "phone": browser.Phone} {
		page := b.Page(t, view)
		page.Visit("http://" + sequencer)
		page.Wait(`document.querySelector("#status").innerText === "live"`)
		page.Wait(`[...document.querySelectorAll("#provers-rows td:nth-child(2)")].every((td) => td.innerText >= 3)`)
		page.Picture("devnet-" + name)
		for selector, shape := range map[string]string{
			"#name":       `^devnet$`,
			"#chain":      `^31337$`,
			"#tps":        `^\d{1,3}$`,
			"#txs":        `^[1-9]`,
			"#load":       `^load 100 tx/s$`,
			"#p50":        `^\d+(\.\d+)?$`,
			"#diff":       `^[1-9]\d*\.\d$`,
			"#witness":    `^[1-9][\d,]*\.\d$`,
			"#minis":      `^\d+\.\d$`,
			"#minis-note": `^newest \d+/\d+, every 10 ms$`,
			"#heads":      `(?s)Executed.*Sealed.*Published.*Proven`,
			"#queues":     `(?s)Pool.*DA\D+\d+ / 64`,
			"#nodes-rows": `(?s)full node 1\s+\d.*full node 2\s+\d`,
			"#addresses":  sequencer,
		} {
			require.Regexp(t, shape, page.Text(selector), selector)
		}
		var width int
		page.Eval(`Math.max(document.documentElement.scrollWidth, window.innerWidth)`, &width)
		require.LessOrEqual(t, width, view.Width)
		require.Empty(t, page.Complaints())
	}
}

// A port that is taken is an error, whichever door wants it, and leaves the other closed.
func TestDoorsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, o := range []options{
		{serving: true, door: serve.Options{Address: "127.0.0.1", API: "eth", Port: port}},
		{serving: true, door: serve.Options{Address: "127.0.0.1", API: "eth"}, nodePort: port},
	} {
		_, err := o.openDoors()
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	}
}
