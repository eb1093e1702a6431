package main

import (
	"fmt"
	"math"
	"net"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/examples/internal/serve"
)

// The classes of the dashboard's latency: this many to each power of ten.
const (
	latencyFrom    = 100 * time.Microsecond
	latencyDecades = 5
	latencyClasses = 16
)

var latencyBounds = func() []time.Duration {
	bounds := make([]time.Duration, latencyDecades*latencyClasses)
	for i := range bounds {
		bounds[i] = time.Duration(float64(latencyFrom) * math.Pow(10, float64(i+1)/latencyClasses))
	}
	return bounds
}()

// page is what the dashboard shows: what the sequencer knows, the load's latency, and
// the other roles.
func (r *devnetRun) page(chainID uint64, at, nodeAt net.Addr) func() dashboard.Snapshot {
	began := time.Now()
	addresses := []dashboard.Address{serve.Address("sequencer", at), serve.Address("full node 1", nodeAt)}
	return func() dashboard.Snapshot {
		p := serve.PageOfSequencer(r.net.sequencer, provers)
		p.Name, p.ChainID, p.Started, p.Load = "devnet", chainID, began, max(0, int(r.rate))
		p.Durability, p.MiniBlockInterval, p.BlockInterval = r.durability.String(), r.miniBlock, r.block
		p.Latency = &dashboard.Latency{From: latencyFrom, Bounds: latencyBounds, Counts: r.driver.latency.classes(latencyBounds)}
		p.Nodes, p.Provers, p.Addresses = r.pageNodes(&p), r.pageProvers(), addresses
		return p
	}
}

// pageNodes compares the full nodes with the sequencer, as it was just before: what came
// to them since does not put them ahead.
func (r *devnetRun) pageNodes(sequencer *dashboard.Snapshot) []dashboard.Node {
	behind := func(head, at uint64) uint64 { return head - min(head, at) }
	out := make([]dashboard.Node, len(r.net.nodes))
	for i, f := range r.net.nodes {
		s := f.Stats()
		out[i] = dashboard.Node{
			Name:             fmt.Sprintf("full node %d", i+1),
			MiniBlocksBehind: behind(sequencer.MiniBlocks, s.MiniBlocks),
			BlocksBehind:     behind(sequencer.Heads.Sealed, f.Heads().RootChecked.Number),
			Transactions:     s.Transactions, DiffBytes: s.DiffBytes,
		}
	}
	return out
}

func (r *devnetRun) pageProvers() []dashboard.Prover {
	out := make([]dashboard.Prover, len(r.net.provers))
	for i, p := range r.net.provers {
		s := p.Stats()
		out[i] = dashboard.Prover{
			Name: fmt.Sprintf("prover %d", i+1), Attested: s.Attested, Refused: s.Failed, Waiting: s.Queued + s.Working,
		}
	}
	return out
}
