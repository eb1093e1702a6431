package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// serve opens the doors of the sequencer and of the first full node. They close before
// the roles end.
func (r *devnetRun) serve(ctx context.Context, spec *genesis.Spec, stdout io.Writer, log *slog.Logger) error {
	n := r.net
	sequencerDoor := &serve.Service{
		Options: &r.door, Dir: n.dir, Backend: node.OfSequencer(n.sequencer, n.history), Engine: n.engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(n.sequencer), serve.OfHistory(n.history)},
		Ready:   serve.SequencerReady(n.sequencer), Log: log, LogLevel: r.logLevel,
	}
	at, err := n.openDoor(ctx, "the sequencer's door", sequencerDoor)
	if err != nil {
		return err
	}
	upstream, err := rpc.DialContext(ctx, "http://"+at.String())
	if err != nil {
		return err
	}
	n.closes = append(n.closes, func() error { upstream.Close(); return nil })
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	options := r.door
	options.Port = r.nodePort
	f := n.nodes[0]
	nodeDoor := &serve.Service{
		Options: &options, Dir: n.dir, Backend: node.OfFullnode(f, n.nodeHistory, spec.Config, upstream), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfFullnode(f), serve.OfHistory(n.nodeHistory)},
		Ready:   serve.FullnodeReady(f), Log: log, LogLevel: r.logLevel,
	}
	nodeAt, err := n.openDoor(ctx, "the full node's door", nodeDoor)
	if err != nil {
		return err
	}
	cli.PrintDevAccounts(stdout)
	fmt.Fprintf(stdout, "chain id   %d\nsequencer  http://%s  ws://%s  (realtime: /realtime)\nfull node  http://%s  ws://%s\n\n",
		spec.Genesis.ChainID, at, at, nodeAt, nodeAt)
	return nil
}

// openDoor serves until the network stops, or ctx ends.
func (n *network) openDoor(ctx context.Context, name string, s *serve.Service) (net.Addr, error) {
	l, err := s.Options.Listen()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	n.doors.Go(func() {
		if err := s.Run(ctx, l); err != nil {
			n.fail(name, err)
		}
	})
	n.stopDoors = append(n.stopDoors, stop)
	return l.Addr(), nil
}
