package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// doors are those of the sequencer and of the first full node. They are nil without
// -serve.
type doors struct{ sequencer, node *serve.Door }

// openDoors opens both, before anything else.
func (o *options) openDoors() (*doors, error) {
	d := new(doors)
	if !o.serving {
		return d, nil
	}
	node := o.door
	node.Port = o.nodePort
	var err error
	if d.sequencer, err = o.door.Open(o.dir); err != nil {
		return nil, err
	}
	if d.node, err = node.Open(o.dir); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *doors) close() error {
	var errs []error
	for _, door := range []*serve.Door{d.sequencer, d.node} {
		if door != nil {
			errs = append(errs, door.Close())
		}
	}
	return errors.Join(errs...)
}

// serve lets clients in, with the page at both doors, until ctx ends, which drain makes
// it do.
func (r *devnetRun) serve(ctx context.Context, open *doors, spec *genesis.Spec, drain func(), stdout io.Writer, log *slog.Logger) error {
	n := r.net
	at, nodeAt := open.sequencer.Addr(), open.node.Addr()
	page := dashboard.New(r.page(spec.Genesis.ChainID, at, nodeAt))
	n.closes = append(n.closes, page.Close)
	fullnode, err := r.fullnode(ctx, spec, at, log)
	if err != nil {
		return err
	}
	fullnode.Door = open.node
	sequencer := &serve.Service{
		Door: open.sequencer, Backend: node.OfSequencer(n.sequencer, n.history), Engine: n.engine,
		Metrics: []prometheus.Collector{serve.OfSequencer(n.sequencer), serve.OfHistory(n.history)},
		Ready:   serve.SequencerReady(n.sequencer, nil),
	}
	for name, s := range map[string]*serve.Service{"the sequencer's door": sequencer, "the full node's door": fullnode} {
		s.Chain, s.Page, s.Drain, s.Log, s.LogLevel = spec, page, drain, log, r.logLevel
		n.openDoor(ctx, name, s)
	}
	if r.genesis == "" {
		cli.PrintDevAccounts(stdout)
	}
	fmt.Fprintf(stdout, "chain id   %d\nsequencer  http://%s  ws://%s  (realtime: /realtime)\nfull node  http://%s  ws://%s\ndashboard  http://%s\n\n",
		spec.Genesis.ChainID, at, at, nodeAt, nodeAt, at)
	return nil
}

// fullnode serves from the first full node, which sends transactions on to the
// sequencer.
func (r *devnetRun) fullnode(ctx context.Context, spec *genesis.Spec, sequencer net.Addr, log *slog.Logger) (*serve.Service, error) {
	n, f := r.net, r.net.nodes[0]
	upstream, err := node.Dial(ctx, "http://"+sequencer.String())
	if err != nil {
		return nil, err
	}
	n.closes = append(n.closes, func() error { upstream.Close(); return nil })
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return nil, err
	}
	return &serve.Service{
		Backend: node.OfFullnode(f, n.nodeHistory, spec.Config, node.FullnodeOptions{Sequencer: upstream, Logger: log}), Engine: engine,
		Metrics: []prometheus.Collector{serve.OfFullnode(f), serve.OfHistory(n.nodeHistory)},
		Ready:   serve.FullnodeReady(f, n.nodeHistory),
	}, nil
}

// openDoor serves until the network stops, or ctx ends.
func (n *network) openDoor(ctx context.Context, name string, s *serve.Service) {
	ctx, stop := context.WithCancel(ctx)
	n.doors.Go(func() {
		if err := s.Run(ctx); err != nil {
			n.fail(name, err)
		}
	})
	n.stopDoors = append(n.stopDoors, stop)
}
