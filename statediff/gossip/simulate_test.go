//go:build !race

// The race detector's runtime does not bear bubbles as busy as this one: now and then a
// CHECK of its own fails, which ends the process (golang/go#78156).

package gossip

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// simulatedNodes is where the number of nodes comes from, in place of 50, or 10 with -short.
const simulatedNodes = "VIVACE_SIMULATED_NODES"

// Many nodes over a modelled network: 50 ms one way, one write in a hundred comes 110 ms
// later. The clock is simulated, and whatever is computed takes no time in it. The whole
// stack is the real one, but for TCP. Everybody gets everything; how late is printed.
func TestSimulated(t *testing.T) {
	nodes := 50
	if testing.Short() {
		nodes = 10
	}
	if v := os.Getenv(simulatedNodes); v != "" {
		var err error
		nodes, err = strconv.Atoi(v)
		require.NoError(t, err)
	}
	feed := sampleFeed(t, 20, 20, 20)
	synctest.Test(t, func(t *testing.T) {
		late := simulate(t, nodes, feed)
		require.Len(t, late, (nodes-1)*len(feed))
		slices.Sort(late)
		t.Logf("simulated, with modelled delay and loss, computing for nothing: %d nodes, %d messages, p50 %v, p99 %v, latest %v",
			nodes, len(feed), late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
		// Each hop is 50 ms, and in a mesh of degree 6 there are log6(nodes) of them.
		require.Less(t, late[len(late)/2], 500*time.Millisecond)
	})
}

// simulate publishes a feed at 10 ms, and returns how late each message was at each node.
func simulate(t *testing.T, nodes int, feed []*message) (late []time.Duration) {
	var (
		x       = newWorld(t)
		m       = newMemnet(50*time.Millisecond, 0.01)
		rng     = rand.New(rand.NewPCG(3, 4))
		running []*running
		mu      sync.Mutex
		began   = make(map[chain.Place]time.Time)
		group   sync.WaitGroup
	)
	for i := range nodes {
		cfg := x.config()
		if i == 0 {
			cfg.Signer = sampleKey(t)
		}
		for range min(i, 2) {
			cfg.Boot = append(cfg.Boot, running[rng.IntN(i)].Addrs()...)
		}
		slices.Sort(cfg.Boot)
		cfg.Boot = slices.Compact(cfg.Boot)
		cfg.Listen, cfg.Transport = []string{m.address(i)}, m.transport(i)
		running = append(running, x.run(cfg))
	}
	time.Sleep(20 * time.Second) // until all have found others
	for _, n := range running[1:] {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			next, err := n.Subscribe(ctx, link.TopicFeed, 0)
			require.NoError(t, err)
			for range feed {
				seq, _, err := next(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				late = append(late, time.Since(began[link.PlaceOf(seq)]))
				mu.Unlock()
			}
		})
	}
	for _, msg := range feed {
		mu.Lock()
		began[link.PlaceOf(link.SeqOf(msg.Place))] = time.Now()
		mu.Unlock()
		x.publish(running[0], msg)
		time.Sleep(10 * time.Millisecond)
	}
	group.Wait()
	for _, n := range running {
		n.stop()
	}
	return late
}
