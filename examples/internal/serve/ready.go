package serve

import (
	"fmt"
	"sync"
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
// sequencer sent, or has heard nothing for a while.
func FullnodeReady(f *fullnode.Follower) func() []rpc.Reason {
	var (
		mu    sync.Mutex
		head  = f.Heads().RootChecked.Number
		moved = time.Now()
	)
	return func() (out []rpc.Reason) {
		if err := f.Refused(); err != nil {
			out = append(out, rpc.Reason{Check: "feed", Detail: err.Error()})
		}
		mu.Lock()
		defer mu.Unlock()
		if now := f.Heads().RootChecked.Number; now != head {
			head, moved = now, time.Now()
		}
		if quiet := time.Since(moved); quiet > silence {
			out = append(out, rpc.Reason{Check: "head", Detail: fmt.Sprintf("no block since %d, %s ago", head, quiet.Round(time.Second))})
		}
		return out
	}
}
