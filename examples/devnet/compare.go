package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/oracle"
)

// peerTimes are go-ethereum's own for a block: execution on a state in memory, and
// stateless verification from a witness, both with recovery of the senders, as
// ours. Zero without -compare; verify is zero before Byzantium, where go-ethereum
// has no witnesses.
type peerTimes struct{ execute, verify time.Duration }

// comparable: both did the same work. Before Byzantium go-ethereum computes a root
// after each transaction, and we, without the whole state, do not.
func (p peerTimes) comparable() bool { return p.verify > 0 }

// compare lets go-ethereum process the block too, and compares what it made of it:
// post is our root of the partial state after the block.
func compare(ctx context.Context, b *mainnet.Block, post common.Hash) (peerTimes, error) {
	p, err := oracle.Process(ctx, params.MainnetChainConfig, b)
	if err != nil {
		return peerTimes{}, err
	}
	if p.Root != (common.Hash{}) && p.Root != post {
		return peerTimes{}, &chain.MismatchError{Block: b.Header.Number, Field: "stateRoot (partial) by go-ethereum", Got: p.Root.String(), Want: post.String()}
	}
	return peerTimes{p.Execution, p.Verification}, nil
}
