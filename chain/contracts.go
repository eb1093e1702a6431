package chain

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A StateView is the state at one moment. It never changes, whatever is
// committed after.
//
// Absent and unknown are different answers: ok == false, a zero slot, say that
// the thing is not in the state; a view that cannot tell (a witness, a disk)
// returns an error, which matches ErrUnknown or ErrCorrupt.
//
// A caller reads each distinct key at most once per block and keeps the result;
// a StateView is not called per opcode. All methods may be called concurrently.
type StateView interface {
	// Account returns the account at addr, and whether it exists. An account that
	// does not exist is the zero Account.
	Account(addr common.Address) (account Account, ok bool, err error)
	// Slot returns the value at a storage slot, by its number. It is zero where
	// there is none, also when the account does not exist.
	Slot(addr common.Address, key common.Hash) (uint256.Int, error)
	// Code returns the code under its hash; nothing for EmptyCodeHash. The slice
	// is the view's: read only, valid for ever. A hash that no account of the
	// view has is ErrNotFound.
	Code(hash common.Hash) ([]byte, error)
}

// An Executor computes what a block does. It may be called concurrently.
type Executor interface {
	// Execute runs a closed block on the state before it. Unlike a Builder, it
	// decides nothing: a transaction that is not valid is an error, which matches
	// ErrInvalidTx. It does not compare the outcome with the header; see
	// Header.CheckResult. The Result is the caller's.
	Execute(ctx context.Context, b *Block, ancestors Ancestors, prior StateView) (*Result, error)
}

// A Builder is the optional ability of an Executor to make a block: the
// sequencer's side. Found by type assertion.
type Builder interface {
	// Open starts a block on the state before it and runs the opening system
	// calls. The write of EIP-2935 is deferred: see OpenBlock. The Builder keeps
	// env, ancestors and prior until the block is closed or discarded.
	Open(ctx context.Context, env *Env, ancestors Ancestors, prior StateView) (OpenBlock, error)
}

// An OpenBlock takes transactions until it is closed. It is used by one
// goroutine at a time.
//
// The parent's hash is the one value that may come late. EIP-2935 writes it as
// the block opens; here the write takes place, for every reader, but its value is
// asked of Ancestors only when a transaction reads that slot or BLOCKHASH of the
// parent, or else in Close. It is part of the block's Changes and AccessSet, but
// of no MiniBlock's: see ParentHashChange. The result equals strictly sequential
// execution.
type OpenBlock interface {
	// Push executes txs in order, after all that were pushed before. There is one
	// TxResult for each, in order. A transaction that cannot be included leaves
	// nothing behind, has Err set and does not keep the next from being executed.
	// An error says that the block is broken (a view failed, ctx ended): nothing
	// of this call is in the block, and only Discard may follow.
	Push(ctx context.Context, txs []*Tx) ([]TxResult, error)
	// SealMini ends the mini-block that began with the last SealMini or with
	// Open, and begins the next. It may be empty. An error leaves the block as it
	// was.
	SealMini(ctx context.Context) (*MiniBlock, error)
	// Close runs withdrawals, closing system calls and rewards, and ends the
	// block with them as part of its last MiniBlock (Result.Last), together with
	// transactions pushed since the last SealMini. It waits for the parent's
	// hash. After an error only Discard may follow.
	Close(ctx context.Context) (*Result, error)
	// Discard gives the block up. It may follow anything, more than once.
	Discard()
}

// A TxResult is what Push did with one transaction.
type TxResult struct {
	// Err is nil if the transaction is in the block. Otherwise it matches
	// ErrInvalidTx or ErrBlockFull, and the other fields are zero.
	Err     error
	Receipt *Receipt
	// Changes is the transaction's own net write set.
	Changes *Changes
	// Output is what the outermost call returned, or the data of its revert.
	Output []byte
}

// A MiniBlock is a contiguous part of a block under construction. All of it
// belongs to the receiver.
type MiniBlock struct {
	Number  uint64 // of the block
	Index   uint32 // in the block, from 0
	Txs     []*Tx
	Results []TxResult // of Txs, all included
	Changes *Changes   // net, from the end of the mini-block before
	Hints   *Hints
	GasUsed uint64 // in the block, up to the end of the mini-block
	// ParentHashPending: this is the first mini-block of a block in which
	// EIP-2935 is active, and the block's Changes begin with what
	// ParentHashChange derives.
	ParentHashPending bool
}

// A Result is what a block did.
type Result struct {
	Receipts    []*Receipt // in order
	GasUsed     uint64
	BlobGasUsed uint64
	LogsBloom   Bloom
	Requests    [][]byte   // EIP-7685; nil before Prague, not nil from it on
	Changes     *Changes   // net, of the whole block
	Accesses    *AccessSet // of the whole block
	Hints       *Hints     // optional
	Last        *MiniBlock // of an OpenBlock; nil from Execute
}

// Hints make a diff smaller and are never needed to decode one.
type Hints struct {
	// Txs groups Changes by transaction, in order.
	Txs []*Changes
	// Preimages are inputs of KECCAK256 that were seen to become slot numbers.
	Preimages [][]byte
}

