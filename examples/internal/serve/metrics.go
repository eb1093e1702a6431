package serve

import (
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

const namespace = "vivace"

// A sample is one number of a set that is read at once.
type sample struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value float64
}

// A reading is a Collector of samples with a common name.
type reading struct {
	subsystem string
	read      func(r *reading)
	samples   []sample
}

// Describe implements prometheus.Collector: by what it collects, so that no name is
// written twice.
func (r *reading) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(r, ch) }

// Collect implements prometheus.Collector. Each call works on a copy: several may run.
func (r *reading) Collect(ch chan<- prometheus.Metric) {
	own := reading{subsystem: r.subsystem, read: r.read}
	own.read(&own)
	for _, s := range own.samples {
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value)
	}
}

func (r *reading) add(kind prometheus.ValueType, name, help string, value float64) {
	full := prometheus.BuildFQName(namespace, r.subsystem, name)
	r.samples = append(r.samples, sample{prometheus.NewDesc(full, help, nil, nil), kind, value})
}

func (r *reading) gauge(name, help string, value float64) {
	r.add(prometheus.GaugeValue, name, help, value)
}

func (r *reading) counter(name, help string, value float64) {
	r.add(prometheus.CounterValue, name, help, value)
}

// queue adds how full a queue is, and its bound.
func (r *reading) queue(name, help string, length, most int) {
	r.gauge(name, help, float64(length))
	r.gauge(name+"_max", "bound of "+name, float64(most))
}

// OfSequencer are a sequencer's metrics.
func OfSequencer(s *sequencer.Sequencer) prometheus.Collector {
	return &reading{subsystem: "sequencer", read: func(r *reading) {
		st, heads := s.Stats(), s.Heads()
		r.counter("transactions_total", "transactions acknowledged", float64(st.Transactions))
		r.counter("refused_total", "transactions refused", float64(st.Refused))
		r.counter("mini_blocks_total", "mini-blocks sealed", float64(st.MiniBlocks))
		r.counter("blocks_total", "blocks sealed", float64(st.Blocks))
		r.counter("commit_groups_total", "commit groups made durable", float64(st.Groups))
		r.counter("diff_bytes_total", "bytes of mini-blocks' diffs", float64(st.DiffBytes))
		r.counter("witness_bytes_total", "bytes of witnesses", float64(st.WitnessBytes))
		r.counter("sync_seconds_total", "time in fsync", st.SyncTime.Seconds())
		r.counter("root_seconds_total", "time in state roots", st.RootTime.Seconds())
		r.counter("witness_seconds_total", "time in witnesses", st.WitnessTime.Seconds())
		r.gauge("head_preconfirmed", "number of the newest mini-block's block", float64(heads.Preconfirmed.Number))
		r.gauge("head_sealed", "number of the newest sealed block", float64(heads.RootChecked.Number))
		r.gauge("head_published", "number of the newest block in the data-availability layer", float64(heads.Published.Number))
		r.gauge("head_proven", "number of the newest proven block", float64(heads.Proven.Number))
		r.queue("pool", "transactions that wait for execution", st.Pool, st.PoolMax)
		r.queue("journal", "entries that wait for the log", st.Journal, st.JournalMax)
		r.queue("unrooted", "closed blocks that wait for their root", st.Unrooted, st.UnrootedMax)
		r.queue("unpublished", "sealed blocks that wait for the data-availability layer", st.Unpublished, st.UnpublishedMax)
		r.queue("unproven", "blocks that wait for provers", st.Unproven, st.UnprovenMax)
		r.gauge("publishing", "blocks that are being put into the data-availability layer", float64(st.Publishing))
		r.gauge("oldest_unpublished_seconds", "how long the oldest block has waited for the layer", st.OldestUnpublished.Seconds())
		r.counter("untold_total", "messages that the network was too busy to take", float64(st.Untold))
		r.gauge("evidence", "attestations of our provers that contradict our blocks", float64(st.Evidence))
	}}
}

