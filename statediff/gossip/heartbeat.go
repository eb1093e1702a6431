package gossip

import (
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A Heartbeat is what the sequencer says once a second, whether or not anything
// happens: so a node that hears nothing knows whether there was nothing, and a loss at
// the feed's end shows.
type Heartbeat struct {
	Newest    chain.Place // of the feed
	Published uint64      // number of the newest publication; 0 if there is none
	Time      time.Time   // by the sequencer's clock, to the millisecond; ascends
}

// HeartbeatInterval is how often the one who publishes the feed sends a Heartbeat.
const HeartbeatInterval = time.Second

// AppendBinary appends the RLP of h.
func (h *Heartbeat) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, h.Newest.Number)
	dst = rlp.AppendUint64(dst, uint64(h.Newest.Index))
	dst = rlp.AppendUint64(dst, h.Published)
	dst = rlp.AppendUint64(dst, uint64(max(h.Time.UnixMilli(), 0)))
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote. On an error, which matches
// chain.ErrCorrupt, h is unchanged.
func (h *Heartbeat) UnmarshalBinary(src []byte) error {
	var (
		out Heartbeat
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Newest.Number = r.Uint64()
	index := r.Uint64()
	out.Published = r.Uint64()
	ms := r.Uint64()
	if index > chain.HeaderIndex || ms > 1<<48 {
		r.Fail(rlp.ErrSize)
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return &chain.CorruptError{What: "heartbeat", Offset: -1, Err: err}
	}
	out.Newest.Index = uint32(index)
	out.Time = time.UnixMilli(int64(ms))
	*h = out
	return nil
}
