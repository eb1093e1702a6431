package bench

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// Proofs are blocks with what it takes to verify them without state.
type Proofs struct {
	Name   string // without /impl=...
	Config *params.ChainConfig
	Blocks []*Proof
}

// A Proof is one block and its witness, as bytes.
type Proof struct {
	Sealed  *chain.Block // what Block encodes; its transactions know their senders
	Senders []common.Address
	Block   []byte // RLP
	Witness *chain.Witness
	Encoded []byte // Witness
}

// Gas is the gas that all blocks use.
func (p *Proofs) Gas() (gas uint64) {
	for _, b := range p.Blocks {
		gas += b.Sealed.Header.GasUsed
	}
	return gas
}

// Txs is the number of transactions of all blocks.
func (p *Proofs) Txs() (n int) {
	for _, b := range p.Blocks {
		n += len(b.Sealed.Txs)
	}
	return n
}

// WitnessSize is the size of all witnesses in bytes.
func (p *Proofs) WitnessSize() (n int) {
	for _, b := range p.Blocks {
		n += len(b.Encoded)
	}
	return n
}

// Proofs puts each block of a workload on a chain of its own, of which the state
// before is the whole state: with a parent that has its root, a header that has the
// roots after, and the witness for it. Left out are blocks that read hashes of older
// blocks, whose headers are not at hand, and blocks from before Byzantium, whose
// receipts have state roots.
func (w *Workload) Proofs(ctx context.Context) (*Proofs, error) {
	p := &Proofs{Name: w.Name, Config: w.Config}
	for _, b := range w.Blocks {
		if len(b.Want.Accesses.Ancestors) > 0 || !isByzantium(w.Config, b.Header.Number) {
			continue
		}
		proof, err := prove(ctx, w.Config, b)
		if err != nil {
			return nil, fmt.Errorf("%s: prove block %d: %w", w.Name, b.Header.Number, err)
		}
		p.Blocks = append(p.Blocks, proof)
	}
	return p, nil
}

func prove(ctx context.Context, config *params.ChainConfig, b *Block) (*Proof, error) {
	tries := trie.New(trie.Config{})
	pre, _, err := root(ctx, tries, chain.EmptyRoot, b.State)
	if err != nil {
		return nil, err
	}
	moved, parent := b.move(pre)
	if err := moved.referee(ctx, config); err != nil {
		return nil, err
	}
	post, commitment, err := root(ctx, tries, pre, moved.Want.Changes)
	if err != nil {
		return nil, err
	}
	moved.seal(post)
	proof := &Proof{Sealed: moved.Block, Senders: b.Senders}
	if proof.Block, err = moved.Block.AppendBinary(nil); err != nil {
		return nil, err
	}
	if proof.Witness, err = commitment.Witness(ctx, moved.Want.Accesses); err != nil {
		return nil, err
	}
	if err := moved.complete(proof.Witness, parent); err != nil {
		return nil, err
	}
	proof.Encoded, err = proof.Witness.AppendBinary(nil)
	return proof, err
}

// root commits changes to the state with root parent.
func root(ctx context.Context, tries *trie.StateTrie, parent common.Hash, changes *chain.Changes) (common.Hash, chain.Commitment, error) {
	commitment, err := tries.Begin(ctx, parent)
	if err != nil {
		return common.Hash{}, nil, err
	}
	if err := commitment.Apply(changes); err != nil {
		return common.Hash{}, nil, err
	}
	root, err := commitment.Root(ctx)
	if err != nil {
		return common.Hash{}, nil, err
	}
	return root, commitment, commitment.Commit(ctx)
}

// move puts a copy of the block on a parent with that state root.
func (b *Block) move(stateRoot common.Hash) (*Block, *chain.Header) {
	parent := &chain.Header{
		OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
		Number: b.Header.Number - 1, Timestamp: b.Header.Timestamp - 1, StateRoot: stateRoot,
	}
	header := *b.Header
	header.ParentHash = parent.Hash()
	block := *b.Block
	block.Header = &header
	moved := *b
	moved.Block, moved.Parent = &block, parent
	moved.Ancestors = chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
		if number != parent.Number {
			return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
		}
		return header.ParentHash, nil
	})
	return &moved, parent
}

// seal fills in what a header says of the outcome.
func (b *Block) seal(stateRoot common.Hash) {
	h := b.Header
	h.StateRoot, h.GasUsed, h.LogsBloom = stateRoot, b.Want.GasUsed, b.Want.LogsBloom
	h.TransactionsRoot, h.ReceiptsRoot = trie.TransactionsRoot(b.Txs), trie.ReceiptsRoot(b.Want.Receipts)
	if h.RequestsHash != nil {
		requests := chain.RequestsHash(b.Want.Requests)
		h.RequestsHash = &requests
	}
}

// complete adds to a witness what is not in the trie.
func (b *Block) complete(w *chain.Witness, parent *chain.Header) error {
	header, err := parent.AppendBinary(nil)
	if err != nil {
		return err
	}
	w.Headers = [][]byte{header}
	for i := range b.Want.Accesses.Accounts {
		access := &b.Want.Accesses.Accounts[i]
		if !access.Code {
			continue
		}
		account, _, err := b.Prior.Account(access.Address)
		if err != nil {
			return err
		}
		code, err := b.Prior.Code(account.CodeHash)
		if err != nil {
			return err
		}
		w.Codes = append(w.Codes, code)
	}
	w.Normalize()
	return nil
}