// OfFullnode are a full node's metrics.
func OfFullnode(f *fullnode.Follower) prometheus.Collector {
	return &reading{subsystem: "fullnode", read: func(r *reading) {
		st, heads := f.Stats(), f.Heads()
		r.counter("transactions_total", "transactions of the mini-blocks applied", float64(st.Transactions))
		r.counter("mini_blocks_total", "mini-blocks applied", float64(st.MiniBlocks))
		r.counter("blocks_total", "blocks whose root was checked", float64(st.Blocks))
		r.counter("diff_bytes_total", "bytes of diffs applied", float64(st.DiffBytes))
		r.gauge("head_preconfirmed", "number of the newest mini-block's block", float64(heads.Preconfirmed.Number))
		if !st.LastMessage.IsZero() {
			r.gauge("last_message_timestamp_seconds", "when the last message of the feed came, Unix time", float64(st.LastMessage.UnixNano())/1e9)
		}
		r.counter("rejoins_total", "times that the node began anew at a snapshot", float64(st.Rejoins))
		r.counter("blocks_skipped_total", "blocks not followed because of that", float64(st.Skipped))
		r.counter("blocks_lost_total", "blocks of which history did not get the bodies", float64(st.Lost))
		r.counter("bodies_refused_total", "bodies that are not what the sequencer committed to", float64(st.BodiesRefused))
		if !st.LastBodyRefused.IsZero() {
			r.gauge("last_body_refused_timestamp_seconds", "when a body was last refused, Unix time", float64(st.LastBodyRefused.UnixNano())/1e9)
		}
		r.gauge("backlog", "mini-blocks that wait for their bodies", float64(st.Backlog))
		r.gauge("backlog_bytes", "bytes of them", float64(st.BacklogBytes))
		r.gauge("backlog_bytes_max", "bound of backlog_bytes", float64(st.BacklogMax))
		r.gauge("head_root_checked", "number of the newest block whose root was checked", float64(heads.RootChecked.Number))
	}}
}

// OfHistory are a history's metrics.
func OfHistory(s *history.Store) prometheus.Collector {
	return &reading{subsystem: "history", read: func(r *reading) {
		r.gauge("oldest", "number of the oldest block from which on none is missing", float64(s.Oldest()))
		st, err := s.Stats()
		if err != nil {
			return // the store is closed: what it had is not zero
		}
		r.gauge("blocks", "blocks kept on disk", float64(st.Blocks))
		r.gauge("transactions", "transactions kept on disk", float64(st.Txs))
		r.gauge("logs", "logs kept on disk", float64(st.Logs))
		r.gauge("unpersisted", "blocks that are not on disk yet", float64(st.Unpersisted))
		r.gauge("disk_bytes", "size of the file", float64(st.DiskBytes))
		r.gauge("cache_bytes", "decoded blocks in memory", float64(st.CacheBytes))
		r.gauge("feed_bytes", "mini-blocks kept for subscribers", float64(st.FeedBytes))
	}}
}

// process are Go's own metrics and what version runs.
func process() []prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, labelled with the version",
		ConstLabels: prometheus.Labels{"version": Version()},
	})
	build.Set(1)
	return []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
	}
}

// Version is the module's version, or the revision that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}

// doorMetrics are what clients asked and got.
type doorMetrics struct{ read func() rpc.Stats }

