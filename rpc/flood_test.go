package rpc_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
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

// TestFloods serves two honest clients over a sequencer, one who reads a balance and
// one who sends a transaction and gets its receipt, again and again over WebSockets,
// first alone and then beside one flood after the other. They get all their answers,
// within patience, and the heap stays below heapMax. With VIVACE_QUIET=1, on a machine
// that does nothing else, their 99th percentiles stay within twice what they were, or a
// millisecond.
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
	reader, sender := dial(t, url), dial(t, url)
	require.NoError(t, errors.Join(reader.SetReadDeadline(time.Time{}), sender.SetReadDeadline(time.Time{})))
	honest := func(stop <-chan struct{}) map[string][]time.Duration {
		var (
			reads, sends []time.Duration
			both         errgroup.Group
		)
		both.Go(func() (err error) {
			reads, err = ask(reader, stop, func() string { return readBalance })
			return err
		})
		both.Go(func() (err error) {
			sends, err = ask(sender, stop, func() string {
				return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"realtime_sendRawTransaction","params":["0x%x"]}`, s.Transfer(0))
			})
			return err
		})
		require.NoError(t, both.Wait())
		return map[string][]time.Duration{"reads": reads, "sends": sends}
	}
	honest(after(period / 4)) // warms up
	alone := honest(after(period))
	for kind, times := range alone {
		t.Logf("%-14s %s: %5d, p50 %8v, p99 %8v", "alone", kind, len(times), percentile(times, 50), percentile(times, 99))
	}
	for _, flood := range []struct {
		name string
		size string
	}{
		{"junk", fmt.Sprint(junkTxs(t))},
		{"large batches", period.String()},
		{"half messages", period.String()},
		{"connections", period.String()},
		{"slow readers", period.String()},
	} {
		runtime.GC()
		peak, done := watchHeap()
		var sent int64
		flooded := make(chan struct{})
		go func() { defer close(flooded); sent = runFlood(t, flood.name, url, flood.size) }()
		beside := honest(flooded)
		done()
		stats := door.Stats()
		t.Logf("%-14s %d sent, live heap up to %d MiB, in flight up to %d MiB, %d refused so far",
			flood.name, sent, peak.Load()>>20, stats.MemoryPeak>>20, stats.Refused)
		for kind, times := range beside {
			was, is := percentile(alone[kind], 99), percentile(times, 99)
			t.Logf("%-14s %s: %5d, p50 %8v, p99 %8v, %.1f times that alone", flood.name, kind, len(times), percentile(times, 50), is, float64(is)/float64(was))
			require.Less(t, is, patience, "%s beside %s", kind, flood.name)
			if os.Getenv("VIVACE_QUIET") == "1" {
				require.LessOrEqual(t, is, max(2*was, time.Millisecond), "%s beside %s", kind, flood.name)
			}
		}
		require.Less(t, peak.Load(), uint64(heapMax), flood.name)
		require.LessOrEqual(t, stats.MemoryPeak, int64(64<<20), flood.name)
		require.Positive(t, sent, flood.name)
	}
	require.NoError(t, errors.Join(reader.Close(), sender.Close()))
	require.Eventually(t, func() bool { s := door.Stats(); return s.WebSockets == 0 && s.MemoryBytes == 0 }, time.Minute, 10*time.Millisecond)
}

// after is closed when the time is over.
func after(period time.Duration) <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(period, func() { close(over) })
	return over
}

// ask sends requests, a millisecond from one to the next at least, until stop is
// closed, and returns how long the answers took, in ascending order.
func ask(conn *websocket.Conn, stop <-chan struct{}, request func() string) (times []time.Duration, err error) {
	for {
		message := []byte(request())
		began := time.Now()
		if err := conn.WriteMessage(websocket.TextMessage, message); err != nil {
			return nil, err
		}
		_, answer, err := conn.ReadMessage()
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
		case <-time.After(time.Millisecond - took):
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
