package realtime

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// TestFilterBytes: filters that are kept are counted, by connection and in all, and
// given back.
func TestFilterBytes(t *testing.T) {
	large := make(map[string][]any)
	{
		var (
			addresses []common.Address
			topics    []common.Hash
		)
		for i := range uint64(wire.LogAddressesMax) {
			addresses = append(addresses, common.BigToAddress(word(i).Big()))
			topics = append(topics, word(i))
		}
		large["logs"] = []any{"logs", map[string]any{"address": addresses, "topics": []any{topics}}}
		large["pending logs"] = []any{"logs", map[string]any{"address": addresses, "topics": []any{nil, topics}, "toBlock": "pending"}}
		large["stateChanges"] = []any{"stateChanges", addresses}
	}
	for name, args := range large {
		t.Run(name, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{FilterBytes: 200_000, ConnFilterBytes: 130_000}, false)
			fill := func(client *rpc.Client) (taps []*tap, err error) {
				for {
					tap, err := d.trySubscribe(client, args...)
					if err != nil {
						return taps, err
					}
					taps = append(taps, tap)
				}
			}
			first, second := d.dial(), d.dial()
			taps, err := fill(first)
			requireError(t, err, wire.CodeLimitExceeded, "of the connection's 130000 are left", nil)
			require.NotEmpty(t, taps)
			require.LessOrEqual(t, len(taps), 3)
			d.subscribe(first, "newHeads") // takes none
			others, err := fill(second)
			requireError(t, err, wire.CodeLimitExceeded, "of the node's 200000 are left", nil)
			require.Less(t, len(others), len(taps))

			taps[0].sub.Unsubscribe()
			eventually(t, "given back", func() bool {
				again, err := d.trySubscribe(first, args...)
				return err == nil && again != nil
			})
			first.Close()
			second.Close()
			eventually(t, "given back", func() bool {
				d.service.slots.mu.Lock()
				defer d.service.slots.mu.Unlock()
				return d.service.slots.all == usage{} && len(d.service.slots.conns) == 0
			})
		})
	}
}

func TestSlots(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{Subscriptions: 5, ConnSubscriptions: 3}, false)
	first, second := d.dial(), d.dial()
	var taps []*tap
	for range 3 {
		taps = append(taps, d.subscribe(first, "newHeads"))
	}
	for _, args := range [][]any{{"newHeads"}, {"syncing"}} {
		_, err := d.trySubscribe(first, args...)
		requireError(t, err, wire.CodeLimitExceeded, "the connection has 3", nil)
	}
	d.subscribe(second, "newHeads")
	d.subscribe(second, "syncing")
	_, err := d.trySubscribe(second, "newHeads")
	requireError(t, err, wire.CodeLimitExceeded, "the node has 5", nil)
	taps[0].sub.Unsubscribe()
	eventually(t, "slot given back", func() bool { return d.service.Subscriptions() == 4 })
	d.subscribe(second, "newHeads")
	second.Close()
	eventually(t, "forgotten", func() bool {
		d.service.slots.mu.Lock()
		defer d.service.slots.mu.Unlock()
		return len(d.service.slots.conns) == 1
	})
}
