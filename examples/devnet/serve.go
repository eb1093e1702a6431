package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// serve opens the doors of the sequencer and of the first full node, with the page at
// both. They close before the roles end.
func (r *devnetRun) serve(ctx context.Context, spec *genesis.Spec, stdout io.Writer, log *slog.Logger) error {
	n := r.net
	nodeOptions := r.door
	nodeOptions.Port = r.nodePort
	l, err := r.door.Listen()
	if err != nil {
		return err
	}
	nodeListener, err := nodeOptions.Listen()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	at, nodeAt := l.Addr(), nodeListener.Addr()
	page := dashboard.New(r.page(spec.Genesis.ChainID, at, nodeAt))
	n.closes = append(n.closes, page.Close)

	n.openDoor(ctx, "the sequencer's door", l, &serve.Service{
		Options: &r.door, Dir: n.dir, Backend: node.OfSequencer(n.sequencer, n.history), Engine: n.engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(n.sequencer), serve.OfHistory(n.history)},
		Ready:   serve.SequencerReady(n.sequencer), Page: page, Log: log, LogLevel: r.logLevel,
	})
	nodeDoor, err := r.nodeDoor(ctx, spec, at)
	if err != nil {
		return errors.Join(err, nodeListener.Close())
	}
	nodeDoor.Options, nodeDoor.Page, nodeDoor.Log = &nodeOptions, page, log
	n.openDoor(ctx, "the full node's door", nodeListener, nodeDoor)

	cli.PrintDevAccounts(stdout)
	fmt.Fprintf(stdout, "chain id   %d\nsequencer  http://%s  ws://%s  (realtime: /realtime)\nfull node  http://%s  ws://%s\ndashboard  http://%s\n\n",
		spec.Genesis.ChainID, at, at, nodeAt, nodeAt, at)
	return nil
}

// nodeDoor is the door of the first full node, which sends transactions on to the
// sequencer's.
func (r *devnetRun) nodeDoor(ctx context.Context, spec *genesis.Spec, sequencer net.Addr) (*serve.Service, error) {
	n, f := r.net, r.net.nodes[0]
	upstream, err := rpc.DialContext(ctx, "http://"+sequencer.String())
	if err != nil {
		return nil, err
	}
	n.closes = append(n.closes, func() error { upstream.Close(); return nil })
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return nil, err
	}
	return &serve.Service{
		Dir: n.dir, Backend: node.OfFullnode(f, n.nodeHistory, spec.Config, upstream), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfFullnode(f), serve.OfHistory(n.nodeHistory)},
		Ready:   serve.FullnodeReady(f), LogLevel: r.logLevel,
	}, nil
}

// openDoor serves until the network stops, or ctx ends.
func (n *network) openDoor(ctx context.Context, name string, l net.Listener, s *serve.Service) {
	ctx, stop := context.WithCancel(ctx)
	n.doors.Go(func() {
		if err := s.Run(ctx, l); err != nil {
			n.fail(name, err)
		}
	})
	n.stopDoors = append(n.stopDoors, stop)
}
