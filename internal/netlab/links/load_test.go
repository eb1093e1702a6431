package links

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// The load that the development chain's genesis is made for.
var devLoad = datagen.Config{Seed: 1, Accounts: 2000, ChainID: genesis.DevChainID}

// A load is clients that send until it is stopped. What is not acknowledged is sent
// again, through kills, partitions and refusals, until it is: so a transaction
// may be sent often, and must still be on the chain once.
type load struct {
	clients []*client
	halt    context.CancelFunc // no further transactions
	giveUp  context.CancelFunc
	running sync.WaitGroup
}

// A client has a lane of accounts and one transaction on its way.
type client struct {
	lane     *datagen.Lane
	door     *rpc.Client
	pause    time.Duration
	receipts []receipt
	nonces   map[common.Address]uint64 // that the accounts must have
	count    atomic.Int64              // of receipts
	pending  bool                      // the last was never acknowledged
	last     error                     // why
}

// A receipt is what a client must find on the chain.
type receipt struct {
	TransactionHash  common.Hash    `json:"transactionHash"`
	BlockNumber      hexutil.Uint64 `json:"blockNumber"`
	TransactionIndex hexutil.Uint64 `json:"transactionIndex"`
	From             common.Address `json:"from"`
	Status           hexutil.Uint64 `json:"status"`
	GasUsed          hexutil.Uint64 `json:"gasUsed"`
}

// newLoad sends by the sequencer's door, and one client in four by a full node's.
func (w *world) newLoad(lanes int, pause time.Duration) *load {
	w.Helper()
	source, err := datagen.New(devLoad)
	require.NoError(w, err)
	sending, halt := context.WithCancel(context.Background())
	asking, giveUp := context.WithCancel(context.Background())
	l := &load{halt: halt, giveUp: giveUp}
	for i, lane := range source.Lanes(lanes) {
		m := w.sequencer
		if i%4 == 3 && len(w.nodes) > 0 {
			m = w.nodes[i/4%len(w.nodes)]
		}
		c := &client{lane: lane, door: m.door("/realtime"), pause: pause, nonces: make(map[common.Address]uint64)}
		l.clients = append(l.clients, c)
		l.running.Go(func() { c.run(sending, asking) })
	}
	w.Cleanup(func() {
		giveUp()
		halt()
		l.running.Wait()
		for _, c := range l.clients {
			c.door.Close()
		}
	})
	return l
}

// count is the number of receipts so far.
func (l *load) count() (n int64) {
	for _, c := range l.clients {
		n += c.count.Load()
	}
	return n
}

// stop waits for what is on its way, but not longer than patience.
func (l *load) stop() {
	l.halt()
	defer time.AfterFunc(patience, l.giveUp).Stop()
	l.running.Wait()
}

func (c *client) run(sending, asking context.Context) {
	for sending.Err() == nil {
		if !c.deliver(asking, c.lane.Next()) {
			return
		}
		nap(sending, c.pause)
	}
}

// deliver sends a transaction until there is a receipt.
func (c *client) deliver(ctx context.Context, tx datagen.Tx) bool {
	for c.pending = true; c.pending; nap(ctx, 20*time.Millisecond) {
		if ctx.Err() != nil {
			return false
		}
		r, err := c.send(ctx, tx)
		if err != nil {
			c.last = err
			continue
		}
		c.pending = false
		c.receipts = append(c.receipts, *r)
		c.nonces[tx.From] = tx.Nonce + 1
		c.count.Add(1)
	}
	return true
}

func (c *client) send(ctx context.Context, tx datagen.Tx) (*receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := new(receipt)
	err := c.door.CallContext(ctx, r, "realtime_sendRawTransaction", hexutil.Bytes(tx.Raw))
	return r, err
}

// nap sleeps, or until ctx ends.
func nap(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
