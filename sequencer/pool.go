package sequencer

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// The pool holds transactions between admission and execution: a queue by nonce
// for each sender, and a heap of the senders whose first transaction is the next
// that their account may send, by priority fee and then arrival. All methods may
// be called concurrently.
//
// It answers "what is the account now" from a view of the newest staged
// mini-block and the accounts that executed transactions changed since. So a nonce
// is known the moment its predecessor has executed, long before any view shows it.
type pool struct {
	limit      int // transactions
	limitBytes int
	perSender  int

	mu      sync.Mutex
	senders map[common.Address]*senderQueue
	byHash  map[common.Hash]*pending // until they are acknowledged or given up
	ready   readyHeap
	count   int
	bytes   int
	queued  int // of count: see senderQueue.queued
	arrived uint64
	signal  chan struct{} // has one element while ready is not empty
	closed  bool          // nothing is added any more

	view   chain.StateView
	recent map[common.Address]chain.Account // changed since view; Account{} if gone
}

// A pending transaction waits in the pool, then for its commit group.
type pending struct {
	tx       *chain.Tx
	sender   common.Address
	nonce    uint64
	gas      uint64      // limit
	cost     uint256.Int // the most it can take from the sender, wei
	tip      uint256.Int // per gas, at the base fee of admission
	arrival  uint64
	expires  time.Time
	executed chan outcome // buffered: the sequencer never waits for a submitter
}

type outcome struct {
	receipt *chain.Receipt
	err     error
}

type senderQueue struct {
	sender common.Address
	nonce  uint64              // of the next transaction that may execute
	txs    map[uint64]*pending // by nonce
	cost   uint256.Int         // of all txs
	end    uint64              // no nonce from nonce up to it is missing
	queued int                 // txs after a nonce that is missing
	heapAt int                 // index in ready, or -1
	taken  *pending            // with the builder, or nil
}

func (q *senderQueue) first() *pending { return q.txs[q.nonce] }

func newPool(cfg *Config, view chain.StateView) *pool {
	return &pool{
		limit: cfg.PoolTxs, limitBytes: cfg.PoolBytes, perSender: cfg.PoolTxsPerSender,
		senders: make(map[common.Address]*senderQueue),
		byHash:  make(map[common.Hash]*pending),
		signal:  make(chan struct{}, 1),
		view:    view,
		recent:  make(map[common.Address]chain.Account),
	}
}

// account is the account as the newest executed transaction left it.
func (p *pool) account(addr common.Address) (chain.Account, error) {
	if a, ok := p.recent[addr]; ok {
		return a, nil
	}
	a, _, err := p.view.Account(addr)
	return a, err
}

// add admits a transaction that is valid in itself.
func (p *pool) add(tx *pending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("sequencer stops: %w", chain.ErrClosed)
	}
	size := len(tx.tx.Raw())
	if p.count >= p.limit || p.bytes+size > p.limitBytes {
		return fmt.Errorf("%w: transaction pool is full", chain.ErrBusy)
	}
	account, err := p.account(tx.sender)
	if err != nil {
		return err
	}
	q := p.senders[tx.sender]
	if q == nil {
		q = &senderQueue{sender: tx.sender, nonce: account.Nonce, txs: make(map[uint64]*pending), heapAt: -1}
	}
	if err := q.admit(tx, &account, p.perSender); err != nil {
		return err
	}
	p.senders[tx.sender] = q
	p.arrived++
	tx.arrival = p.arrived
	q.txs[tx.nonce] = tx
	p.recount(q)
	p.byHash[tx.tx.Hash()] = tx
	q.cost.Add(&q.cost, &tx.cost)
	p.count++
	p.bytes += size
	p.offer(q)
	return nil
}

// shut ends admission: what add has admitted before is all there will be.
func (p *pool) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

