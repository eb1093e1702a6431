package rpc_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
)

const (
	// heapMax is what the process may have on its heap in a flood, after a collection:
	// the door's Limits.Memory, its connections, the sequencer, and the honest clients,
	// which are in the same process.
	heapMax = 256 << 20
	// patience is how long an honest client's answer takes at most, at the 99th
	// percentile, on a machine that does other things as well: nobody is starved.
	patience = 2 * time.Second
)

// junkTxs is how many transactions the flood of junk has: VIVACE_JUNK, or a number
// for every day.
func junkTxs(t *testing.T) int64 {
	if text := os.Getenv("VIVACE_JUNK"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return 50_000
}

// TestFloods serves honest clients over a sequencer, who read a balance, send a
// transaction and get its receipt, send a batch, or look for logs, again and again over
// WebSockets, first alone and then beside one flood after the other. They get all their
// answers, within patience, and the heap stays below heapMax. With VIVACE_QUIET=1, on a
// machine that does nothing else, their 99th percentiles stay within twice what they were,
// or within what each client allows: on two cores, which the floods have to come from as
// well, a few milliseconds are one thread that waited for a clock tick.
func TestFloods(t *testing.T) {
	s := rpctest.RunSequencer(t, nil)
	door, err := rpc.New(rpc.Config{
		Backend: node.OfSequencer(s.Sequencer, s.Store), Engine: s.Engine,
		Limits: rpc.Limits{Memory: 128 << 20, Connections: 1000, WebSockets: 200, WriteTimeout: time.Second},
	})
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	period := 2 * time.Second
	if testing.Short() {
		period = 300 * time.Millisecond
	}
	crowd := honestClients(t, url, s)
	crowd.serve(t, after(period/4)) // warms up
	alone := crowd.serve(t, after(period))
	for i, times := range alone {
		t.Logf("%-16s %-7s: %5d, p50 %8v, p99 %8v", "alone", crowd[i].name, len(times), percentile(times, 50), percentile(times, 99))
	}
	for _, flood := range []struct {
		name string
		size string
	}{
		{"junk", fmt.Sprint(junkTxs(t))},
		{"large batches", period.String()},
		{"half messages", period.String()},
		{"connections", period.String()},
		{"sleeping batches", period.String()},
		{"slow readers", period.String()},
	} {
		runtime.GC()
		peak, done := watchHeap()
		var sent int64
		flooded := make(chan struct{})
		go func() { defer close(flooded); sent = runFlood(t, flood.name, url, flood.size) }()
		beside := crowd.serve(t, flooded)
		done()
		stats := door.Stats()
		t.Logf("%-16s %d sent, live heap up to %d MiB, in flight up to %d MiB, %d refused so far",
			flood.name, sent, peak.Load()>>20, stats.MemoryPeak>>20, stats.Refused)
		for i, times := range beside {
			name, was, is := crowd[i].name, percentile(alone[i], 99), percentile(times, 99)
			t.Logf("%-16s %-7s: %5d, p50 %8v, p99 %8v, %.1f times that alone", flood.name, name, len(times), percentile(times, 50), is, float64(is)/float64(was))
			require.Less(t, is, patience, "%s beside %s", name, flood.name)
			if most := max(2*was, crowd[i].allows); os.Getenv("VIVACE_QUIET") == "1" && is > most {
				t.Errorf("%s beside %s: %v, at most %v are allowed", name, flood.name, is, most)
			}
		}
		require.Less(t, peak.Load(), uint64(heapMax), flood.name)
		require.LessOrEqual(t, stats.MemoryPeak, int64(64<<20), flood.name)
		require.Positive(t, sent, flood.name)
	}
	for _, client := range crowd {
		require.NoError(t, client.conn.Close())
	}
	require.Eventually(t, func() bool { s := door.Stats(); return s.WebSockets == 0 && s.MemoryBytes == 0 }, time.Minute, 10*time.Millisecond)
}

// An honestClient asks for something again and again.
type honestClient struct {
	name    string
	conn    *websocket.Conn
	every   time.Duration // at least, from one request to the next
	allows  time.Duration // as 99th percentile
	request func() string
}

type honestCrowd []honestClient

func honestClients(t *testing.T, url string, s *rpctest.Sequencer) honestCrowd {
	crowd := honestCrowd{
		{name: "reads", every: time.Millisecond, allows: 15 * time.Millisecond, request: func() string { return readBalance }},
		{name: "sends", every: time.Millisecond, allows: 15 * time.Millisecond, request: func() string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"realtime_sendRawTransaction","params":["0x%x"]}`, s.Transfer(0))
		}},
		{name: "batches", every: 10 * time.Millisecond, allows: 60 * time.Millisecond, request: func() string {
			return "[" + strings.Repeat(readBalance+",", 9) + readBalance + "]"
		}},
		{name: "logs", every: 10 * time.Millisecond, allows: 60 * time.Millisecond, request: func() string {
			return `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"latest"}]}`
		}},
	}
	for i := range crowd {
		crowd[i].conn = dial(t, url)
		require.NoError(t, crowd[i].conn.SetReadDeadline(time.Time{}))
	}
	return crowd
}

// serve lets all of them ask until stop is closed, and returns how long the answers to
// each took, in ascending order.
func (c honestCrowd) serve(t *testing.T, stop <-chan struct{}) [][]time.Duration {
	times := make([][]time.Duration, len(c))
	var all errgroup.Group
	for i := range c {
		all.Go(func() (err error) {
			times[i], err = c[i].ask(stop)
			return err
		})
	}
	require.NoError(t, all.Wait())
	return times
}

// after is closed when the time is over.
func after(period time.Duration) <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(period, func() { close(over) })
	return over
}

func (c *honestClient) ask(stop <-chan struct{}) (times []time.Duration, err error) {
	for {
		message := []byte(c.request())
		began := time.Now()
		if err := c.conn.WriteMessage(websocket.TextMessage, message); err != nil {
			return nil, err
		}
		_, answer, err := c.conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(answer, []byte(`"result"`)) {
			return nil, fmt.Errorf("answer %s", answer)
		}
		took := time.Since(began)
		times = append(times, took)
		select {
		case <-stop:
			slices.Sort(times)
			return times, nil
		case <-time.After(c.every - took):
		}
	}
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100].Round(time.Microsecond)
}

// watchHeap notes the most bytes that a collection left on the heap.
func watchHeap() (peak *atomic.Uint64, done func()) {
	peak = new(atomic.Uint64)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(sample)
			peak.Store(max(peak.Load(), sample[0].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(stop); <-stopped }
}
