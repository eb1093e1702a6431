package ethapi

import (
	"context"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/rpc/backend"
)

// syncBlocks is by how many blocks a node may be behind that follows well: one is closed
// and waits for its header, another is open.
const syncBlocks = 2

// Sync is the answer of eth_syncing while a node is behind: numbers of sealed blocks.
// Fields of go-ethereum's that tell of its own way of syncing are there and zero: clients
// decode them.
type Sync struct {
	StartingBlock          hexutil.Uint64 `json:"startingBlock"`
	CurrentBlock           hexutil.Uint64 `json:"currentBlock"`
	HighestBlock           hexutil.Uint64 `json:"highestBlock"`
	SyncedAccounts         hexutil.Uint64 `json:"syncedAccounts"`
	SyncedAccountBytes     hexutil.Uint64 `json:"syncedAccountBytes"`
	SyncedBytecodes        hexutil.Uint64 `json:"syncedBytecodes"`
	SyncedBytecodeBytes    hexutil.Uint64 `json:"syncedBytecodeBytes"`
	SyncedStorage          hexutil.Uint64 `json:"syncedStorage"`
	SyncedStorageBytes     hexutil.Uint64 `json:"syncedStorageBytes"`
	HealedTrienodes        hexutil.Uint64 `json:"healedTrienodes"`
	HealedTrienodeBytes    hexutil.Uint64 `json:"healedTrienodeBytes"`
	HealedBytecodes        hexutil.Uint64 `json:"healedBytecodes"`
	HealedBytecodeBytes    hexutil.Uint64 `json:"healedBytecodeBytes"`
	HealingTrienodes       hexutil.Uint64 `json:"healingTrienodes"`
	HealingBytecode        hexutil.Uint64 `json:"healingBytecode"`
	SyncedAccessLists      hexutil.Uint64 `json:"syncedAccessLists"`
	TotalAccessLists       hexutil.Uint64 `json:"totalAccessLists"`
	TrieGenProgress        hexutil.Uint64 `json:"trieGenProgress"`
	TxIndexFinishedBlocks  hexutil.Uint64 `json:"txIndexFinishedBlocks"`
	TxIndexRemainingBlocks hexutil.Uint64 `json:"txIndexRemainingBlocks"`
	StateIndexRemaining    hexutil.Uint64 `json:"stateIndexRemaining"`
	TrienodeIndexRemaining hexutil.Uint64 `json:"trienodeIndexRemaining"`
}

// Syncing is eth_syncing: a *Sync while a node that follows a sequencer is behind what
// that, or its feed, has told it, and else false. A sequencer is never behind.
func (a *API) Syncing(ctx context.Context) any {
	s, ok := a.backend.(backend.Syncer)
	if !ok {
		return false
	}
	p := s.Progress(ctx)
	if p.Highest-p.Current <= syncBlocks {
		return false
	}
	return &Sync{
		StartingBlock: hexutil.Uint64(p.Starting), CurrentBlock: hexutil.Uint64(p.Current), HighestBlock: hexutil.Uint64(p.Highest),
	}
}
