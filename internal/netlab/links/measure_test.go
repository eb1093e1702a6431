package links

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

const (
	measureFor   = 20 * time.Second
	measureAfter = 5 * time.Second // for connections to find their pace
	// doors are how many full nodes are listened to. The others' CPU is that of full nodes
	// which nobody asks.
	doors = 3
)

// TestMeasureLinks prints how long a mini-block of 10 ms takes from the sequencer's door to
// a full node's, which tells of it when its diff and its body are applied, and what that
// costs each node.
//
// Times are of this process, at which messages of both doors arrive: what it takes
// longer for one than for the other is the error. It is measured by a second
// subscription at the sequencer's door, and printed beside.
//
// There is a mini-block each 10 ms in which there is a transaction: up to 2,000 in the
// 20 s. With fewer the machine did not keep up, and p99 is its scheduler's; CPU per
// mini-block, that is per frame with its body, remains true. Bytes are IP packets of
// everything that a node says and hears, but for its loopback.
func TestMeasureLinks(t *testing.T) {
	if os.Getenv("VIVACE_MEASURE") == "" {
		t.Skip("VIVACE_MEASURE is not set")
	}
	rows := []string{fmt.Sprintf("%-6s %-16s %7s %7s %18s %18s %22s %20s %16s %s", "nodes", "links", "minis", "came",
		"p50 / p99 ms", "error p50 / p99", "node in / out kB/s", "sequencer out kB/s", "CPU ms node/seq", "load before/after")}
	for _, nodes := range []int{5, 20} {
		for _, c := range []struct {
			name string
			netlab.Conditions
		}{
			{"clean", netlab.Conditions{}},
			{"100 ms, 1 % loss", netlab.Conditions{Delay: 100 * time.Millisecond, Loss: 0.01}},
		} {
			t.Run(fmt.Sprintf("%d/%s", nodes, c.name), func(t *testing.T) {
				rows = append(rows, fmt.Sprintf("%-6d %-16s %s", nodes, c.name, measure(t, nodes, c.Conditions)))
			})
		}
	}
	t.Logf("\n%s", strings.Join(rows, "\n"))
}

// A reading is what is counted of a node.
type reading struct {
	netlab.Traffic
	cpu time.Duration
}

func (m *machine) reading() reading {
	m.Helper()
	traffic, err := m.node.Traffic()
	require.NoError(m, err)
	return reading{traffic, m.process.Usage().CPU}
}

// measure is one row of the table.
func measure(t *testing.T, nodes int, c netlab.Conditions) string {
	w := newWorld(t, options{full: nodes, mini: 10 * time.Millisecond, lanes: 8, pause: 5 * time.Millisecond})
	for i := range w.lab.Size() {
		for j := range i {
			require.NoError(t, w.lab.Link(i, j).Set(c))
		}
	}
	source, again := w.sequencer.listen(t.Context()), w.sequencer.listen(t.Context())
	var ears []*listener
	for _, n := range w.nodes[:doors] {
		ears = append(ears, n.listen(t.Context()))
	}
	w.rest(measureAfter)

	all := append([]*machine{w.sequencer}, w.nodes...)
	before, begin, busy := make([]reading, len(all)), source.newest()+1, loadAverage()
	for i, m := range all {
		before[i] = m.reading()
	}
	w.rest(measureFor)
	end := source.newest()
	var cost costs
	for i, m := range all {
		cost.add(i, before[i], m.reading())
	}
	said := source.heard(begin)
	for n := range said {
		if n > end {
			delete(said, n)
		}
	}
	w.rest(3 * time.Second) // what is on its way still counts
	own := lags(said, again.heard(begin))
	var took []time.Duration
	for _, l := range ears {
		took = append(took, lags(said, l.heard(begin))...)
	}
	w.settle()
	came := 100 * float64(len(took)) / float64(doors*len(said))
	for i := range own {
		own[i] = own[i].Abs()
	}
	return fmt.Sprintf("%7d %6.1f%% %18s %18s %s %s / %s",
		len(said), came, spread(took), spread(own), cost.row(nodes, len(said)), busy, loadAverage())
}

// lags are how much later than said the same was heard.
func lags[K comparable](said, heard map[K]time.Time) (out []time.Duration) {
	for n, at := range said {
		if then, ok := heard[n]; ok {
			out = append(out, then.Sub(at))
		}
	}
	return out
}

// spread is median and 99th percentile in milliseconds.
func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "-"
	}
	slices.Sort(d)
	ms := func(q float64) float64 { return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000 }
	return fmt.Sprintf("%.2f / %.1f", ms(0.5), ms(0.99))
}

// costs are sums: of the sequencer, of traffic over the full nodes, and of CPU over those
// that nobody listens to.
type costs struct {
	in, out, fromSequencer uint64
	cpu, cpuSequencer      time.Duration
}

func (c *costs) add(i int, before, after reading) {
	out, cpu := after.BytesOut-before.BytesOut, after.cpu-before.cpu
	switch {
	case i == 0:
		c.fromSequencer, c.cpuSequencer = out, cpu
		return
	case i > doors:
		c.cpu += cpu
	}
	c.in += after.BytesIn - before.BytesIn
	c.out += out
}

func (c *costs) row(nodes, minis int) string {
	perSecond := func(bytes uint64, of int) float64 { return float64(bytes) / float64(of) / measureFor.Seconds() / 1000 }
	perMini := func(cpu time.Duration, of int) float64 {
		return float64(cpu.Microseconds()) / 1000 / float64(of) / float64(max(1, minis))
	}
	return fmt.Sprintf("%12.1f / %7.1f %20.1f %8.2f/%7.2f", perSecond(c.in, nodes), perSecond(c.out, nodes),
		perSecond(c.fromSequencer, 1), perMini(c.cpu, nodes-doors), perMini(c.cpuSequencer, 1))
}

// loadAverage is that of the last minute: what else the machine does.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
