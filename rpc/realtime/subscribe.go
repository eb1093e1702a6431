package realtime

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// NewHeads is eth_subscribe "newHeads": the header of each block that is sealed.
func (e *Eth) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	s := e.service
	return s.start(ctx, nil, &stream{events: s.sendHead})
}

// Logs is eth_subscribe "logs": the logs that filter selects, of each block that is
// sealed or, where the filter's range begins or ends at pending and on the path
// /realtime, of each mini-block, with a null blockHash. Only the latter can be
// resumed.
func (e *Eth) Logs(ctx context.Context, filter wire.LogFilter, resume *Resume) (*rpc.Subscription, error) {
	s := e.service
	if filter.BlockHash != nil {
		return nil, errBlockRange
	}
	from, to := tag(filter.FromBlock), tag(filter.ToBlock)
	bytes := filterBytes(&filter)
	if e.realtime || from == rpc.PendingBlockNumber || to == rpc.PendingBlockNumber {
		events := func(ev history.Event, out send) error { return s.sendLogs(ev, &filter, out) }
		return s.start(ctx, resume, &stream{events: events, minis: true, bytes: bytes})
	}
	if resume != nil {
		return nil, wire.InvalidParams("logs of sealed blocks cannot be resumed; eth_getLogs has them")
	}
	if err := checkFuture(from, to); err != nil {
		return nil, err
	}
	if s.backend.History().HeadersOnly() {
		return nil, wire.HeadersOnly("logs")
	}
	events := func(ev history.Event, out send) error {
		if ev.Sealed == nil || !within(ev.Sealed.Number(), from, to) {
			return nil
		}
		return s.sendSealedLogs(ev.Sealed, &filter, out)
	}
	return s.start(ctx, nil, &stream{events: events, bytes: bytes})
}

// checkFuture refuses the ranges that go-ethereum refuses for logs that are still
// to come.
func checkFuture(from, to rpc.BlockNumber) error {
	ok := from == rpc.LatestBlockNumber && to == rpc.LatestBlockNumber ||
		bounded(from) && (to == rpc.LatestBlockNumber || bounded(to) && from <= to)
	if !ok {
		return errBlockRange
	}
	return nil
}

// bounded reports whether n names one block for good.
func bounded(n rpc.BlockNumber) bool { return n >= 0 || n == rpc.EarliestBlockNumber }

func within(number uint64, from, to rpc.BlockNumber) bool {
	if from > 0 && number < uint64(from) {
		return false
	}
	return to == rpc.LatestBlockNumber || to >= 0 && number <= uint64(to)
}

// NewPendingTransactions is eth_subscribe "newPendingTransactions": the hash, or with
// full the object, of each transaction that is acknowledged, when its mini-block
// ends. It does not announce what waits in the pool.
func (e *Eth) NewPendingTransactions(ctx context.Context, full *bool) (*rpc.Subscription, error) {
	s := e.service
	events := s.sendHashes
	switch {
	case full != nil && *full && e.realtime:
		events = s.sendTxs
	case full != nil && *full:
		events = s.sendPendingTxs
	}
	return s.start(ctx, nil, &stream{events: events, minis: true})
}

// MiniBlocks is eth_subscribe "miniBlocks": each mini-block with its transactions
// and receipts.
func (e *Eth) MiniBlocks(ctx context.Context, resume *Resume) (*rpc.Subscription, error) {
	s := e.service
	return s.start(ctx, resume, &stream{events: s.sendMini, minis: true})
}

// StateChanges is eth_subscribe "stateChanges": of each mini-block the accounts that
// changed, all or those of addresses.
func (e *Eth) StateChanges(ctx context.Context, addresses *Addresses, resume *Resume) (*rpc.Subscription, error) {
	s := e.service
	var only Addresses
	if addresses != nil {
		only = *addresses
	}
	events := func(ev history.Event, out send) error { return s.sendState(ev, only, out) }
	return s.start(ctx, resume, &stream{events: events, minis: true, bytes: only.bytes()})
}

// Syncing is eth_subscribe "syncing": false, once. A node that serves has what it
// serves.
func (e *Eth) Syncing(ctx context.Context) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	conn, _ := rpc.ClientFromContext(ctx)
	release, err := e.service.slots.take(conn, 0)
	if err != nil {
		return nil, err
	}
	sub := notifier.CreateSubscription()
	go func() {
		defer release()
		if notifier.Notify(sub.ID, false) == nil {
			<-sub.Err()
		}
	}()
	return sub, nil
}

// selected calls use for each log of receipts that filter selects, with its index
// among all their logs.
func selected(receipts []*chain.Receipt, filter *wire.LogFilter, use func(r, l, index int) error) error {
	index := 0
	for r := range receipts {
		logs := receipts[r].Logs
		for l := range logs {
			if filter.Matches(&logs[l]) {
				if err := use(r, l, index+l); err != nil {
					return err
				}
			}
		}
		index += len(logs)
	}
	return nil
}

func countLogs(receipts []*chain.Receipt) (n int) {
	for _, r := range receipts {
		n += len(r.Logs)
	}
	return n
}

// sendItem sends item i of an encoding.
func sendItem(e *encoding, i int, out send, write func() (json.RawMessage, error)) error {
	text, err := e.item(i, write)
	if err != nil {
		return err
	}
	return out(text)
}
