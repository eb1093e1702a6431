package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// Publisher is where the sequencer puts what others follow: streams of messages by
// topic. Publish copies msg and returns its number in the topic. It may be called
// concurrently; the messages of the feed come from one goroutine.
//
// Receipts wait for Publish, so it takes a message and does not wait for those who
// follow. To bring it to them, and again when it is lost on the way or they are not
// there, is the transport's business: no error of Publish, however long a network is
// down. An error that matches chain.ErrBusy says that this message was not taken and
// later ones may be. The chain goes on: a publication or an offer of a snapshot is
// tried again, of the feed and the bodies the message is left out and counted in
// Stats.Untold, and who follows takes the block from elsewhere; so is one that matches
// chain.ErrTooLarge, for good. Any other error says
// that no message will ever be taken any more, as with a full disk, and ends Run; what
// the log has is told again after a restart.
//
// A message may come again after a restart, with the same content. Publications begin
// with block 1 and come in order without a gap, repetitions aside, and what one says of
// a block stays for ever. A transport that numbers by what is said may give a
// repetition the number that it had.
type Publisher interface {
	Publish(ctx context.Context, topic string, msg []byte) (seq uint64, err error)
}

// Subscriber is where the sequencer gets attestations from. The function that
// Subscribe returns waits for the next message; its bytes are valid until the
// next call. It begins with message number from; math.MaxUint64 stands for the
// oldest that is kept. An error that matches chain.ErrOutOfStep says that the next
// message is not kept any more.
type Subscriber interface {
	Subscribe(ctx context.Context, topic string, from uint64) (next func(context.Context) (seq uint64, msg []byte, err error), err error)
}

// Executor is what the sequencer asks of an executor: to execute, to build, and
// to check at the door what can be checked without state. *execution.Sequential
// has it.
type Executor interface {
	chain.Executor
	chain.Builder
	// CheckTx fails with ErrInvalidTx if the transaction cannot be valid in env,
	// whatever the state.
	CheckTx(tx *chain.Tx, env *chain.Env) error
	// Sender recovers the sender from the signature, once.
	Sender(tx *chain.Tx, env *chain.Env) (common.Address, error)
}

// Store is what the sequencer asks of a store: the contract, and the whole state of
// a block for snapshots. *state.Store has it.
type Store interface {
	chain.StateStore
	// Export yields the state after block id as changes of the empty state, in
	// chunks; an account whose storage spans several has its own fields in each.
	Export(ctx context.Context, id chain.BlockID, yield func(*chain.Changes) error) error
}

// A History keeps what blocks held and did, for readers; *history.Store of package
// fullnode/history is one. It is told of what is logged, in the order of the log, by
// one goroutine; Persist is called by another. All but Persist must be quick:
// receipts wait for them.
type History interface {
	// Rewind forgets the blocks after number: they come again.
	Rewind(number uint64) error
	// Check fails if it has another block in the place of the header's.
	Check(h *chain.Header) error
	// OpenBlock begins the next block, Acknowledge adds transactions to it, SealMini
	// ends a mini-block whose frame has the given digest, Seal gives the oldest block
	// that has none its header. They keep what they are given.
	OpenBlock(env *chain.Env) error
	Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error
	SealMini(frame *chain.Frame, digest common.Hash, changes *chain.Changes) error
	Seal(h *chain.Header) error
	// Persist returns when the sealed blocks up to number are durable.
	Persist(ctx context.Context, number uint64) error
}

