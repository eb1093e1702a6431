package rpc

import (
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/debug"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/realtime"
	"github.com/vivace-chain/vivace/rpc/tracers"
)

// Services are limits of single methods. The zero value is useful.
type Services struct {
	Eth      ethapi.Options // Realtime is the door's to set
	Calls    calls.Options  // Backend and Engine are the door's to set
	Realtime realtime.Config
	Traces   tracers.Config
	Debug    debug.Config
}

// services are what is behind the methods: one of each for all paths, so that their
// limits are the node's.
type services struct {
	cfg      *Config
	eth      *ethapi.API
	calls    *calls.API
	realtime *realtime.Service
	traces   *tracers.API
	debug    *debug.API
}

func newServices(cfg *Config) (*services, error) {
	s := &services{
		cfg:      cfg,
		eth:      ethapi.New(cfg.Backend, cfg.Services.Eth),
		realtime: realtime.New(cfg.Backend, cfg.Services.Realtime),
		traces:   tracers.New(cfg.Backend, cfg.Engine, cfg.Services.Traces),
		debug:    debug.New(cfg.Backend, cfg.Engine, cfg.Services.Debug),
	}
	options := cfg.Services.Calls
	options.Backend, options.Engine = cfg.Backend, cfg.Engine
	if options.TipCap == nil {
		options.TipCap = s.eth.MaxPriorityFeePerGas
	}
	var err error
	s.calls, err = calls.New(options)
	return s, err
}

// receivers are the objects behind the namespaces that are served, for a path.
func (s *services) receivers(realtime bool) ([]receiver, error) {
	all := s.all(realtime)
	for _, name := range s.cfg.Namespaces {
		if !slices.ContainsFunc(all, func(r receiver) bool { return r.namespace == name }) {
			return nil, fmt.Errorf("rpc: Config.Namespaces: there is no namespace %q", name)
		}
	}
	served := slices.DeleteFunc(slices.Clone(all), func(r receiver) bool { return !slices.Contains(s.cfg.Namespaces, r.namespace) })
	for name, object := range s.cfg.Extra {
		if slices.ContainsFunc(all, func(r receiver) bool { return r.namespace == name }) {
			return nil, fmt.Errorf("rpc: Config.Extra: namespace %s is the door's own", name)
		}
		served = append(served, receiver{name, object})
	}
	return served, nil
}

// all are the objects behind all namespaces.
func (s *services) all(realtime bool) []receiver {
	return []receiver{
		{"net", ethapi.NewNet(s.cfg.Backend)},
		{"web3", ethapi.NewWeb3(s.cfg.Version)},
		{"txpool", ethapi.NewTxPool(s.cfg.Backend)},
		{"eth", s.eth.Path(realtime)},
		{"eth", s.calls},
		{"eth", s.realtime.Eth(realtime)},
		{"realtime", s.realtime.Realtime()},
		{"debug", s.traces},
		{"debug", s.debug},
		{"testing", calls.NewTesting(s.calls)},
	}
}
