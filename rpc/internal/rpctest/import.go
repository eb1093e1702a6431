package rpctest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// Import takes a sealed block, in RLP, that follows the newest one. It executes the
// block, and what does not agree with the header ends the test.
func (n *Node) Import(raw []byte) *chain.Header {
	n.tb.Helper()
	n.making.Lock()
	defer n.making.Unlock()
	n.must(n.take(context.Background(), raw))
	return n.head
}

// ImportAll takes a file of sealed blocks, one behind the other, and skips the
// genesis if the file begins with it.
func (n *Node) ImportAll(r io.Reader) {
	n.tb.Helper()
	for stream := rlp.NewStream(r, 0); ; {
		raw, err := stream.Raw()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			n.tb.Fatalf("rpctest: block after %d: %v", n.Head().Number, err)
		}
		n.Import(raw)
	}
}

func (n *Node) take(ctx context.Context, raw []byte) error {
	b := new(chain.Block)
	if err := b.UnmarshalBinary(raw); err != nil {
		return err
	}
	if b.Header.Number == 0 && n.head.Hash() == b.Header.Hash() {
		return nil
	}
	if n.open != nil {
		return fmt.Errorf("%w: a block is open", chain.ErrOutOfStep)
	}
	if err := errors.Join(b.Header.CheckParent(n.head), trie.CheckBody(b)); err != nil {
		return err
	}
	result, err := n.check(ctx, b)
	if err != nil {
		return err
	}
	staged, err := n.store.Stage(ctx, result.Changes)
	if err != nil {
		return err
	}
	if err := staged.Commit(ctx, b.Header.ID()); err != nil {
		return err
	}
	n.head = b.Header
	if err := n.record(b, result); err != nil {
		return err
	}
	return n.show()
}

// check executes a block and compares what it does with what its header says.
func (n *Node) check(ctx context.Context, b *chain.Block) (*chain.Result, error) {
	prior, err := n.store.View(n.head.ID())
	if err != nil {
		return nil, err
	}
	if n.running, err = n.Begin(ctx, n.head.StateRoot); err != nil {
		return nil, err
	}
	defer n.running.Discard()
	result, err := n.engine.Execute(ctx, b, n.ancestors(), prior)
	if err != nil {
		return nil, err
	}
	root, err := n.commit(ctx, n.head.StateRoot, result.Changes)
	if err != nil {
		return nil, err
	}
	return result, b.Header.CheckResult(result, trie.ReceiptsRoot(result.Receipts), root)
}

// txRoot is the root after a transaction of the block that executes: receipts before
// Byzantium have it.
func (n *Node) txRoot(changes *chain.Changes) (common.Hash, error) {
	if err := n.running.Apply(changes); err != nil {
		return common.Hash{}, err
	}
	return n.running.Root(context.Background())
}

// record gives history an imported block, as one mini-block.
func (n *Node) record(b *chain.Block, r *chain.Result) error {
	env := b.Env()
	if err := n.history.OpenBlock(env); err != nil {
		return err
	}
	if err := n.history.Acknowledge(env.Number, b.Txs, r.Receipts); err != nil {
		return err
	}
	diff, err := r.Changes.AppendBinary(nil)
	if err != nil {
		return err
	}
	frame := &chain.Frame{
		Number: env.Number, Term: env.Term(), Parent: n.frame, GasUsed: r.GasUsed,
		TxCount: uint32(len(b.Txs)), Last: true, Env: env, Diff: diff,
	}
	n.frame = frame.Digest()
	if err := n.history.SealMini(frame, n.frame, r.Changes); err != nil {
		return err
	}
	return n.history.Seal(b.Header)
}
