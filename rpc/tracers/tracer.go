package tracers

import (
	"encoding/json"
	"fmt"

	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/eth/tracers/logger"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // enters the tracers into the directory
	"github.com/ethereum/go-ethereum/params"
)

const (
	mux = "muxTracer"
	// muxMax is how many tracers a muxTracer may have, those of muxTracers in it
	// counted: each gathers what it wants for itself.
	muxMax = 16
)

var errMuxTooMany = fmt.Errorf("%s has more than %d tracers", mux, muxMax)

// newTracer makes the tracer that cfg names, which gathers about size bytes at most
// before it calls exceeded.
func newTracer(chain *params.ChainConfig, at *gethtracers.Context, cfg *TraceConfig, size int, exceeded func()) (*gethtracers.Tracer, error) {
	if cfg == nil {
		cfg = new(TraceConfig)
	}
	if cfg.Tracer == nil {
		return newStructLogger(cfg.Config, size), nil
	}
	count, err := countTracers(*cfg.Tracer, cfg.TracerConfig, muxMax)
	if err != nil {
		return nil, err
	}
	tracer, err := gethtracers.DefaultDirectory.New(*cfg.Tracer, at, cfg.TracerConfig, chain)
	if err != nil {
		return nil, err
	}
	m := &meter{left: size, factor: count, exceeded: exceeded}
	m.wrap(tracer)
	return tracer, nil
}

// newStructLogger is the struct logger. It bounds itself, by bytes of JSON, and goes
// on without a word; so the bound is put where the answer is seen to be too large.
func newStructLogger(cfg *logger.Config, size int) *gethtracers.Tracer {
	bounded := logger.Config{}
	if cfg != nil {
		bounded = *cfg
	}
	if bounded.Limit == 0 || bounded.Limit > size {
		bounded.Limit = max(size, 1) // 0 would be no limit
	}
	l := logger.NewStructLogger(&bounded)
	return &gethtracers.Tracer{Hooks: l.Hooks(), GetResult: l.GetResult, Stop: l.Stop}
}

// countTracers is the number of tracers in name, at most most. The directory takes a
// name that it does not know for a program in JavaScript, also inside a muxTracer,
// and has nothing to run it; so such names must not reach it.
func countTracers(name string, cfg json.RawMessage, most int) (int, error) {
	switch {
	case most == 0:
		return 0, errMuxTooMany
	case gethtracers.DefaultDirectory.IsJS(name):
		return 0, fmt.Errorf("tracer %.64q is not known: only native tracers are supported, no JavaScript", name)
	case name != mux:
		return 1, nil
	}
	var inner map[string]json.RawMessage
	if err := json.Unmarshal(orEmpty(cfg), &inner); err != nil {
		return 0, fmt.Errorf("tracerConfig of %s: %w", mux, err)
	}
	count := 1
	for name, cfg := range inner {
		n, err := countTracers(name, cfg, most-count)
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

func orEmpty(cfg json.RawMessage) json.RawMessage {
	if len(cfg) == 0 {
		return json.RawMessage("{}")
	}
	return cfg
}
