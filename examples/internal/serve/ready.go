package serve

import (
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// AboutLayer is the Check of a Reason that is about the data-availability layer.
const AboutLayer = "da"

// SequencerReady says why a sequencer should not get traffic: something behind the head
// is so far behind that it refuses transactions, or soon will; the layer does not give back
// what it took; a block that several provers failed with, or the block after the proven head
// for five minutes, is not proven: nothing after it will be. desk is nil if it gives no work.
func SequencerReady(s *sequencer.Sequencer, desk *sequencer.Desk) func() []rpc.Reason {
	return func() []rpc.Reason {
		var failing []sequencer.Failing
		if desk != nil {
			failing = desk.Stats().Failing
		}
		st := s.Stats()
		return sequencerReasons(&st, s.Heads().Proven.Number+1, failing)
	}
}

// sequencerReasons are those of a sequencer that has counted st, whose provers prove the block
// next and failed with some.
func sequencerReasons(st *sequencer.Stats, next uint64, failing []sequencer.Failing) []rpc.Reason {
	out := append(deskReasons(failing), standstill(st, next, failing)...)
	if st.Missing != "" {
		out = append(out, rpc.Reason{Check: AboutLayer, Detail: "the data-availability layer took and does not give back the " + st.Missing})
	}
	for _, q := range []struct {
		check, what  string
		length, most int
	}{
		{AboutLayer, "blocks wait for the data-availability layer", st.Unpublished, st.UnpublishedMax},
		{"provers", "blocks wait for provers", st.Unproven, st.UnprovenMax},
		{"pool", "transactions wait for execution", st.Pool, st.PoolMax},
	} {
		if 4*q.length >= 3*q.most {
			out = append(out, rpc.Reason{Check: q.check, Detail: fmt.Sprintf("%d of at most %d %s", q.length, q.most, q.what)})
		}
	}
	return out
}

func deskReasons(failing []sequencer.Failing) (out []rpc.Reason) {
	for _, f := range failing {
		if n := len(f.Provers); n > 1 {
			out = append(out, rpc.Reason{Check: "provers", Detail: fmt.Sprintf("%d provers failed with block %d, the last: %s", n, f.Number, f.Last)})
		}
	}
	return out
}

// standstill is that the proven head waits for too long for the block next, and what provers
// said of that.
func standstill(st *sequencer.Stats, next uint64, failing []sequencer.Failing) []rpc.Reason {
	if st.OldestUnproven <= proofPatience {
		return nil
	}
	said := "no prover has said why"
	for _, f := range failing {
		if f.Number == next {
			said = "the last that a prover said: " + f.Last
		}
	}
	return []rpc.Reason{{Check: "provers", Detail: fmt.Sprintf("block %d is published and has not been proven for %s; %s", next, st.OldestUnproven.Round(time.Second), said)}}
}

// A full node is patient for three blocks, and ten seconds at least: a sequencer seals a
// block every interval, with transactions or without, but is not always in time.
const (
	patienceBlocks = 3
	patienceLeast  = 10 * time.Second
	patienceFirst  = time.Minute // until it has seen how long a block is
)

// proofPatience is how long the next block may wait for provers, who need seconds, until
// what is said of finalized blocks is too old.
const proofPatience = 5 * time.Minute

// unverifiedPatience is for how long a block that was not executed again keeps a full node
// from traffic: time for somebody to look, and no longer, for what was passed over stays so.
const unverifiedPatience = 10 * time.Minute

// FullnodeReady says why a full node, whose Config.History is store, should not get
// traffic: it refused what the sequencer sent, has heard nothing yet, or nothing for
// three of the chain's blocks, ten seconds at least, although it could listen; or the next
// block has waited for provers for five minutes; or a block that was to be executed again was
// not, in the last ten minutes. A body that was refused, which may be a block that its history
// does not have, remains a reason.
func FullnodeReady(f *fullnode.Follower, store *history.Store) func() []rpc.Reason {
	return func() []rpc.Reason {
		_, env := f.Latest()
		patience := patienceFirst
		if block, known := interval(env, f.Header(), store.Header); known {
			patience = max(patienceLeast, patienceBlocks*block)
		}
		stats := f.Stats()
		return fullnodeReasons(time.Now(), &stats, patience, f.Refused(), f.RefusedBody())
	}
}

// fullnodeReasons are those of a node that has counted st.
func fullnodeReasons(now time.Time, st *fullnode.Stats, patience time.Duration, refused, refusedBody error) (out []rpc.Reason) {
	because := func(check, format string, args ...any) {
		out = append(out, rpc.Reason{Check: check, Detail: fmt.Sprintf(format, args...)})
	}
	if refused != nil {
		because("feed", "%s", refused)
	}
	if refusedBody != nil {
		because("bodies", "%s", refusedBody)
	}
	if ago := now.Sub(st.LastUnverified); st.Unverified > 0 && ago <= unverifiedPatience {
		because("verify", "%d blocks were not executed again, the last of them %s ago", st.Unverified, ago.Round(time.Second))
	}
	if waits := now.Sub(st.UnprovenSince); st.Unproven > 0 && waits > proofPatience {
		because("provers", "%d blocks are not proven; the first of them waits for %s", st.Unproven, waits.Round(time.Second))
	}
	switch quiet := now.Sub(st.LastMessage); {
	case st.LastMessage.IsZero():
		because("feed", "nothing has come from the sequencer yet")
	case quiet <= patience:
	case st.BacklogBytes > st.BacklogMax:
		because("history", "the feed waits for %s, until history has taken some of %d bytes; %d are too many", quiet.Round(time.Second), st.BacklogBytes, st.BacklogMax)
	default:
		because("feed", "nothing came from the sequencer for %s; the chain's blocks let it expect something within %s", quiet.Round(time.Second), patience)
	}
	return out
}

// PeersReady says why a full node's place in the network is not as it should be: there is
// nobody in it, or the sequencer's key has signed two feeds, of which this node follows the
// one that came first.
func PeersReady(n *gossip.Node) func() []rpc.Reason {
	return func() []rpc.Reason { return peersReasons(n.Stats().Peers, n.Evidence()) }
}

func peersReasons(peers int, evidence []gossip.Evidence) (out []rpc.Reason) {
	if peers == 0 {
		out = append(out, rpc.Reason{Check: "peers", Detail: "no peer is connected"})
	}
	for _, e := range evidence {
		h, err := e.First.Header()
		if err == nil && (h.Kind == gossip.KindFrame || h.Kind == gossip.KindHeader) {
			return append(out, rpc.Reason{Check: "signer", Detail: fmt.Sprintf("the sequencer's key has signed two different things at %s", h.Place)})
		}
	}
	return out
}

// proverPatience is how long one whom a prover asks may not answer.
const proverPatience = 30 * time.Second

// ProverReady says why a prover does no work: the sequencer or the data-availability layer
// does not answer.
func ProverReady(door, layer *Pulse) func() []rpc.Reason {
	return func() []rpc.Reason { return proverReasons(time.Now(), door, layer) }
}

func proverReasons(now time.Time, door, layer *Pulse) (out []rpc.Reason) {
	for _, of := range []struct {
		check, who string
		pulse      *Pulse
	}{{"sequencer", "the sequencer", door}, {AboutLayer, "the data-availability layer", layer}} {
		if silent, why := of.pulse.silent(now); silent > proverPatience {
			out = append(out, rpc.Reason{Check: of.check, Detail: fmt.Sprintf("%s has not answered for %s: %v", of.who, silent.Round(time.Second), why)})
		}
	}
	return out
}

// Both are the reasons of two.
func Both(a, b func() []rpc.Reason) func() []rpc.Reason {
	return func() []rpc.Reason { return append(a(), b()...) }
}

// interval is the shortest time from one of the newest blocks to the next, by their
// timestamps: after a pause of the sequencer one of them is as long as that. The block
// before newest is asked of header, the newest that has begun is env's. Genesis, which may
// be of any time, does not count, so it takes two blocks until something is known.
func interval(env *chain.Env, newest *chain.Header, header func(number uint64) (*chain.Header, error)) (_ time.Duration, known bool) {
	const blocks = 3
	shortest := uint64(0)
	gap := func(from, to, blocks uint64) {
		if seconds := (to - from) / blocks; to >= from && (!known || seconds < shortest) {
			shortest, known = seconds, true
		}
	}
	if newest.Number > 0 && env.Number > newest.Number {
		gap(newest.Timestamp, env.Timestamp, env.Number-newest.Number)
	}
	for range blocks {
		if newest.Number < 2 {
			break
		}
		parent, err := header(newest.Number - 1)
		if err != nil {
			break // it began later, or has not come so far
		}
		gap(parent.Timestamp, newest.Timestamp, 1)
		newest = parent
	}
	return time.Duration(shortest) * time.Second, known
}
