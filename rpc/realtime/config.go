package realtime

import (
	"context"
	"time"

	"github.com/vivace-chain/vivace/rpc/backend"
)

// Config says what a Service grants. The zero value is useful.
type Config struct {
	// SyncTimeout is how long eth_sendRawTransactionSync waits for a caller who
	// names no time, RealtimeTimeout the same of realtime_sendRawTransaction;
	// SyncTimeoutMax is the longest that a caller of either gets. Defaults 2 s
	// (EIP-7966), 10 s (which MegaETH documents) and 1 min.
	SyncTimeout     time.Duration
	RealtimeTimeout time.Duration
	SyncTimeoutMax  time.Duration
	// Subscriptions is how many there may be at once; ConnSubscriptions how many on
	// one connection. Defaults 10,000 and 64. One more is an error with code -32005.
	Subscriptions     int
	ConnSubscriptions int
	// FilterBytes is about how much memory the filters of all subscriptions may take,
	// ConnFilterBytes those on one connection. Defaults 64 MiB and 1 MiB: a filter of
	// 1000 addresses and 1000 topics takes some 55 kB. One more is an error with code
	// -32005.
	FilterBytes     int
	ConnFilterBytes int
	// LogPage is the most logs in an answer of eth_getLogsWithCursor, LogPageBytes
	// about how many bytes they take there, which only a page of one log exceeds;
	// LogBlocks is how many sealed blocks are searched for one. Defaults 10,000,
	// 8 MiB and 10,000.
	LogPage      int
	LogPageBytes int
	LogBlocks    uint64
	// EncodedBytes is about how much memory the encodings take that subscribers
	// share. Default 32 MiB. More than one event's encoding is kept only within it.
	EncodedBytes int
	// Line is the connection that a subscribing call with the context came over, or
	// nil. Optional: without it notifications go through go-ethereum's notifier. The
	// door sets it.
	Line func(context.Context) Line
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&c.SyncTimeout, 2 * time.Second},
		{&c.SyncTimeoutMax, time.Minute},
		{&c.RealtimeTimeout, 10 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.standard
		}
	}
	for _, d := range []struct {
		field    *int
		standard int
	}{
		{&c.Subscriptions, 10_000},
		{&c.ConnSubscriptions, 64},
		{&c.FilterBytes, 64 << 20},
		{&c.ConnFilterBytes, 1 << 20},
		{&c.LogPage, 10_000},
		{&c.LogPageBytes, 8 << 20},
		{&c.EncodedBytes, 32 << 20},
	} {
		if *d.field <= 0 {
			*d.field = d.standard
		}
	}
	if c.LogBlocks == 0 {
		c.LogBlocks = 10_000
	}
	c.SyncTimeout = min(c.SyncTimeout, c.SyncTimeoutMax)
	c.RealtimeTimeout = min(c.RealtimeTimeout, c.SyncTimeoutMax)
	return c
}

// A Service is what the receivers of all paths of one node share: limits and the
// encodings of events. It may be used concurrently.
type Service struct {
	backend backend.Backend
	cfg     Config
	slots   slots
	cache   cache
}

// New makes the service of a node.
func New(b backend.Backend, cfg Config) *Service {
	cfg = cfg.withDefaults()
	return &Service{
		backend: b,
		cfg:     cfg,
		slots: slots{
			most:    usage{cfg.Subscriptions, cfg.FilterBytes},
			perConn: usage{cfg.ConnSubscriptions, cfg.ConnFilterBytes},
		},
		cache: cache{limit: cfg.EncodedBytes},
	}
}

// Subscriptions is how many there are now.
func (s *Service) Subscriptions() int { return s.slots.taken() }

// Eth is the receiver for namespace "eth". With realtime it is that of the path
// /realtime, where logs come with each mini-block whatever their filter says.
func (s *Service) Eth(realtime bool) *Eth { return &Eth{s, realtime} }

// Realtime is the receiver for namespace "realtime", the same on every path.
func (s *Service) Realtime() *Realtime { return &Realtime{s} }

// Eth has the methods and subscriptions of namespace "eth": see the package
// comment.
type Eth struct {
	service  *Service
	realtime bool
}

// Realtime has the methods of namespace "realtime".
type Realtime struct {
	service *Service
}
