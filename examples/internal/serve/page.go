package serve

import (
	"net"

	"github.com/vivace-chain/vivace/examples/internal/dashboard"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer"
)

// PageOfSequencer is what a dashboard shows of a sequencer alone, provers being those
// whose attestations count.
func PageOfSequencer(s *sequencer.Sequencer, provers int) dashboard.Snapshot {
	st, heads := s.Stats(), s.Heads()
	page := dashboard.Snapshot{
		Transactions: st.Transactions, Groups: st.Groups, SyncTime: st.SyncTime,
		MiniBlocks: st.MiniBlocks, DiffBytes: st.DiffBytes,
		WitnessBytes: st.WitnessBytes, WitnessTxs: st.WitnessTxs,
		Heads: dashboard.Heads{
			Number: heads.Preconfirmed.Number, Index: heads.Preconfirmed.Index,
			Sealed: heads.RootChecked.Number, Published: heads.Published.Number,
			Proven: heads.Proven.Number, Proves: provers > 0,
		},
		Queues: []dashboard.Queue{
			{Name: "Pool", What: "transactions for execution", Length: st.Pool, Most: st.PoolMax},
			{Name: "Log", What: "entries for the disk", Length: st.Journal, Most: st.JournalMax},
			{Name: "Roots", What: "closed blocks for their root", Length: st.Unrooted, Most: st.UnrootedMax},
			{Name: "DA", What: "sealed blocks for data availability", Length: st.Unpublished, Most: st.UnpublishedMax},
		},
	}
	if provers > 0 {
		page.Queues = append(page.Queues, dashboard.Queue{
			Name: "Proofs", What: "published blocks for provers", Length: st.Unproven, Most: st.UnprovenMax,
		})
	}
	return page
}

// PageOfDoor is how long the methods took that answer with a receipt.
func PageOfDoor(st rpc.Stats) *dashboard.Latency {
	bounds := rpc.LatencyBounds()
	out := &dashboard.Latency{From: bounds[0] / 2, Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
	for _, name := range []string{"realtime_sendRawTransaction", "eth_sendRawTransactionSync"} {
		method := st.Methods[name] // nothing, if nobody called it
		for i, n := range method.Latency {
			out.Counts[i] += n
		}
	}
	return out
}

// Address is where the door of a role that listens at an address can be reached.
func Address(role string, at net.Addr) dashboard.Address {
	url := "http://" + at.String()
	return dashboard.Address{Name: role, URLs: []string{url, "ws://" + at.String(), url + rpc.PathRealtime}}
}