// A StateStore keeps the state of the newest block and of some before it.
//
// It is changed in two steps: changes are staged, one stage on the other, which
// alters nothing, and then a stage commits, with all below it, as one block.
// Views may be read concurrently with everything; staging, committing, reverting
// are called by one goroutine at a time.
type StateStore interface {
	// Head is the newest committed block. A store that was never committed to has
	// the zero BlockID and an empty state.
	Head() BlockID
	// View is the state after a block: the newest, or one of a configured number
	// before it. ErrNotFound for others. When the block falls out of that reach, or
	// is reverted, the reads of its views match ErrUnknown from then on.
	View(id BlockID) (StateView, error)
	// Stage puts changes on top of the newest committed block. The store keeps c,
	// which nobody may alter any more. Changes that do not fit the state match
	// ErrOutOfStep.
	Stage(ctx context.Context, c *Changes) (Staged, error)
	// Revert makes id the newest block again and discards all stages. It is
	// durable like a commit. ErrNotFound if the store does not keep id. The blocks
	// taken back do not come back into reach: until new ones are committed, the
	// store reaches back less far.
	Revert(ctx context.Context, id BlockID) error
	// Close ends the use of the store; views fail from then on with ErrClosed.
	Close() error
}

// Staged is state that is not committed.
type Staged interface {
	// View is the state with this stage and all below it.
	View() StateView
	// Stage puts changes on top of this stage.
	Stage(ctx context.Context, c *Changes) (Staged, error)
	// Commit makes this stage and all below it the block id, in one step: after a
	// crash it is there whole, or not at all. When Commit returns, it is as
	// durable as the store promises. Stages on top remain, now on top of the
	// block; siblings are discarded. The zero BlockID, or one that the store keeps,
	// is ErrOutOfStep.
	Commit(ctx context.Context, id BlockID) error
	// Discard drops this stage and all on top of it. Discarding twice, or after
	// Commit, does nothing.
	Discard()
}

// A Committer computes state roots and witnesses. Begin, and the Commit of its
// Commitments, are called by one goroutine at a time; a Commitment is used by one
// goroutine, and different ones may be used concurrently: roots of blocks, proofs and
// simulations run beside each other.
type Committer interface {
	// Begin starts a commitment on top of the state with root parent, which must
	// be EmptyRoot or have been committed. ErrNotFound otherwise.
	Begin(ctx context.Context, parent common.Hash) (Commitment, error)
}

// A Commitment is the way from one state root to the next.
type Commitment interface {
	// Apply adds the changes of a part of the block, in order. c is not kept. An
	// error leaves the Commitment fit only for Discard. It matches ErrUnknown when the trie lacks a node that is needed (a
	// witness with a hole), ErrOutOfStep when an account is not what the changes
	// say was before, ErrClosed after Commit or Discard.
	Apply(c *Changes) error
	// Root is the state root with all changes applied.
	Root(ctx context.Context) (common.Hash, error)
	// Witness collects the trie nodes that one needs to read all of accesses in
	// the parent state and to compute Root from it, and nothing else. Codes and
	// Headers of the result are left to the caller. It does not alter the
	// Commitment, and may be called after Commit; for that the Commitment keeps
	// what was applied, as long as somebody holds it.
	Witness(ctx context.Context, accesses *AccessSet) (*Witness, error)
	// Commit keeps the new state, so that the next Commitment can begin on it.
	Commit(ctx context.Context) error
	// Discard drops it. It does nothing after Commit.
	Discard()
}

// A DiffEncoder turns Changes into compact bytes and back, against the state
// before them. Encoder and decoder are each a stream: they carry a model from one
// call to the next, so a receiver decodes in the order in which the sender
// encoded. Both sides have the same model at the same place of the stream, so one
// that has decoded it so far can go on by encoding: a sequencer that restarts does.
// One goroutine at a time uses a DiffEncoder.
type DiffEncoder interface {
	// AppendEncode appends the encoding of c, made against prior, the state
	// before c. Hints may be nil. The same calls give the same bytes everywhere.
	AppendEncode(dst []byte, c *Changes, prior StateView, h *Hints) ([]byte, error)
	// Decode reads into c exactly what was encoded, canonical and valid, and
	// checked against prior. src is not kept. Errors match ErrCorrupt, ErrTooLarge
	// or ErrOutOfStep, or are those of prior; then c and the model are unchanged.
	Decode(c *Changes, src []byte, prior StateView) error
	// Mark remembers the model; Rollback returns to it, and drops later marks. A
	// mark that is not known is ErrNotFound. Marks older than a configured number
	// are forgotten.
	Mark() Mark
	Rollback(m Mark) error
}

// A Mark names a moment of a DiffEncoder.
type Mark uint64

// A BlobID names a blob in a data-availability layer. Its form is the layer's.
type BlobID []byte

// A DAClient stores blobs where everyone can get them. It may be called
// concurrently.
type DAClient interface {
	// Put stores blob and returns when it is as durable as the layer promises.
	// The same blob may be put again. The client does not keep the slice.
	// ErrTooLarge when the layer does not take blobs of that size.
	Put(ctx context.Context, blob []byte) (BlobID, error)
	// Get returns the blob, which belongs to the caller. The client has checked
	// that it is the blob that was put under id, or fails with ErrCorrupt;
	// ErrNotFound when there is none.
	Get(ctx context.Context, id BlobID) ([]byte, error)
}
