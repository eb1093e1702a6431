package links

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

const (
	measureFor   = 20 * time.Second
	measureAfter = 5 * time.Second // for connections to find their pace
	// doors are how many full nodes are listened to, and used by clients. What a node
	// costs is that of the others, which nobody asks.
	doors = 3
)

// A setting is one under which it is measured. What is clean has no delay and no loss:
// through the kernel's bridge it is what a local network would be, and through the switch
// what the switch itself costs those who have delay and loss.
type setting struct {
	name   string
	nodes  int
	fabric netlab.Fabric
	links  netlab.Conditions
}

var lossy = netlab.Conditions{Delay: 100 * time.Millisecond, Loss: 0.01}

var settings = []setting{
	{"5, clean, bridge", 5, netlab.Bridge, netlab.Conditions{}},
	{"5, clean, switch", 5, netlab.Switch, netlab.Conditions{}},
	{"5, 100 ms 1 %", 5, netlab.Switch, lossy},
	{"20, clean, bridge", 20, netlab.Bridge, netlab.Conditions{}},
	{"20, clean, switch", 20, netlab.Switch, netlab.Conditions{}},
	{"20, 100 ms 1 %", 20, netlab.Switch, lossy},
}

// TestMeasureLinks prints how long a mini-block of 10 ms takes from the sequencer's door to
// a full node's, which tells of it when its diff and its body are applied, and what that
// costs each node. It is measured VIVACE_MEASURE times, in turns, and of each figure the
// median is printed, with the least and the largest.
//
// Times are of this process, at which messages of both doors arrive: what it takes
// longer for one than for the other is the error. It is measured by a second
// subscription at the sequencer's door.
//
// There is a mini-block each 10 ms in which there is a transaction: up to 2,000 in the
// 20 s. With fewer the machine did not keep up, and p99 is its scheduler's. CPU is all
// that a process takes, divided by the mini-blocks of that time: beside gossip it is the
// state, its root, the history, and what a process does when nothing happens, of which
// more is in each when there are fewer. Bytes on
// the wire are IP packets, with a bridge in frames of 14 bytes more, of everything that a
// node says and hears, but for its loopback: of the sequencer also those of its data-availability layer, of the prover
// and of the clients' transactions that nodes forward. Bytes of gossip are messages as
// the router counts them.
//
// VIVACE_PROFILE is a directory for CPU profiles of a full node that nobody asks. The
// figures of such a run have the profile's cost in them.
func TestMeasureLinks(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("VIVACE_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("VIVACE_MEASURE is not set to how often it is to be measured")
	}
	tables := make([]table, len(settings))
	for round := range rounds {
		for i, s := range settings {
			t.Run(fmt.Sprintf("%s/%d", s.name, round), func(t *testing.T) { tables[i].add(measure(t, s)) })
		}
	}
	t.Log(printed(tables))
}

// A figure is something that is measured.
type figure struct {
	name  string
	value float64
}

// measure measures once. It is skipped where the kernel has neither bridges nor veth.
func measure(t *testing.T, s setting) []figure {
	o := options{full: s.nodes, fabric: s.fabric, mini: 10 * time.Millisecond, lanes: 8, pause: 5 * time.Millisecond}
	if profiles() != "" {
		o.node = []string{"-pprof"}
	}
	w := newWorld(t, o)
	if s.links != (netlab.Conditions{}) {
		for i := range w.lab.Size() {
			w.conditions(i, s.links)
		}
	}
	source, again := w.sequencer.listen(t.Context()), w.sequencer.listen(t.Context())
	var ears []*listener
	for _, n := range w.nodes[:doors] {
		ears = append(ears, n.listen(t.Context()))
	}
	w.rest(measureAfter)

	quiet := w.nodes[doors:]
	before, first := w.account(quiet), source.newest()+1
	done := quiet[len(quiet)-1].profile()
	w.rest(measureFor)
	last, after := source.newest(), w.account(quiet)
	done()
	w.rest(3 * time.Second) // what is on its way still counts
	said := source.heard(first, last)
	var took []time.Duration
	for _, l := range ears {
		took = append(took, lags(said, l.heard(first, last))...)
	}
	own := lags(said, again.heard(first, last))
	for i := range own {
		own[i] = own[i].Abs()
	}
	w.settle()
	require.NotEmpty(t, took)
	return append([]figure{
		{"mini-blocks/s", float64(len(said)) / after.at.Sub(before.at).Seconds()},
		{"of them came, %", 100 * float64(len(took)) / float64(doors*len(said))},
		{"propagation p50, ms", quantile(took, 0.5)},
		{"propagation p99, ms", quantile(took, 0.99)},
		{"its error p50, ms", quantile(own, 0.5)},
		{"its error p99, ms", quantile(own, 0.99)},
	}, spent(before, after, len(quiet), len(said))...)
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

// quantile is in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000
}

// spread is median and 99th percentile in milliseconds.
func spread(d []time.Duration) string {
	return fmt.Sprintf("%.2f / %.1f", quantile(d, 0.5), quantile(d, 0.99))
}

// profiles is the directory for profiles, empty if there are to be none.
func profiles() string { return os.Getenv("VIVACE_PROFILE") }

// profile writes a profile of the machine's CPU for almost as long as it is measured, if
// there are to be profiles. It is written when done returns.
func (m *machine) profile() (done func()) {
	if profiles() == "" {
		return func() {}
	}
	written := make(chan error, 1)
	go func() { written <- m.writeProfile() }()
	return func() {
		m.Helper()
		require.NoError(m, <-written)
	}
}

func (m *machine) writeProfile() error {
	answer, err := m.http.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", url, int(measureFor.Seconds())-1))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("no profile: %s", answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d-nodes-%s.pprof", m.index-firstFull+1, time.Now().Format("150405"))
	return os.WriteFile(filepath.Join(profiles(), name), text, 0o644)
}
