package ethapi

import (
	"context"
	"errors"
	"math"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

var (
	errUnknownBlock = errors.New("unknown block")
	errBlockRange   = wire.InvalidParams("invalid block range params")
	errFutureRange  = wire.InvalidParams("block range extends beyond current head block")
	errPendingLogs  = wire.InvalidParams("pending logs are not supported")
)

// GetLogs is eth_getLogs: the logs of one block by its hash, or of a range of at most
// Options.LogRange blocks. An answer of more than Options.LogResults logs, or of more
// than Options.LogBytes, is refused.
// The realtime path includes what is not sealed, where the range reaches so far.
func (a *API) GetLogs(ctx context.Context, filter wire.LogFilter) (wire.Logs, error) {
	query, err := a.logQuery(&filter)
	if err != nil {
		return nil, err
	}
	query.Max = a.options.LogResults
	found, more, err := backend.Logs(ctx, a.backend, query, a.options.LogBytes)
	switch {
	case err != nil:
		return nil, wire.NotKept(err)
	case more && len(found) == query.Max:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "query returned more than %d results", query.Max)
	case more:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "query returned more than %d bytes; narrow the range", a.options.LogBytes)
	}
	return wire.NewFoundLogs(upTo(found, query)), nil
}

// upTo drops logs of unsealed blocks outside the query's range: history gives all of
// them or none.
func upTo(found []history.FoundLog, query *history.LogQuery) []history.FoundLog {
	kept := found[:0]
	for _, f := range found {
		if n := f.Block.Number(); n >= query.From && n <= query.To {
			kept = append(kept, f)
		}
	}
	return kept
}

// logQuery is what a filter asks for, over blocks that are there.
func (a *API) logQuery(filter *wire.LogFilter) (*history.LogQuery, error) {
	query := filter.Query()
	if filter.BlockHash != nil {
		n, err := backend.SealedNumber(a.backend, atHash(*filter.BlockHash))
		if errors.Is(err, backend.ErrHeaderNotFound) {
			return nil, errUnknownBlock
		}
		query.From, query.To = n, n
		return query, err
	}
	newest := a.newest()
	var err error
	if query.From, err = a.logBound(filter.FromBlock, newest); err != nil {
		return nil, err
	}
	if query.To, err = a.logBound(filter.ToBlock, newest); err != nil {
		return nil, err
	}
	switch {
	case query.From > query.To:
		return nil, errBlockRange
	case query.To > newest:
		return nil, errFutureRange
	case query.To-query.From >= a.options.LogRange:
		return nil, wire.InvalidParams("exceed maximum block range %d", a.options.LogRange)
	}
	query.Unsealed = a.options.Realtime && query.To > a.backend.History().Head().Number
	return query, nil
}

// logBound is the block number that an end of a range stands for. pending, which is
// for the realtime path only, and latest are the newest block that is shown.
func (a *API) logBound(n *rpc.BlockNumber, newest uint64) (uint64, error) {
	if n == nil || *n == rpc.LatestBlockNumber {
		return newest, nil
	}
	if *n == rpc.PendingBlockNumber {
		if !a.options.Realtime {
			return 0, errPendingLogs
		}
		return newest, nil
	}
	return backend.SealedNumber(a.backend, atNumber(*n))
}

// filterRange is the range of blocks of a filter that is polled: go-ethereum takes
// latest to latest, a number to a number, and a number to latest.
func (a *API) filterRange(filter *wire.LogFilter) (from, to uint64, err error) {
	if filter.BlockHash != nil {
		return 0, math.MaxUint64, nil // as go-ethereum has it: the hash counts for eth_getFilterLogs
	}
	first, last := tagOf(filter.FromBlock), tagOf(filter.ToBlock)
	if pending := rpc.PendingBlockNumber; first == pending || last == pending {
		if !a.options.Realtime {
			return 0, 0, errPendingLogs
		}
		first, last = latestFor(first), latestFor(last)
	}
	if first == rpc.EarliestBlockNumber {
		first = 0
	}
	if last == rpc.EarliestBlockNumber {
		last = 0
	}
	switch latest := rpc.LatestBlockNumber; {
	case first == latest && last == latest:
		return 0, math.MaxUint64, nil
	case first >= 0 && last == latest:
		return uint64(first), math.MaxUint64, nil
	case first >= 0 && last >= first:
		return uint64(first), uint64(last), nil
	}
	return 0, 0, errBlockRange
}

func tagOf(n *rpc.BlockNumber) rpc.BlockNumber {
	if n == nil {
		return rpc.LatestBlockNumber
	}
	return *n
}

func latestFor(n rpc.BlockNumber) rpc.BlockNumber {
	if n == rpc.PendingBlockNumber {
		return rpc.LatestBlockNumber
	}
	return n
}