// Config says how a Sequencer works. Fields marked required have no default.
type Config struct {
	// Genesis is block 0. Required.
	Genesis *chain.Genesis
	// ChainConfig has the fork schedule; the chain must begin after the Merge.
	// Required.
	ChainConfig *params.ChainConfig

	// FS and Dir say where the log and the snapshots are. Dir is required; FS is a
	// seam for tests, nil the operating system's. One process at a time may use Dir.
	FS  vfs.FS
	Dir string
	// Durability of an acknowledgement. Default: fsync.
	Durability state.Durability
	// LogFileBytes is the size in bytes at which the log begins another file. A snapshot
	// drops whole files. Default 64 MiB.
	LogFileBytes int64

	// Executor, Store, Committer and the two codecs default to those of packages
	// execution, state (in memory: the sequencer has a log of its own), trie and
	// statediff. Store and Committer must be empty; the Sequencer closes the Store.
	// Store must reach back Retain blocks. Diff is used for the frames of mini-blocks;
	// BlockDiff makes the self-contained diffs of whole blocks.
	Executor  Executor
	Store     Store
	Committer chain.Committer
	Diff      chain.DiffEncoder
	BlockDiff chain.DiffEncoder
	// DA takes blocks, witnesses and diffs. Required.
	DA chain.DAClient
	// Publisher gets frames, bodies, headers, publications, snapshots, and the attestations
	// that came by Attest; Subscriber gives attestations. A Bus is both. nil: nobody follows,
	// nobody proves.
	Publisher  Publisher
	Subscriber Subscriber
	// Backfill, if set, gets from New what an earlier run published and the log still has,
	// by topic and as Publisher got it: publications, the attestations of the blocks that
	// are not proven and of EvidenceBlocks before, whoever brought them, the newest offer of
	// a snapshot, and then frames, headers and bodies, each topic in its order, which for
	// attestations is that of their blocks. It is for a transport that keeps
	// no messages beyond its process and serves those who lag; nothing of it is to be sent
	// unasked. msg is valid during the call. The log begins at about the newest snapshot,
	// within a block. Bodies, which it does not have, come each after its frame if History
	// also has the method
	//
	//	Body(number uint64) ([]*chain.Tx, []*chain.Receipt, error)
	//
	// for published blocks; those for which it fails are left out. What recovery makes
	// again comes to Publisher, and nothing of it here. An error ends New.
	Backfill func(ctx context.Context, topic string, msg []byte) error
	// History, if set, gets every transaction and receipt before it is acknowledged. A
	// block is durable there before it counts as published. It must be this chain's,
	// and is not closed.
	History History

	// Term of this sequencer; it stands in every header's extraData. It never falls:
	// New refuses one below the newest block's. It must be higher than before if the log
	// lost what others were told: then the open block begins anew. Default 1.
	Term uint64
	// ExtraData follows the term in extraData; at most 24 bytes.
	ExtraData []byte
	// Coinbase receives the priority fees.
	Coinbase common.Address
	// GasLimit of every block. Default: the genesis block's.
	GasLimit uint64
	// BaseFee, if set, is every block's base fee, in wei; nil computes it by
	// EIP-1559.
	BaseFee *uint256.Int
	// ParentBeaconBlockRoot gives the value for the block number (EIP-4788).
	// Default: zero.
	ParentBeaconBlockRoot func(number uint64) common.Hash
	// PrevRandao gives the value for the block number (EIP-4399). Default:
	// keccak256 of chain id and number, which everybody can foresee.
	PrevRandao func(number uint64) common.Hash

	// MiniBlockInterval and BlockInterval are how long a mini-block and a block
	// stay open. Defaults 10 ms and 1 s.
	MiniBlockInterval time.Duration
	BlockInterval     time.Duration
	// MiniBlockBytes and MiniBlockGas bound a mini-block, which ends early when the next
	// transaction has more bytes than are left, or when half of the gas is used and that one
	// may use more than is left. One with more bytes has a mini-block of its own; one that
	// may use more than half of the gas comes on top of less than that. By default, and
	// while no transaction may (from Osaka on none does: EIP-7825), frame and body are
	// within the limits of package statediff/gossip whatever contracts do: a byte of a log
	// costs 8 gas and one of a receipt or change more, of which refunds give back a fifth.
	// Defaults 1 MiB and 40 million.
	MiniBlockBytes int
	MiniBlockGas   uint64
	// TimestampAhead is how far, in whole seconds, the timestamps of blocks, which
	// grow by at least one from block to block, may run ahead of the clock before
	// admission refuses with ErrBusy. Default 2 s; negative for no bound, which is
	// also the default when BlockInterval is less than a second.
	TimestampAhead time.Duration
	// BatchTxs is the most transactions given to the executor at once: the longest
	// that anything else waits for it. Default 256.
	BatchTxs int
	// GroupTxs is the most transactions that wait for their fsync; when as many
	// do, execution waits. Default 8192.
	GroupTxs int

	// PoolTxs, PoolBytes and PoolTxsPerSender bound the pool. Defaults 65,536
	// transactions, 256 MiB, 1,024 transactions.
	PoolTxs          int
	PoolBytes        int
	PoolTxsPerSender int
	// PoolLifetime is how long a transaction waits for a predecessor that is
	// missing. Default 10 s.
	PoolLifetime time.Duration
	// TxBytes is the longest transaction taken. Default 128 KiB.
	TxBytes int

	// UnpublishedBlocks is how many sealed blocks may wait for the
	// data-availability layer before admission refuses with ErrBusy. Default 64.
	UnpublishedBlocks int
	// DAConcurrency is how many of them are put at a time. Their objects wait in memory
	// until those of all blocks before are put. Default 32.
	DAConcurrency int
	// ReadBackTime is how long the layer may take to give back what it took. A block is told
	// when all of it was read and is what was put, so that nobody is sent to what is not
	// there; what does not come in time is put, and paid for, again, and has twice the time.
	// A snapshot has eight times as long.
	// That reads all that is put, once. Meanwhile the block, and those after it, count as
	// UnpublishedBlocks. Default 20 s; negative: nothing is read, and what a layer loses
	// stops the proven head, unless it is among UnprovenBytes.
	ReadBackTime time.Duration
	// UnprovenBlocks is how many blocks may wait for provers before admission refuses
	// with ErrBusy, if there are Provers, and empty blocks stay open. What is
	// remembered of each to be compared with attestations takes half a kilobyte,
	// also in snapshots. Default 4,096; at most 32,768.
	UnprovenBlocks int
	// UnprovenBytes bounds the payloads of blocks that are put and not proven, which are kept
	// in Dir for Desk.Objects if there are Provers: a block that the layer loses can still be
	// proven, also after a restart. What does not fit, of the newest blocks, is not kept.
	// Default 1 GiB; negative keeps none.
	UnprovenBytes int
	// Provers are the addresses whose attestations count, and ProverThreshold how
	// many of them must agree on a block. Default threshold 1. Without Provers
	// nothing is ever proven, and once a snapshot has replaced the log, nothing can
	// be any more: New refuses Provers then.
	Provers         []common.Address
	ProverThreshold int
	// Programs are the provers' programs whose attestations count: chain.Attestation's
	// Program. Default: any.
	Programs []common.Hash
	// Recoverer returns who signed an attestation. Default: in pure Go. A binary that has
	// libsecp256k1 gives that: it takes a fifth of the time.
	Recoverer attest.Recoverer
	// EvidenceBlocks is for how many blocks behind the proven head attestations are kept,
	// for Backfill, and those that come still compared with the block, to be kept as
	// Evidence if they are wrong. Default 256, at most 1,024.
	EvidenceBlocks int

	// SnapshotBlocks is the number of blocks from one snapshot to the next. A
	// snapshot shortens the log and lets followers join. Default 256.
	SnapshotBlocks int

	// Logger gets what an operator should know. Default: slog.Default.
	Logger *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Retain is how many blocks before the newest Config.Store must reach back to: a snapshot
// is made of a block that is published, behind all that are not, and takes its time.
func (c *Config) Retain() int {
	unpublished := c.UnpublishedBlocks
	orDefault(&unpublished, unpublishedBlocks)
	return max(retainMin, 2*(unpublished+unsettledBlocks))
}

const (
	unpublishedBlocks = 64  // default of Config.UnpublishedBlocks
	retainMin         = 128 // for those who read
)

// unprovenBlocksMost and evidenceBlocksMost keep the claims in a snapshot, of at most
// 430 bytes each, below what a reader takes: 16 MiB.
const (
	unprovenBlocksMost = 32_768
	evidenceBlocksMost = 1024
)

func (c Config) withDefaults() (*Config, error) {
	switch {
	case c.Genesis == nil || c.ChainConfig == nil:
		return nil, errors.New("sequencer: Config.Genesis and ChainConfig are required")
	case c.Dir == "":
		return nil, errors.New("sequencer: Config.Dir is required")
	case c.DA == nil:
		return nil, errors.New("sequencer: Config.DA is required")
	case len(c.Provers) > 0 && c.Subscriber == nil:
		return nil, errors.New("sequencer: Config.Subscriber is required to hear the Provers")
	case c.UnprovenBlocks > unprovenBlocksMost:
		return nil, fmt.Errorf("sequencer: Config.UnprovenBlocks is %d, at most %d fit into a snapshot", c.UnprovenBlocks, unprovenBlocksMost)
	case c.EvidenceBlocks > evidenceBlocksMost || c.EvidenceBlocks < 0:
		return nil, fmt.Errorf("sequencer: Config.EvidenceBlocks is %d, not from 1 to %d", c.EvidenceBlocks, evidenceBlocksMost)
	case c.MiniBlockBytes < 0:
		return nil, fmt.Errorf("sequencer: Config.MiniBlockBytes is %d", c.MiniBlockBytes)
	case c.DAConcurrency < 0:
		return nil, fmt.Errorf("sequencer: Config.DAConcurrency is %d", c.DAConcurrency)
	case len(c.Provers) > 0 && c.ProverThreshold > len(c.Provers):
		return nil, fmt.Errorf("sequencer: Config.ProverThreshold is %d, and there are %d Provers", c.ProverThreshold, len(c.Provers))
	case len(c.ExtraData) > 24:
		return nil, fmt.Errorf("sequencer: Config.ExtraData has %d bytes, at most 24 follow the term", len(c.ExtraData))
	case c.ChainConfig.ChainID == nil || !c.ChainConfig.ChainID.IsUint64() || c.ChainConfig.ChainID.Uint64() != c.Genesis.ChainID:
		return nil, fmt.Errorf("sequencer: chain id is %v in ChainConfig, %d in Genesis", c.ChainConfig.ChainID, c.Genesis.ChainID)
	}
	if c.Executor == nil {
		ex, err := execution.New(execution.Config{Chain: c.ChainConfig})
		if err != nil {
			return nil, err
		}
		c.Executor = ex
	}
	if c.Committer == nil {
		c.Committer = trie.New(trie.Config{})
	}
	if c.Diff == nil {
		c.Diff = statediff.New(statediff.Config{})
	}
	if c.BlockDiff == nil {
		c.BlockDiff = statediff.New(statediff.Config{Stateless: true})
	}
	if c.Subscriber == nil {
		c.Subscriber = nobody{}
	}
	if c.FS == nil {
		c.FS = vfs.OS
	}
	if c.ParentBeaconBlockRoot == nil {
		c.ParentBeaconBlockRoot = func(uint64) common.Hash { return common.Hash{} }
	}
	if c.PrevRandao == nil {
		id := uint256.NewInt(c.Genesis.ChainID).Bytes32()
		c.PrevRandao = func(number uint64) common.Hash {
			n := uint256.NewInt(number).Bytes32()
			return chain.Keccak256(id[:], n[:])
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	orDefault(&c.Term, 1)
	orDefault(&c.GasLimit, c.Genesis.Header.GasLimit)
	orDefault(&c.MiniBlockInterval, 10*time.Millisecond)
	orDefault(&c.BlockInterval, time.Second)
	if c.BlockInterval < time.Second {
		orDefault(&c.TimestampAhead, -1)
	}
	orDefault(&c.TimestampAhead, 2*time.Second)
	orDefault(&c.MiniBlockBytes, 1<<20)
	orDefault(&c.MiniBlockGas, 40_000_000)
	orDefault(&c.BatchTxs, 256)
	orDefault(&c.GroupTxs, 8192)
	orDefault(&c.PoolTxs, 65_536)
	orDefault(&c.PoolBytes, 256<<20)
	orDefault(&c.PoolTxsPerSender, 1024)
	orDefault(&c.PoolLifetime, 10*time.Second)
	orDefault(&c.TxBytes, 128<<10)
	orDefault(&c.UnpublishedBlocks, unpublishedBlocks)
	orDefault(&c.DAConcurrency, 32)
	orDefault(&c.ReadBackTime, 20*time.Second)
	orDefault(&c.UnprovenBlocks, 4096)
	orDefault(&c.UnprovenBytes, 1<<30)
	orDefault(&c.EvidenceBlocks, 256)
	orDefault(&c.ProverThreshold, 1)
	orDefault(&c.SnapshotBlocks, 256)
	return &c, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