func (q *senderQueue) admit(tx *pending, account *chain.Account, most int) error {
	var total uint256.Int
	_, overflow := total.AddOverflow(&q.cost, &tx.cost)
	switch {
	case tx.nonce < q.nonce:
		return fmt.Errorf("%w: nonce too low: address %s, tx: %d state: %d", chain.ErrInvalidTx, tx.sender, tx.nonce, q.nonce)
	case q.txs[tx.nonce] != nil && q.txs[tx.nonce].tx.Hash() == tx.tx.Hash():
		return fmt.Errorf("%w: already known", chain.ErrInvalidTx)
	case q.txs[tx.nonce] != nil:
		// It will execute within milliseconds; there is no time to outbid it.
		return fmt.Errorf("%w: replacement transaction underpriced: a transaction with nonce %d is pending, and none is replaced at any price", chain.ErrInvalidTx, tx.nonce)
	case overflow || account.Balance.Lt(&total):
		return fmt.Errorf("%w: insufficient funds for gas * price + value: address %s have %s want %s", chain.ErrInvalidTx, tx.sender, account.Balance.Dec(), total.Dec())
	case tx.nonce-q.nonce >= uint64(most):
		return fmt.Errorf("%w: nonce too high: address %s, tx: %d state: %d, at most %d ahead", chain.ErrInvalidTx, tx.sender, tx.nonce, q.nonce, most-1)
	case len(q.txs) >= most:
		return fmt.Errorf("%w: too many pending transactions of %s", chain.ErrBusy, tx.sender)
	}
	return nil
}

// offer puts q into the heap if its first transaction can execute.
func (p *pool) offer(q *senderQueue) {
	if q.heapAt >= 0 || q.taken != nil || q.first() == nil {
		return
	}
	heap.Push(&p.ready, q)
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// take returns at most n transactions, one of each sender, highest priority first, as
// far as they fit into r, and whether the next one does not. Each must be given back to
// done.
func (p *pool) take(n int, r room) (out []*pending, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out = make([]*pending, 0, min(n, len(p.ready)))
	for len(out) < n && len(p.ready) > 0 {
		if full = !r.admit(p.ready[0].first()); full {
			break
		}
		q := heap.Pop(&p.ready).(*senderQueue)
		q.taken = q.first()
		out = append(out, q.taken)
	}
	if len(p.ready) > 0 {
		select {
		case p.signal <- struct{}{}:
		default:
		}
	}
	return out, full
}

// done tells what became of transactions that were taken. Those with
// ErrBlockFull stay in the pool; the accounts that the others changed are known
// from now on.
func (p *pool) done(txs []*pending, results []chain.TxResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range results {
		if c := results[i].Changes; c != nil {
			for j := range c.Accounts {
				p.recent[c.Accounts[j].Address] = c.Accounts[j].After
				p.moved(&c.Accounts[j])
			}
		}
	}
	for i, tx := range txs {
		q := p.senders[tx.sender]
		q.taken = nil
		switch err := results[i].Err; {
		case err == nil:
			p.remove(q, tx) // but it is found until it is acknowledged
		case !isBlockFull(err):
			p.giveUp(q, tx)
		}
		p.offer(q)
		p.forget(q)
	}
}

// moved brings a sender's queue to the nonce that its account now has. Nonces
// move by the sender's own transactions, and by authorizations of EIP-7702 in
// those of others, which leave queued transactions behind.
func (p *pool) moved(a *chain.AccountChange) {
	q := p.senders[a.Address]
	if q == nil || a.After.Nonce <= q.nonce {
		return
	}
	for n := q.nonce; n < a.After.Nonce; n++ {
		// The transaction that is executing is removed by done.
		if tx := q.txs[n]; tx != nil && tx != q.taken {
			p.giveUp(q, tx)
			tx.executed <- outcome{err: fmt.Errorf("%w: nonce too low: address %s, tx: %d state: %d", chain.ErrInvalidTx, tx.sender, n, a.After.Nonce)}
		}
	}
	if q.heapAt >= 0 {
		heap.Remove(&p.ready, q.heapAt)
	}
	q.nonce = a.After.Nonce
	p.recount(q)
	p.offer(q)
}

func (p *pool) remove(q *senderQueue, tx *pending) {
	if q.txs[tx.nonce] != tx {
		return
	}
	delete(q.txs, tx.nonce)
	if tx.nonce >= q.nonce {
		q.end = min(q.end, tx.nonce)
	}
	p.recount(q)
	q.cost.Sub(&q.cost, &tx.cost)
	p.count--
	p.bytes -= len(tx.tx.Raw())
}

func (p *pool) giveUp(q *senderQueue, tx *pending) {
	p.remove(q, tx)
	delete(p.byHash, tx.tx.Hash())
}

// acknowledged tells that txs are found elsewhere from now on.
func (p *pool) acknowledged(txs []*pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tx := range txs {
		delete(p.byHash, tx.tx.Hash())
	}
}

func (p *pool) forget(q *senderQueue) {
	if len(q.txs) == 0 && q.taken == nil {
		delete(p.senders, q.sender)
	}
}

// sealed tells that view shows all that done has told so far.
func (p *pool) sealed(view chain.StateView) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view = view
	clear(p.recent)
}

