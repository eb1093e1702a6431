package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/mainnet"
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
// roots after, and the witness for it. What reads hashes of ancestors, as a third of
// the mainnet blocks does, finds other ones there than on its own chain, and a few
// transactions end otherwise. Left out are blocks from before Byzantium, whose
// receipts have state roots, and those that do not fit their gas limit then.
func (w *Workload) Proofs(ctx context.Context) (*Proofs, error) {
	p := &Proofs{Name: w.Name, Config: w.Config}
	for _, b := range w.Blocks {
		if !isByzantium(w.Config, b.Header.Number) {
			continue
		}
		proof, err := prove(ctx, w.Config, b)
		if err != nil {
			return nil, fmt.Errorf("%s: prove block %d: %w", w.Name, b.Header.Number, err)
		}
		if proof != nil {
			p.Blocks = append(p.Blocks, proof)
		}
	}
	return p, nil
}

// prove returns nil for a block that does not fit its gas limit.
func prove(ctx context.Context, config *params.ChainConfig, b *Block) (*Proof, error) {
	tries := trie.New(trie.Config{})
	pre, _, err := root(ctx, tries, chain.EmptyRoot, b.State)
	if err != nil {
		return nil, err
	}
	moved, headers, err := b.move(pre)
	if err != nil {
		return nil, err
	}
	switch err := moved.referee(ctx, config); {
	case errors.Is(err, core.ErrGasLimitReached):
		return nil, nil
	case err != nil:
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
	if err := moved.complete(proof.Witness, headers); err != nil {
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

// move puts a copy of the block on made-up ancestors, as many as BLOCKHASH reaches,
// the nearest of which has that state root. It returns their headers too, RLP from
// the parent backwards.
func (b *Block) move(stateRoot common.Hash) (*Block, [][]byte, error) {
	var (
		parent  *chain.Header
		headers [][]byte
		hashes  = make(mainnet.BlockHashes)
	)
	for distance := min(256, b.Header.Number); distance > 0; distance-- {
		next := &chain.Header{
			OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
			Number: b.Header.Number - distance, Timestamp: b.Header.Timestamp - distance,
		}
		if parent != nil {
			next.ParentHash = parent.Hash()
		}
		if distance == 1 {
			next.StateRoot = stateRoot
		}
		raw, err := next.AppendBinary(nil)
		if err != nil {
			return nil, nil, err
		}
		parent, headers, hashes[next.Number] = next, append(headers, raw), next.Hash()
	}
	slices.Reverse(headers)
	header := *b.Header
	header.ParentHash = parent.Hash()
	block := *b.Block
	block.Header = &header
	moved := *b
	moved.Block, moved.Parent, moved.Ancestors = &block, parent, hashes
	return &moved, headers, nil
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

// complete adds to a witness what is not in the trie: of the headers as many as
// the block needs, and codes.
func (b *Block) complete(w *chain.Witness, headers [][]byte) error {
	oldest := b.Header.Number
	if read := b.Want.Accesses.Ancestors; len(read) > 0 {
		oldest = read[0]
	}
	w.Headers = headers[:chain.WitnessHeaders(b.Header.Number, oldest)]
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
