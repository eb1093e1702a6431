package serve

import (
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/vivace-chain/vivace/rpc"
)

const namespace = "vivace"

// A sample is one number of a set that is read at once.
type sample struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  float64
	labels []string // values of desc's
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
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value, s.labels...)
	}
}

func (r *reading) add(kind prometheus.ValueType, name, help string, value float64) {
	full := prometheus.BuildFQName(namespace, r.subsystem, name)
	r.samples = append(r.samples, sample{prometheus.NewDesc(full, help, nil, nil), kind, value, nil})
}

func (r *reading) gauge(name, help string, value float64) {
	r.add(prometheus.GaugeValue, name, help, value)
}

func (r *reading) counter(name, help string, value float64) {
	r.add(prometheus.CounterValue, name, help, value)
}

// counters adds one counter for each value of a label.
func (r *reading) counters(name, help, label string, values map[string]uint64) {
	desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, r.subsystem, name), help, []string{label}, nil)
	for of, value := range values {
		r.samples = append(r.samples, sample{desc, prometheus.CounterValue, float64(value), []string{of}})
	}
}

// moment adds a time, unless it is zero: it has not come then.
func (r *reading) moment(name, help string, at time.Time) {
	if !at.IsZero() {
		r.gauge(name+"_timestamp_seconds", help+", Unix time", float64(at.UnixNano())/1e9)
	}
}

// queue adds how full a queue is, and its bound.
func (r *reading) queue(name, help string, length, most int) {
	r.gauge(name, help, float64(length))
	r.gauge(name+"_max", "bound of "+name, float64(most))
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
