package dashboard

import "time"

// A message is what the page shows at one moment. Times are in microseconds, uptime in
// seconds. The script is its only reader.
type message struct {
	Name       string    `json:"name"`
	ChainID    uint64    `json:"chainId"`
	Uptime     int64     `json:"uptime"`
	Durability string    `json:"durability"`
	Load       int       `json:"load"`
	TPS        float64   `json:"tps"`
	Rates      []float64 `json:"rates"`  // oldest first
	Points     int       `json:"points"` // how many rates there will be
	Period     int64     `json:"period"` // from one to the next
	Txs        uint64    `json:"txs"`

	Latency *latencyMessage `json:"latency"`
	Groups  groupsMessage   `json:"groups"`
	Minis   minisMessage    `json:"minis"`
	// Bytes per transaction.
	Diff    float64 `json:"diff"`
	Witness float64 `json:"witness"`

	Heads     headsMessage     `json:"heads"`
	Nodes     []nodeMessage    `json:"nodes"`
	Provers   []proverMessage  `json:"provers"`
	Queues    []queueMessage   `json:"queues"`
	Addresses []addressMessage `json:"addresses"`
}

type latencyMessage struct {
	From   int64    `json:"from"`
	Bounds []int64  `json:"bounds"`
	Counts []uint64 `json:"counts"`
	Total  uint64   `json:"total"`
	P50    int64    `json:"p50"`
	P99    int64    `json:"p99"`
}

type groupsMessage struct {
	PerSecond float64 `json:"perSecond"`
	Txs       float64 `json:"txs"`  // of each
	Sync      int64   `json:"sync"` // of each
}

type minisMessage struct {
	PerSecond float64 `json:"perSecond"`
	Interval  int64   `json:"interval"`
	InBlock   float64 `json:"inBlock"` // most that fit into a block
}

type headsMessage struct {
	Number    uint64  `json:"number"`
	Index     uint32  `json:"index"`
	Sealed    uint64  `json:"sealed"`
	Published uint64  `json:"published"`
	Proven    *uint64 `json:"proven"` // null if nobody proves
}

type nodeMessage struct {
	Name  string  `json:"name"`
	Lag   uint64  `json:"lag"`   // mini-blocks
	Worst uint64  `json:"worst"` // Lag that there was
	Roots uint64  `json:"roots"` // blocks
	Diff  float64 `json:"diff"`  // bytes per transaction
}

type proverMessage struct {
	Name     string `json:"name"`
	Attested uint64 `json:"attested"`
	Waiting  int    `json:"waiting"`
	Refused  uint64 `json:"refused"`
}

type queueMessage struct {
	Name   string `json:"name"`
	What   string `json:"what"`
	Length int    `json:"length"`
	Most   int    `json:"most"`
}

type addressMessage struct {
	Name string   `json:"name"`
	URLs []string `json:"urls"`
}

// message says what the window comes to.
func (w *window) message() *message {
	s := w.newest()
	seconds := s.at.Sub(w.readings[0].at).Seconds()
	m := &message{
		Name: s.Name, ChainID: s.ChainID, Uptime: int64(s.at.Sub(s.Started).Seconds()),
		Durability: s.Durability, Load: s.Load,
		TPS: round(w.present(transactions), 0), Points: points, Period: period.Microseconds(), Txs: s.Transactions,
		Latency: w.latencyMessage(),
		Groups: groupsMessage{
			PerSecond: round(ratio(w.growth(groups), seconds), 1),
			Txs:       round(w.per(transactions, groups), 1),
			Sync:      time.Duration(w.per(syncTime, groups)).Microseconds(),
		},
		Minis: minisMessage{
			PerSecond: round(w.present(miniBlocks), 1),
			Interval:  s.MiniBlockInterval.Microseconds(),
			InBlock:   ratio(float64(s.BlockInterval), float64(s.MiniBlockInterval)),
		},
		Diff:    round(w.per(diffBytes, transactions), 1),
		Witness: round(w.per(witnessBytes, witnessTxs), 1),
		Heads:   headsMessage{Number: s.Heads.Number, Index: s.Heads.Index, Sealed: s.Heads.Sealed, Published: s.Heads.Published},
	}
	if s.Heads.Proves {
		m.Heads.Proven = &s.Heads.Proven
	}
	for _, rate := range w.rates {
		m.Rates = append(m.Rates, round(rate, 0))
	}
	w.addLists(m)
	return m
}

// What Snapshot counts, for growth and its like.
func transactions(s *Snapshot) uint64 { return s.Transactions }
func groups(s *Snapshot) uint64       { return s.Groups }
func syncTime(s *Snapshot) uint64     { return uint64(s.SyncTime) }
func miniBlocks(s *Snapshot) uint64   { return s.MiniBlocks }
func diffBytes(s *Snapshot) uint64    { return s.DiffBytes }
func witnessBytes(s *Snapshot) uint64 { return s.WitnessBytes }
func witnessTxs(s *Snapshot) uint64   { return s.WitnessTxs }

func (w *window) latencyMessage() *latencyMessage {
	l := w.latency()
	if l == nil {
		return nil
	}
	m := &latencyMessage{
		From: l.From.Microseconds(), Counts: l.Counts, Total: l.total(),
		P50: l.percentile(50).Microseconds(), P99: l.percentile(99).Microseconds(),
	}
	for _, bound := range l.Bounds {
		m.Bounds = append(m.Bounds, bound.Microseconds())
	}
	return m
}

// addLists adds those who follow, what waits, and where clients may go.
func (w *window) addLists(m *message) {
	s := w.newest()
	for i, n := range s.Nodes {
		node := func(s *Snapshot) *Node { // its place is the same in all
			if i < len(s.Nodes) {
				return &s.Nodes[i]
			}
			return new(Node)
		}
		m.Nodes = append(m.Nodes, nodeMessage{
			Name: n.Name, Lag: n.MiniBlocksBehind, Roots: n.BlocksBehind,
			Worst: w.most(i, func(n *Node) uint64 { return n.MiniBlocksBehind }),
			Diff: round(w.per(
				func(s *Snapshot) uint64 { return node(s).DiffBytes },
				func(s *Snapshot) uint64 { return node(s).Transactions }), 1),
		})
	}
	for _, p := range s.Provers {
		m.Provers = append(m.Provers, proverMessage{p.Name, p.Attested, p.Waiting, p.Refused})
	}
	for _, q := range s.Queues {
		m.Queues = append(m.Queues, queueMessage(q))
	}
	for _, a := range s.Addresses {
		m.Addresses = append(m.Addresses, addressMessage(a))
	}
}