var (
	rpcRequests = prometheus.NewDesc("vivace_rpc_requests_total", "calls by method", []string{"method"}, nil)
	rpcErrors   = prometheus.NewDesc("vivace_rpc_errors_total", "calls that failed, by method and class", []string{"method", "class"}, nil)
	rpcLatency  = prometheus.NewDesc("vivace_rpc_latency_seconds", "time from request to answer", []string{"method"}, nil)
	rpcOpen     = prometheus.NewDesc("vivace_rpc_open", "what clients hold open", []string{"what"}, nil)
	rpcRefused  = prometheus.NewDesc("vivace_rpc_refused_total", "requests turned away before any work", nil, nil)
	rpcMemory   = prometheus.NewDesc("vivace_rpc_memory_bytes", "bytes of requests and answers in flight", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *doorMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rpcRequests, rpcErrors, rpcLatency, rpcOpen, rpcRefused, rpcMemory} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *doorMetrics) Collect(ch chan<- prometheus.Metric) {
	st := m.read()
	for what, n := range map[string]int{"connections": st.Connections, "websockets": st.WebSockets, "subscriptions": st.Subscriptions} {
		ch <- prometheus.MustNewConstMetric(rpcOpen, prometheus.GaugeValue, float64(n), what)
	}
	ch <- prometheus.MustNewConstMetric(rpcRefused, prometheus.CounterValue, float64(st.Refused))
	ch <- prometheus.MustNewConstMetric(rpcMemory, prometheus.GaugeValue, float64(st.MemoryBytes))
	for name, method := range st.Methods {
		ch <- prometheus.MustNewConstMetric(rpcRequests, prometheus.CounterValue, float64(method.Requests), name)
		for class, n := range method.Errors {
			ch <- prometheus.MustNewConstMetric(rpcErrors, prometheus.CounterValue, float64(n), name, class)
		}
		ch <- prometheus.MustNewConstHistogram(rpcLatency, method.Requests, method.LatencySum.Seconds(), buckets(&method), name)
	}
}

// buckets is the latency histogram as Prometheus has it: cumulative, by seconds.
func buckets(m *rpc.MethodStats) map[float64]uint64 {
	out, sum := make(map[float64]uint64), uint64(0)
	for i, bound := range rpc.LatencyBounds() {
		sum += m.Latency[i]
		out[float64(bound)/float64(time.Second)] = sum
	}
	return out
}

// OfPeers are the metrics of a place in the network.
func OfPeers(n *gossip.Node) prometheus.Collector {
	return &reading{subsystem: "p2p", read: func(r *reading) {
		st := n.Stats()
		r.gauge("peers", "peers that are connected", float64(st.Peers))
		r.counter("received_bytes_total", "bytes of gossip that came", float64(st.Received))
		r.counter("sent_bytes_total", "bytes of gossip that went", float64(st.Sent))
		r.counter("served_bytes_total", "bytes of answers to requests", float64(st.ServedBytes))
		r.counter("duplicates_total", "messages that came again", float64(st.Duplicates))
		r.counter("dropped_total", "messages that a full queue lost on the way in", float64(st.Dropped))
		r.counter("unsent_total", "messages that a full queue lost on the way out", float64(st.Unsent))
		r.counter("asked_total", "requests to peers", float64(st.Asked))
		r.counter("answered_total", "requests to peers that brought something", float64(st.Answered))
		r.counter("served_total", "requests of peers", float64(st.Served))
		r.counter("turned_away_total", "requests of peers that were turned away", float64(st.Turned))
		r.counter("begun_anew_total", "how often the feed began anew, because nobody kept what it lacked", float64(st.Begun))
		r.counter("bodies_lost_total", "bodies that no peer had", float64(st.BodiesLost))
		r.counter("bans_total", "peers thrown out", float64(st.Bans))
		r.gauge("evidence", "contradictions of signers", float64(st.Evidence))
		refused := uint64(0)
		for _, n := range st.Refused {
			refused += n
		}
		r.counter("refused_total", "messages that were refused", float64(refused))
	}}
}

// OfDesk are the metrics of the work that provers are given.
func OfDesk(d *sequencer.Desk) prometheus.Collector {
	return &reading{subsystem: "desk", read: func(r *reading) {
		st := d.Stats()
		r.queue("leases", "leases that last", st.Leases, st.LeasesMax)
		r.gauge("provers", "provers that have a lease", float64(st.Provers))
		r.gauge("unproven", "published blocks that are not proven", float64(st.Unproven))
		r.gauge("failing", "unproven blocks that a prover failed with", float64(len(st.Failing)))
	}}
}
