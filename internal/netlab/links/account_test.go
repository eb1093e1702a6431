package links

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// An account is what was spent up to some time.
type account struct {
	at        time.Time
	sequencer expense
	nodes     expense // of all full nodes that nobody asks
	machine   processors
}

// An expense is what processes spent.
type expense struct {
	in, out    uint64  // bytes of IP packets
	received   float64 // bytes of gossip
	sent       float64 // the same, and of answers to requests
	duplicates float64 // messages
	cpu        time.Duration
}

// account takes stock. It asks the doors' metrics first, so that answering is not counted.
func (w *world) account(quiet []*machine) (a account) {
	w.Helper()
	all := append([]*machine{w.sequencer}, quiet...)
	expenses := make([]expense, len(all))
	for i, m := range all {
		expenses[i] = expense{
			received: m.metric("vivace_p2p_received_bytes_total"), duplicates: m.metric("vivace_p2p_duplicates_total"),
			sent: m.metric("vivace_p2p_sent_bytes_total") + m.metric("vivace_p2p_served_bytes_total"),
		}
	}
	a.at, a.machine = time.Now(), readProcessors(w)
	for i, m := range all {
		traffic, err := m.node.Traffic()
		require.NoError(w, err)
		e := &expenses[i]
		e.in, e.out, e.cpu = traffic.BytesIn, traffic.BytesOut, m.process.Usage().CPU
		if i > 0 {
			a.nodes.add(*e)
		}
	}
	a.sequencer = expenses[0]
	return a
}

func (e *expense) add(o expense) {
	e.in += o.in
	e.out += o.out
	e.received += o.received
	e.sent += o.sent
	e.duplicates += o.duplicates
	e.cpu += o.cpu
}

// spent is what was spent between two accounts, of so many quiet nodes, and for so many
// mini-blocks.
func spent(before, after account, nodes, minis int) []figure {
	seconds := after.at.Sub(before.at).Seconds()
	kilobytes := func(bytes float64, of int) float64 { return bytes / float64(of) / seconds / 1000 }
	perMini := func(before, after time.Duration, of int) float64 {
		return float64((after - before).Microseconds()) / 1000 / float64(of) / float64(max(1, minis))
	}
	m := after.machine.since(before.machine)
	return []figure{
		{"node: wire in, kB/s", kilobytes(float64(after.nodes.in-before.nodes.in), nodes)},
		{"node: wire out, kB/s", kilobytes(float64(after.nodes.out-before.nodes.out), nodes)},
		{"node: gossip in, kB/s", kilobytes(after.nodes.received-before.nodes.received, nodes)},
		{"node: duplicates per mini-block", (after.nodes.duplicates - before.nodes.duplicates) / float64(nodes*max(1, minis))},
		{"sequencer: wire out, kB/s", kilobytes(float64(after.sequencer.out-before.sequencer.out), 1)},
		{"sequencer: gossip out, kB/s", kilobytes(after.sequencer.sent-before.sequencer.sent, 1)},
		{"node: CPU per mini-block, ms", perMini(before.nodes.cpu, after.nodes.cpu, nodes)},
		{"node: CPU, ms/s", float64((after.nodes.cpu - before.nodes.cpu).Milliseconds()) / float64(nodes) / seconds},
		{"sequencer: CPU per mini-block, ms", perMini(before.sequencer.cpu, after.sequencer.cpu, 1)},
		{"machine: busy, %", 100 * m.busy / m.total},
		{"machine: taken by its host, %", 100 * m.stolen / m.total},
		{"machine: busy with the test itself, %", 100 * m.own / m.total},
		{"machine: load average", m.load},
	}
}

// processors are times of all the machine's processors, in ticks.
type processors struct {
	busy, stolen, total float64
	own                 float64 // of busy, this process: the links, the clients and the listeners
	load                float64 // average of the last minute; it is not in ticks
}

func (p processors) since(o processors) processors {
	return processors{p.busy - o.busy, p.stolen - o.stolen, max(1, p.total-o.total), p.own - o.own, p.load}
}

// readProcessors reads proc_stat(5), of which the first line is user, nice, system, idle,
// iowait, irq, softirq and steal, and proc_pid_stat(5), which has utime and stime 11 fields
// after the name.
func readProcessors(w *world) (p processors) {
	w.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		require.NoError(w, err)
		return string(text)
	}
	number := func(text string) (n float64) {
		_, err := fmt.Sscan(text, &n)
		require.NoError(w, err)
		return n
	}
	fields := strings.Fields(read("/proc/stat"))
	for i := 1; i <= 8; i++ {
		ticks := number(fields[i])
		p.total += ticks
		switch i {
		case 8:
			p.stolen = ticks
		case 4, 5: // nothing
		default:
			p.busy += ticks
		}
	}
	self := read("/proc/self/stat")
	fields = strings.Fields(self[strings.LastIndexByte(self, ')')+1:])
	p.own = number(fields[11]) + number(fields[12])
	p.load = number(read("/proc/loadavg"))
	return p
}

// A table has the figures of one setting, of each its values.
type table struct {
	names  []string
	values map[string][]float64
}

func (t *table) add(figures []figure) {
	if t.values == nil {
		t.values = make(map[string][]float64)
	}
	for _, f := range figures {
		if t.values[f.name] == nil {
			t.names = append(t.names, f.name)
		}
		t.values[f.name] = append(t.values[f.name], f.value)
	}
}

// printed has a column for each setting: median, and in brackets the least and the largest.
func printed(tables []table) string {
	out := new(strings.Builder)
	fmt.Fprintf(out, "\n%-36s", "full nodes, links")
	for _, s := range settings {
		fmt.Fprintf(out, "%26s", s.name)
	}
	measured := slices.IndexFunc(tables, func(t table) bool { return len(t.names) > 0 })
	if measured < 0 {
		return "nothing was measured"
	}
	for _, name := range tables[measured].names {
		fmt.Fprintf(out, "\n%-36s", name)
		for i := range tables {
			cell := "-"
			if v := tables[i].values[name]; len(v) > 0 {
				slices.Sort(v)
				median := (v[(len(v)-1)/2] + v[len(v)/2]) / 2
				cell = fmt.Sprintf("%.2f (%.2f to %.2f)", median, v[0], v[len(v)-1])
			}
			fmt.Fprintf(out, "%26s", cell)
		}
	}
	return out.String()
}
