package realtime

import (
	"context"
	"errors"
	"math"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Refusals of a range, in go-ethereum's wording where it has one.
var (
	errBlockRange   = wire.InvalidParams("invalid block range params")
	errUnknownBlock = errors.New("unknown block")
	errOtherCursor  = wire.InvalidParams("cursor is not of this range")
)

// A LogPage is the answer of eth_getLogsWithCursor.
type LogPage struct {
	Logs wire.Logs `json:"logs"`
	// Cursor continues behind this page; absent when there is nothing more.
	Cursor string `json:"cursor,omitempty"`
}

// GetLogsWithCursor is eth_getLogsWithCursor: eth_getLogs by pages. A page ends
// after limit logs (at most, and by default, Config.LogPage), after
// Config.LogPageBytes, or after Config.LogBlocks blocks, so it may have a cursor and
// no logs. Asked again with the
// same filter and the cursor, it goes on with the next log: the pages together are
// the answer of eth_getLogs, which is unlimited here.
//
// A range with pending at either end includes what is not sealed, as does latest on
// the path /realtime; fromBlock pending is what is not sealed, and nothing else. A
// cursor in there stays good when the block is sealed. (A full node may drop
// mini-blocks, and with them what the cursor counted.)
//
// A cursor of a block or log that has not come, or is not safe or finalized yet,
// because it is from a node that is ahead of this one, is answered with itself and no logs: ask again. One of another
// filter's range, or absurdly far ahead, is invalid. Blocks of the range that are not
// kept, earliest's too, are the error wire.NotKept.
func (e *Eth) GetLogsWithCursor(ctx context.Context, filter CursorFilter, limit *Quantity) (*LogPage, error) {
	s := e.service
	q, err := e.query(&filter)
	if err != nil {
		return nil, err
	}
	q.Max = s.cfg.LogPage
	if limit != nil && *limit > 0 {
		q.Max = int(min(uint64(*limit), uint64(s.cfg.LogPage)))
	}
	if c := filter.Cursor; c != nil && !s.came(c, q) {
		return &LogPage{Cursor: string(appendCursor(nil, *c))}, nil
	}
	cut := s.cut(q)
	found, more, err := backend.Logs(ctx, s.backend, q, s.cfg.LogPageBytes)
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

// came reports whether a cursor's place is in what q can find by now.
func (s *Service) came(c *history.LogPosition, q *history.LogQuery) bool {
	if c.Block <= min(q.To, s.backend.History().Head().Number) {
		return true
	}
	for _, b := range s.backend.History().Unsealed() {
		if n := len(b.Receipts); q.Unsealed && b.Number() == c.Block && n > 0 {
			last := b.Receipts[n-1]
			return c.Index < last.FirstLogIndex+uint32(len(last.Logs))
		}
	}
	return false
}

// wholeBlock is an index after all that logs have.
const wholeBlock = math.MaxUint32

// beyond is the end of a range without one: whatever the head is when the range is
// searched.
const beyond = math.MaxUint64

// query is the query for what f selects, from its cursor on.
func (e *Eth) query(f *CursorFilter) (*history.LogQuery, error) {
	q := f.Query()
	if err := e.setRange(q, &f.LogFilter); err != nil {
		return nil, err
	}
	c := f.Cursor
	if c == nil {
		if q.From > q.To {
			return nil, errBlockRange
		}
		return q, nil
	}
	// Numbers are the same at every node and at any time, other tags than earliest are
	// not: they may have gone on since the cursor was given, or have further to go here.
	before := c.Block < q.From && (f.BlockHash != nil || bounded(tag(f.FromBlock)))
	behind := c.Block > q.To && (f.BlockHash != nil || bounded(tag(f.ToBlock)))
	if before || behind {
		return nil, errOtherCursor
	}
	if err := e.service.tooFarAhead("cursor", c.Block); err != nil {
		return nil, err
	}
	q.From, q.After = c.Block, c
	if c.Index == wholeBlock {
		q.From++
	}
	return q, nil
}

// setRange sets the blocks that f selects.
func (e *Eth) setRange(q *history.LogQuery, f *wire.LogFilter) (err error) {
	b := e.service.backend
	if f.BlockHash != nil {
		q.From, err = backend.SealedNumber(b, rpc.BlockNumberOrHashWithHash(*f.BlockHash, false))
		if errors.Is(err, backend.ErrHeaderNotFound) {
			return errUnknownBlock
		}
		q.To = q.From
		return err
	}
	from, to := tag(f.FromBlock), tag(f.ToBlock)
	if q.From, err = e.first(from); err != nil {
		return err
	}
	switch to {
	case rpc.LatestBlockNumber, rpc.PendingBlockNumber:
		q.To = beyond
		q.Unsealed = e.realtime || from == rpc.PendingBlockNumber || to == rpc.PendingBlockNumber
	default:
		q.To, err = backend.SealedNumber(b, rpc.BlockNumberOrHashWithNumber(to))
	}
	return err
}

// tag is what a client names, latest if it names nothing.
func tag(n *rpc.BlockNumber) rpc.BlockNumber {
	if n == nil {
		return rpc.LatestBlockNumber
	}
	return *n
}

// first is where a range begins.
func (e *Eth) first(n rpc.BlockNumber) (uint64, error) {
	b := e.service.backend
	switch {
	case n == rpc.PendingBlockNumber:
		return e.service.firstUnsealed(), nil
	case n == rpc.LatestBlockNumber && e.realtime:
		_, env := b.Latest()
		return env.Number, nil
	}
	return backend.SealedNumber(b, rpc.BlockNumberOrHashWithNumber(n))
}
