package serve

import (
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer"
)

// SequencerReady says why a sequencer should not get traffic: something behind the head
// is so far behind that it refuses transactions, or soon will.
func SequencerReady(s *sequencer.Sequencer) func() []rpc.Reason {
	return func() (out []rpc.Reason) {
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

// silence is how long a full node may hear nothing. A sequencer seals a block every
// second, with transactions or without.
const silence = 10 * time.Second

// FullnodeReady says why a full node should not get traffic: it refused what the
// sequencer sent, or has heard nothing for a while. A body that was refused is a block
// that its history does not have, and remains a reason.
func FullnodeReady(f *fullnode.Follower) func() []rpc.Reason {
	began := time.Now()
	return func() []rpc.Reason {
		return fullnodeReasons(time.Now(), began, f.Stats().LastMessage, f.Refused(), f.RefusedBody())
	}
}

// fullnodeReasons are those of a node that began, and last heard something, at a time.
func fullnodeReasons(now, began, heard time.Time, refused, refusedBody error) (out []rpc.Reason) {
	if refused != nil {
		out = append(out, rpc.Reason{Check: "feed", Detail: refused.Error()})
	}
	if refusedBody != nil {
		out = append(out, rpc.Reason{Check: "bodies", Detail: refusedBody.Error()})
	}
	what := "since the last message"
	if heard.IsZero() {
		heard, what = began, "since the start"
	}
	if quiet := now.Sub(heard); quiet > silence {
		out = append(out, rpc.Reason{Check: "feed", Detail: fmt.Sprintf("nothing came from the sequencer for %s, %s", quiet.Round(time.Second), what)})
	}
	return out
}