// evict drops the transactions whose time has passed: those that wait for a
// predecessor that never came.
func (p *pool) evict(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.senders {
		missing := q.gap()
		for nonce, tx := range q.txs {
			if nonce < missing || tx.expires.After(now) {
				continue
			}
			p.giveUp(q, tx)
			tx.executed <- outcome{err: fmt.Errorf("%w: transaction expired: nonce too high: address %s, tx: %d state: %d", chain.ErrInvalidTx, tx.sender, nonce, q.nonce)}
		}
		p.forget(q)
	}
}

// expire answers all that wait, when the sequencer stops.
func (p *pool) expire(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.senders {
		for _, tx := range q.txs {
			tx.executed <- outcome{err: err}
		}
	}
	clear(p.senders)
	clear(p.byHash)
	p.ready, p.count, p.bytes, p.queued = nil, 0, 0, 0
}

// find returns the transaction that waits, for execution or for its commit group.
func (p *pool) find(hash common.Hash) *chain.Tx {
	p.mu.Lock()
	defer p.mu.Unlock()
	if tx := p.byHash[hash]; tx != nil {
		return tx.tx
	}
	return nil
}

// nonce is that of the account's next transaction, after all that wait without a gap.
func (p *pool) nonce(addr common.Address) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.senders[addr]; q != nil {
		return q.gap(), nil
	}
	account, err := p.account(addr)
	return account.Nonce, err
}

// gap is the first nonce that no transaction has. It goes on from where it was found
// last, so that a long queue costs a step for each transaction, and not at each call.
func (q *senderQueue) gap() uint64 {
	q.end = max(q.end, q.nonce)
	for q.txs[q.end] != nil {
		q.end++
	}
	return q.end
}

// recount brings the numbers of queued transactions up to date after q changed.
func (p *pool) recount(q *senderQueue) {
	before := q.queued
	q.queued = len(q.txs) - int(q.gap()-q.nonce)
	p.queued += q.queued - before
}

// status is how many can execute one after the other, and how many wait for another
// that has not come. It does not go through them: admission and the builder wait for
// the lock.
func (p *pool) status() (pending, queued int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count - p.queued, p.queued
}

// content is what waits for execution, by sender and nonce. They are sorted when the
// lock is free again.
func (p *pool) content() []Waiting {
	out := p.copied()
	slices.SortFunc(out, func(a, b Waiting) int {
		return cmp.Or(a.Sender.Cmp(b.Sender), cmp.Compare(a.Nonce, b.Nonce))
	})
	return out
}

func (p *pool) copied() []Waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Waiting, 0, p.count)
	for _, q := range p.senders {
		gap := q.gap()
		for nonce, tx := range q.txs {
			out = append(out, Waiting{Tx: tx.tx, Sender: q.sender, Nonce: nonce, Queued: nonce > gap})
		}
	}
	return out
}

func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
