package realtime

import (
	"context"
	"errors"
	"math"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Refusals of a range, in go-ethereum's wording.
var (
	errBlockRange   = wire.InvalidParams("invalid block range params")
	errUnknownBlock = errors.New("unknown block")
)

// A LogPage is the answer of eth_getLogsWithCursor.
type LogPage struct {
	Logs wire.Logs `json:"logs"`
	// Cursor continues behind this page; absent when there is nothing more.
	Cursor string `json:"cursor,omitempty"`
}

// GetLogsWithCursor is eth_getLogsWithCursor: eth_getLogs by pages. A page ends
// after limit logs (at most, and by default, Config.LogPage) or after
// Config.LogBlocks blocks, so it may have a cursor and no logs. Asked again with the
// same filter and the cursor, it goes on with the next log: the pages together are
// the answer of eth_getLogs, which is unlimited here. A range to pending includes
// what is not sealed, as does latest on the path /realtime.
func (e *Eth) GetLogsWithCursor(ctx context.Context, filter CursorFilter, limit *Quantity) (*LogPage, error) {
	s := e.service
	q, err := e.query(&filter.LogFilter)
	if err != nil {
		return nil, err
	}
	q.Max = s.cfg.LogPage
	if limit != nil && *limit > 0 {
		q.Max = int(min(uint64(*limit), uint64(s.cfg.LogPage)))
	}
	if c := filter.Cursor; c != nil && c.Block >= q.From {
		q.From, q.After = c.Block, c
		if c.Index == wholeBlock && c.Block < beyond {
			q.From++
		}
	}
	cut := s.cut(q)
	found, more, err := s.backend.History().Logs(ctx, q)
	if err != nil {
		return nil, wire.NotKept(err)
	}
	page := &LogPage{Logs: wire.NewFoundLogs(found)}
	switch {
	case more:
		last := &found[len(found)-1]
		page.Cursor = string(appendCursor(nil, history.LogPosition{Block: last.Block.Number(), Index: last.Index}))
	case cut:
		page.Cursor = string(appendCursor(nil, history.LogPosition{Block: q.To, Index: wholeBlock}))
	}
	return page, nil
}

// cut shortens the range to what one call may search, and reports whether it was
// longer.
func (s *Service) cut(q *history.LogQuery) bool {
	end := min(q.To, s.backend.History().Head().Number)
	if end < q.From || end-q.From < s.cfg.LogBlocks {
		return false
	}
	q.To, q.Unsealed = q.From+s.cfg.LogBlocks-1, false
	return true
}

// wholeBlock is an index after all that logs have.
const wholeBlock = math.MaxUint32

// beyond is the end of a range without one: whatever the head is when the range is
// searched.
const beyond = math.MaxUint64

// query is the query for what f selects.
func (e *Eth) query(f *wire.LogFilter) (*history.LogQuery, error) {
	q := f.Query()
	if f.BlockHash != nil {
		number, err := e.service.backend.History().Number(*f.BlockHash)
		if errors.Is(err, chain.ErrNotFound) {
			return nil, errUnknownBlock
		}
		q.From, q.To = number, number
		return q, err
	}
	from, to := tag(f.FromBlock), tag(f.ToBlock)
	if from >= 0 && to >= 0 && from > to {
		return nil, errBlockRange
	}
	var err error
	if q.From, err = e.first(from); err != nil {
		return nil, err
	}
	switch to {
	case rpc.LatestBlockNumber, rpc.PendingBlockNumber:
		q.To, q.Unsealed = beyond, e.unsealed(to)
	default:
		q.To, err = backend.SealedNumber(e.service.backend, rpc.BlockNumberOrHashWithNumber(to))
	}
	if err == nil && q.From > q.To {
		return nil, errBlockRange
	}
	return q, err
}

// tag is what a client names, latest if it names nothing.
func tag(n *rpc.BlockNumber) rpc.BlockNumber {
	if n == nil {
		return rpc.LatestBlockNumber
	}
	return *n
}

// unsealed reports whether n stands for the newest mini-block.
func (e *Eth) unsealed(n rpc.BlockNumber) bool {
	return n == rpc.PendingBlockNumber || e.realtime && n == rpc.LatestBlockNumber
}

// first is where a range begins.
func (e *Eth) first(n rpc.BlockNumber) (uint64, error) {
	b := e.service.backend
	switch {
	case e.unsealed(n):
		_, env := b.Latest()
		return env.Number, nil
	case n == rpc.EarliestBlockNumber:
		return b.History().Oldest(), nil
	}
	return backend.SealedNumber(b, rpc.BlockNumberOrHashWithNumber(n))
}
