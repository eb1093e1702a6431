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

// SequencerReady says why a sequencer should not get traffic: something behind the head
// is so far behind that it refuses transactions, or soon will. A block that several provers failed with is one too: nothing after it will be proven.
// desk is nil if it gives no work.
func SequencerReady(s *sequencer.Sequencer, desk *sequencer.Desk) func() []rpc.Reason {
	return func() (out []rpc.Reason) {
		if desk != nil {
			out = deskReasons(desk.Stats().Failing)
		}
		st := s.Stats()
		for _, q := range []struct {
			check, what  string
			length, most int
		}{
			{"da", "blocks wait for the data-availability layer", st.Unpublished, st.UnpublishedMax},
			{"provers", "blocks wait for provers", st.Unproven, st.UnprovenMax},
			{"pool", "transactions wait for execution", st.Pool, st.PoolMax},
		} {
			if 4*q.length >= 3*q.most {
				out = append(out, rpc.Reason{Check: q.check, Detail: fmt.Sprintf("%d of at most %d %s", q.length, q.most, q.what)})
			}
		}
		return out
	}
}

func deskReasons(failing []sequencer.Failing) (out []rpc.Reason) {
	for _, f := range failing {
		if n := len(f.Provers); n > 1 {
			out = append(out, rpc.Reason{Check: "provers", Detail: fmt.Sprintf("%d provers failed with block %d, the last: %s", n, f.Number, f.Why[len(f.Why)-1])})
		}
	}
	return out
}

// A full node is patient for three blocks, and ten seconds at least: a sequencer seals a
// block every interval, with transactions or without, but is not always in time.
const (
	patienceBlocks = 3
	patienceLeast  = 10 * time.Second
	patienceFirst  = time.Minute // until it has seen how long a block is
)

// FullnodeReady says why a full node, whose Config.History is store, should not get
// traffic: it refused what the sequencer sent, has heard nothing yet, or nothing for
// three of the chain's blocks, ten seconds at least. A body that was refused is a block that
// its history does not have, and remains a reason.
func FullnodeReady(f *fullnode.Follower, store *history.Store) func() []rpc.Reason {
	return func() []rpc.Reason {
		_, env := f.Latest()
		patience := patienceFirst
		if block, known := interval(env, f.Header(), store.Header); known {
			patience = max(patienceLeast, patienceBlocks*block)
		}
		return fullnodeReasons(time.Now(), f.Stats().LastMessage, patience, f.Refused(), f.RefusedBody())
	}
}

// fullnodeReasons are those of a node that last heard something at a time.
func fullnodeReasons(now, heard time.Time, patience time.Duration, refused, refusedBody error) (out []rpc.Reason) {
	if refused != nil {
		out = append(out, rpc.Reason{Check: "feed", Detail: refused.Error()})
	}
	if refusedBody != nil {
		out = append(out, rpc.Reason{Check: "bodies", Detail: refusedBody.Error()})
	}
	if heard.IsZero() {
		return append(out, rpc.Reason{Check: "feed", Detail: "nothing has come from the sequencer yet"})
	}
	if quiet := now.Sub(heard); quiet > patience {
		out = append(out, rpc.Reason{Check: "feed", Detail: fmt.Sprintf(
			"nothing came from the sequencer for %s; the chain's blocks let it expect something within %s", quiet.Round(time.Second), patience)})
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
	}{{"sequencer", "the sequencer", door}, {"da", "the data-availability layer", layer}} {
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
