package history

import (
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"go.etcd.io/bbolt"

	"github.com/vivace-chain/vivace/chain"
)

// Config says how a Store works. Fields marked required have no default.
type Config struct {
	// Dir is where the store's file is; it is made if it is not there. Required. One
	// process at a time may use it.
	Dir string
	// Genesis is the header of block 0. Required: it says which chain this is. A
	// store that was made for another matches chain.ErrMismatch.
	Genesis *chain.Header
	// KeepBlocks is how many sealed blocks are kept; older ones are pruned. 0 keeps
	// all.
	KeepBlocks uint64
	// HeadersOnly: the store keeps headers, by number and hash, and nothing of what blocks
	// held or did. What it is told of transactions, receipts and mini-blocks it drops;
	// blocks, transactions and logs match ErrNotKept, but for those of blocks that were
	// kept whole when the store was opened without HeadersOnly. KeepBlocks is of those.
	HeadersOnly bool
	// FeedBytes is about how much of the feed is kept in memory for subscribers that
	// lag or resume. Default 64 MiB.
	FeedBytes int
	// CacheBytes is about how much of blocks that were read from the file, or have
	// just been written to it, is kept in memory. Default 64 MiB.
	CacheBytes int
	// Logger gets what an operator should know: gaps, blocks that are taken back, damage,
	// and, as debug messages, pruning. Default: slog.Default.
	Logger *slog.Logger
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Dir == "" {
		return cfg, errors.New("history: Config.Dir is required")
	}
	if cfg.Genesis == nil {
		return cfg, errors.New("history: Config.Genesis is required")
	}
	if cfg.Genesis.Number != 0 {
		return cfg, errors.New("history: Config.Genesis is not the header of block 0")
	}
	if cfg.FeedBytes <= 0 {
		cfg.FeedBytes = 64 << 20
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = 64 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg, nil
}

// A Store keeps what blocks held and did: headers, transactions, receipts and logs,
// of sealed blocks on disk and of those in the making in memory, and feeds it to
// subscribers as it comes. One goroutine at a time calls Rewind, OpenBlock,
// Acknowledge, SealMini, Seal and Drop, another may call Persist; all other methods
// may be called concurrently with everything.
type Store struct {
	cfg     Config
	genesis *Block
	disk    *disk
	cache   *cache
	feed    *feed
	closing chan struct{}
	writing chan struct{} // holds a token while somebody writes to the file

	mu     sync.RWMutex // held for moments only: never while something is read or written
	closed bool
	head   chain.BlockID // newest sealed block
	heads  []span        // sealed blocks that have a header; see state
	spans  []span        // of them those that are kept
	// mem are the blocks that are not on disk yet, ascending: sealed ones up to head,
	// then unsealed ones.
	mem     []*memBlock
	waiting map[common.Hash]*txWait
}

// Open opens the store in cfg.Dir, or makes it. A damaged file matches
// chain.ErrCorrupt, as far as that shows without reading all of it.
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := openDisk(cfg.Dir, cfg.Genesis, cfg.Logger)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg:     cfg,
		genesis: genesisBlock(cfg.Genesis),
		disk:    d,
		cache:   newCache(cfg.CacheBytes),
		closing: make(chan struct{}),
		writing: make(chan struct{}, 1),
		waiting: make(map[common.Hash]*txWait),
	}
	if err := s.load(); err != nil {
		d.close()
		return nil, err
	}
	s.feed = newFeed(cfg.FeedBytes, s.head.Number)
	return s, nil
}

// genesisBlock is block 0, which has no transactions and no withdrawals.
func genesisBlock(h *chain.Header) *Block {
	block := &chain.Block{Header: h}
	if h.WithdrawalsRoot != nil {
		block.Withdrawals = []chain.Withdrawal{} // none, which is not the same as before Shanghai
	}
	return &Block{Env: block.Env(), Header: h, Hash: h.Hash()}
}

// load takes over what the file says is there.
func (s *Store) load() error {
	return s.disk.view(func(_ *bbolt.Tx, st *state) error {
		s.head, s.heads, s.spans = st.head, slices.Clone(st.heads), slices.Clone(st.spans)
		return nil
	})
}

// Close waits for a Persist that runs, wakes who waits, and releases the file. What was
// not persisted is gone. What is called later matches chain.ErrClosed, but for what
// needs no file.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	s.feed.close()
	s.writing <- struct{}{} // for good
	return s.disk.close()
}

// Stats are figures for metrics.
type Stats struct {
	Blocks, Txs, Logs uint64 // sealed, kept whole, on disk
	Unpersisted       int    // blocks in memory that are not on disk yet, sealed or not
	DiskBytes         int64  // size of the file
	FreeBytes         int64  // of it, not in use
	CacheBytes        int    // of decoded blocks in memory
	FeedEvents        int
	FeedBytes         int
	Waiting           int // transactions that somebody waits for
}

// Stats returns figures as of now.
func (s *Store) Stats() (Stats, error) {
	var out Stats
	err := s.disk.view(func(tx *bbolt.Tx, st *state) error {
		out.Blocks, out.Txs, out.Logs = st.counts.blocks, st.counts.txs, st.counts.logs
		out.DiskBytes = tx.Size()
		return nil
	})
	out.FreeBytes = int64(s.disk.db.Stats().FreeAlloc)
	out.CacheBytes = s.cache.size()
	out.FeedEvents, out.FeedBytes = s.feed.size()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out.Unpersisted, out.Waiting = len(s.mem), len(s.waiting)
	return out, err
}
