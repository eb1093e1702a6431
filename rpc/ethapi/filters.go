package ethapi

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

var errFilterNotFound = errors.New("filter not found")

// filters are those that clients made, by id. It may be used concurrently.
type filters struct {
	most, mostBytes int

	life time.Duration
	now  func() time.Time

	mu    sync.Mutex
	byID  map[rpc.ID]*filter
	bytes int       // of all
	sweep time.Time // when to look for expired ones again
}

// A filter is a place in history up to which its owner has read.
type filter struct {
	expires time.Time // guarded by filters.mu

	mu   sync.Mutex // held while it is polled
	poll func(context.Context) (any, error)
	logs *wire.LogFilter // nil if it is not for logs
}

func newFilters(o Options) *filters {
	return &filters{most: o.FiltersMax, mostBytes: o.FilterBytes, life: o.FilterLife, now: time.Now, byID: make(map[rpc.ID]*filter)}
}

// size is about what a filter takes in memory, in bytes.
func (f *filter) size() int {
	const alone = 1 << 10 // with its place in the map and what its poll remembers
	if f.logs == nil {
		return alone
	}
	n := alone + cap(f.logs.Addresses)*common.AddressLength
	for _, topics := range f.logs.Topics {
		n += cap(topics) * common.HashLength
	}
	return n
}

func (f *filters) add(made *filter) (rpc.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, size := f.now(), made.size()
	if f.full(size) || now.After(f.sweep) {
		f.forget(now)
	}
	if len(f.byID) >= f.most {
		return "", wire.Errorf(wire.CodeLimitExceeded, "too many filters (max %d)", f.most)
	}
	if f.full(size) {
		return "", wire.Errorf(wire.CodeLimitExceeded, "filters take too much memory (max %d bytes)", f.mostBytes)
	}
	id := rpc.NewID()
	made.expires = now.Add(f.life)
	f.byID[id] = made
	f.bytes += size
	return id, nil
}

// full reports whether there is no room for another filter of the size.
func (f *filters) full(size int) bool {
	return len(f.byID) >= f.most || f.bytes+size > f.mostBytes
}

// forget drops the expired.
func (f *filters) forget(now time.Time) {
	for id, made := range f.byID {
		if now.After(made.expires) {
			f.drop(id)
		}
	}
	f.sweep = now.Add(f.life / 2)
}

// drop forgets a filter that is there.
func (f *filters) drop(id rpc.ID) {
	f.bytes -= f.byID[id].size()
	delete(f.byID, id)
}

// get finds a filter and lets it live on; nil if there is none.
func (f *filters) get(id rpc.ID) *filter {
	f.mu.Lock()
	defer f.mu.Unlock()
	made, now := f.byID[id], f.now()
	if made == nil || now.After(made.expires) {
		return nil
	}
	made.expires = now.Add(f.life)
	return made
}

func (f *filters) remove(id rpc.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	made := f.byID[id]
	if made == nil {
		return false
	}
	f.drop(id)
	return !f.now().After(made.expires)
}

// NewBlockFilter is eth_newBlockFilter: hashes of sealed blocks.
func (a *API) NewBlockFilter() (rpc.ID, error) {
	c := &blockCursor{api: a, read: a.backend.History().Head().Number}
	return a.filters.add(&filter{poll: c.poll})
}

// NewPendingTransactionFilter is eth_newPendingTransactionFilter: transactions as
// they are acknowledged, by hash or in full.
func (a *API) NewPendingTransactionFilter(full *bool) (rpc.ID, error) {
	if a.backend.History().HeadersOnly() {
		return "", wire.HeadersOnly("transactions")
	}
	c := &txCursor{api: a, full: full != nil && *full, block: a.backend.History().Head().Number + 1}
	if open := a.backend.History().Unsealed(); len(open) > 0 {
		newest := open[len(open)-1]
		c.block, c.index = newest.Number(), len(newest.Txs)
	}
	return a.filters.add(&filter{poll: c.poll})
}

// NewFilter is eth_newFilter: logs of blocks from now on, if they are in the filter's
// range. A node that keeps headers only has none, and refuses.
func (a *API) NewFilter(logs wire.LogFilter) (rpc.ID, error) {
	if a.backend.History().HeadersOnly() {
		return "", wire.HeadersOnly("logs")
	}
	from, to, err := a.filterRange(&logs)
	if err != nil {
		return "", err
	}
	head := a.backend.History().Head().Number
	c := &logCursor{api: a, query: logs.Query(), after: history.LogPosition{Block: head, Index: math.MaxUint32}}
	c.query.From, c.query.To, c.query.Unsealed = from, to, a.options.Realtime
	if a.options.Realtime {
		c.skipUnsealed()
	}
	return a.filters.add(&filter{poll: c.poll, logs: &logs})
}

// UninstallFilter is eth_uninstallFilter.
func (a *API) UninstallFilter(id rpc.ID) bool { return a.filters.remove(id) }

