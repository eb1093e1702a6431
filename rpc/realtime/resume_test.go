package realtime

import (
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// TestResumeAhead: who saw more at another node waits here for what is new to him.
func TestResumeAhead(t *testing.T) {
	for name, args := range resumable() {
		t.Run(name, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, false)
			d.node.Seal(d.emit(0, 1, 1, 0))
			client := d.dial()
			taps := map[history.Seq]*tap{}
			for _, seq := range []history.Seq{
				history.SeqOf(2, 0), history.SeqOf(2, 1), history.SeqOf(2, 1<<24-1), history.SeqOf(3, 0), history.SeqOf(3, 2), history.SeqOf(4, 1),
			} {
				taps[seq] = d.subscribe(client, append(args, from(seq))...)
			}
			var came []history.Seq
			for block := uint64(2); block <= 4; block++ {
				for index := range uint32(3) {
					d.node.Mini(d.emit(0, 1, 10*block+uint64(index), 0))
					came = append(came, history.SeqOf(block, index))
				}
				d.node.Seal() // ends the block with an empty mini-block
				if name == "miniBlocks" {
					came = append(came, history.SeqOf(block, 3))
				}
			}
			for first, tap := range taps {
				for _, seq := range came {
					if seq >= first {
						require.Equal(t, uint64(seq), number(t, tap.next()["sequence"]), "from %#x", uint64(first))
					}
				}
				tap.silent()
			}
		})
	}
}

// TestResumeAheadDropped: what the subscriber saw elsewhere and the node was to get is
// given up, and comes again in another form.
func TestResumeAheadDropped(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	d.node.Seal()
	for range 3 {
		d.node.Mini(d.emit(0, 1, 2, 0)) // 2, 0 to 2
	}
	var waiting []*tap
	for _, seq := range []history.Seq{history.SeqOf(2, 3), history.SeqOf(2, 9), history.SeqOf(3, 1)} {
		waiting = append(waiting, d.subscribe(client, "miniBlocks", from(seq)))
	}
	d.node.History().Drop()
	require.NoError(t, other(d.node.History()))
	for _, tap := range waiting {
		require.JSONEq(t, fmt.Sprintf(`{"dropped":{"sequence":"%#x"}}`, uint64(history.SeqOf(2, 0))), string(tap.raw()))
		got := tap.next()
		require.Equal(t, uint64(history.SeqOf(2, 0)), number(t, got["sequence"]))
		require.Equal(t, otherParent.Hex(), got["parent_hash"])
		tap.silent()
	}
}

// TestResumeTooFarAhead: what is no sequence that a node can have is refused.
func TestResumeTooFarAhead(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	d.node.Seal()
	for name, args := range resumable() {
		t.Run(name, func(t *testing.T) {
			client := d.dial()
			d.subscribe(client, append(args, from(history.SeqOf(2+aheadMax, 7)))...)
			for _, seq := range []history.Seq{history.SeqOf(3+aheadMax, 0), 1 << 63, 1<<64 - 1} {
				_, err := d.trySubscribe(client, append(args, from(seq))...)
				requireError(t, err, wire.CodeInvalidParams, "too far ahead: block 2 is not sealed yet", nil)
			}
		})
	}
	require.Equal(t, 3, d.service.Subscriptions(), "who was refused has no slot")
}

// TestResumeNothingKept: where no mini-block is kept, as after a restart, the error
// names the next one, and one can go on there.
func TestResumeNothingKept(t *testing.T) {
	d := open(t, rpctest.Options{History: func(c *history.Config) { c.FeedBytes = 1 }}, Config{}, false)
	for range 3 {
		d.node.Seal(d.emit(0, 1, 1, 0)) // the last event is of the seal
	}
	for name, args := range resumable() {
		client := d.dial()
		_, err := d.trySubscribe(client, append(args, from(history.SeqOf(3, 0)))...)
		require.ErrorContains(t, err, "mini-block 0x3000000 is not kept any more; resume from 0x4000000", name)
		require.Equal(t, map[string]any{"oldest": hexutil.EncodeUint64(uint64(history.SeqOf(4, 0)))}, lagOf(t, err),
			"how much was missed is not known")
		d.subscribe(client, append(args, from(history.SeqOf(4, 0)))...)
	}
}

// TestGap: the blocks between the newest and one that begins further on do not come.
func TestGap(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	minis := d.subscribe(client, "miniBlocks")
	d.node.Seal(d.emit(0, 1, 1, 0))
	minis.next()
	require.NoError(t, d.node.History().OpenBlock(&chain.Env{Number: 9, Timestamp: 1_800_000_000, GasLimit: 1}))
	failure := minis.next()["error"].(map[string]any)
	require.Equal(t, "subscriber lags: events missed; resume from 0x9000000", failure["message"])
	require.Equal(t, map[string]any{"oldest": "0x9000000"}, failure["data"], "how much was missed is not known")
	// Who resumes before the gap is told, too; behind it there is nothing to tell.
	for _, seq := range []history.Seq{history.SeqOf(1, 9), history.SeqOf(8, 0)} {
		before := d.subscribe(client, "miniBlocks", from(seq))
		for {
			if got := before.next(); got["error"] != nil {
				require.Equal(t, failure, got["error"])
				break
			}
		}
	}
	d.subscribe(client, "miniBlocks", from(history.SeqOf(9, 0))).silent()
}