// GetFilterChanges is eth_getFilterChanges: what came since the last poll, at most
// Options.LogResults and Options.LogBytes of it; the next poll has the rest.
func (a *API) GetFilterChanges(ctx context.Context, id rpc.ID) (any, error) {
	f := a.filters.get(id)
	if f == nil {
		return nil, errFilterNotFound
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := f.poll(ctx)
	return out, wire.NotKept(err)
}

// GetFilterLogs is eth_getFilterLogs: what eth_getLogs says to the filter's arguments.
func (a *API) GetFilterLogs(ctx context.Context, id rpc.ID) (wire.Logs, error) {
	f := a.filters.get(id)
	if f == nil || f.logs == nil {
		return nil, errFilterNotFound
	}
	return a.GetLogs(ctx, *f.logs)
}

// A blockCursor reads hashes of sealed blocks.
type blockCursor struct {
	api  *API
	read uint64 // number of the last block that was read
}

func (c *blockCursor) poll(ctx context.Context) (any, error) {
	hashes := []common.Hash{}
	for head := c.api.backend.History().Head().Number; c.read < head && len(hashes) < c.api.options.LogResults; c.read++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		header, err := c.api.backend.History().Header(c.read + 1)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, header.Hash())
	}
	return hashes, nil
}

// A logCursor reads logs.
type logCursor struct {
	api   *API
	query *history.LogQuery
	after history.LogPosition // the last one that was read, or that could have been
}

// skipUnsealed goes past the logs that are there already.
func (c *logCursor) skipUnsealed() {
	for _, b := range c.api.backend.History().Unsealed() {
		if n := len(b.Receipts); n > 0 {
			last := b.Receipts[n-1]
			if logs := last.FirstLogIndex + uint32(len(last.Logs)); logs > 0 {
				c.after = history.LogPosition{Block: b.Number(), Index: logs - 1}
			}
		}
	}
}

func (c *logCursor) poll(ctx context.Context) (any, error) {
	var (
		store = c.api.backend.History()
		head  = store.Head().Number // before the query: what comes meanwhile is read again, and skipped
		query = *c.query
	)
	query.From, query.After, query.Max = max(query.From, c.after.Block), &c.after, c.api.options.LogResults
	found, more, err := backend.Logs(ctx, c.api.backend, &query, c.api.options.LogBytes)
	if err != nil {
		return nil, err
	}
	out := wire.NewFoundLogs(upTo(found, &query))
	if !more {
		c.advance(history.LogPosition{Block: head, Index: math.MaxUint32})
	}
	if n := len(found); n > 0 {
		last := &found[n-1]
		c.advance(history.LogPosition{Block: last.Block.Number(), Index: last.Index})
	}
	return out, nil
}

func (c *logCursor) advance(to history.LogPosition) {
	if c.after.Block < to.Block || c.after.Block == to.Block && c.after.Index < to.Index {
		c.after = to
	}
}

// A txCursor reads acknowledged transactions.
type txCursor struct {
	api   *API
	full  bool
	block uint64 // of the next transaction
	index int    // in the block
}

func (c *txCursor) poll(ctx context.Context) (any, error) {
	var (
		store = c.api.backend.History()
		open  = store.Unsealed() // before Head: a block in neither would be skipped
		end   = store.Head().Number
		txs   []*chain.Tx
		left  = c.api.options.LogResults
	)
	if len(open) > 0 {
		end = open[0].Number() - 1
	}
	for c.block <= end && len(txs) < left {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := store.Block(c.block)
		if err != nil {
			return nil, err
		}
		txs = c.take(txs, b, left, true)
	}
	for i, b := range open {
		if b.Number() == c.block && len(txs) < left {
			txs = c.take(txs, b, left, i < len(open)-1)
		}
	}
	return c.show(txs)
}

// take reads on in block b, and past its end if it is closed: it is sealed, or a block
// after it was there when b was read. That must be one look at history: b may have got
// transactions since.
func (c *txCursor) take(txs []*chain.Tx, b *history.Block, most int, closed bool) []*chain.Tx {
	n := min(max(len(b.Txs)-c.index, 0), most-len(txs))
	txs = append(txs, b.Txs[min(c.index, len(b.Txs)):][:n]...)
	c.index += n
	if c.index >= len(b.Txs) && closed {
		c.block, c.index = c.block+1, 0
	}
	return txs
}

func (c *txCursor) show(txs []*chain.Tx) (any, error) {
	if !c.full {
		hashes := make([]common.Hash, len(txs))
		for i, tx := range txs {
			hashes[i] = tx.Hash()
		}
		return hashes, nil
	}
	_, env := c.api.backend.Latest()
	out := make([]*wire.Transaction, len(txs))
	for i, tx := range txs {
		var err error
		if out[i], err = wire.NewPendingTransaction(c.api.backend.ChainConfig(), env, tx); err != nil {
			return nil, err
		}
	}
	return out, nil
}
