package oracle

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/vivace-chain/vivace/chain"
)

// Headers is go-ethereum's word on headers: their fields by their parent's, and
// ommers. It knows a tree of blocks, which it is told, and does not look at seals.
// It is for one goroutine.
type Headers struct {
	*engine
	noHeaders
	blocks map[common.Hash]*types.Block // without transactions
	total  map[common.Hash]*big.Int     // difficulty, from genesis on
	head   common.Hash
}

// NewHeaders knows the genesis block of a chain.
func NewHeaders(config *params.ChainConfig, genesis *chain.Header) (*Headers, error) {
	h := &Headers{
		engine: newEngine(config),
		blocks: make(map[common.Hash]*types.Block),
		total:  make(map[common.Hash]*big.Int),
	}
	block, err := Block(&chain.Block{Header: genesis})
	if err != nil {
		return nil, err
	}
	h.head = block.Hash()
	h.blocks[h.head] = block
	h.total[h.head] = block.Difficulty()
	return h, nil
}

// Verify checks the header and the ommers of a block whose parent is known. The
// error matches chain.ErrInvalidBlock.
func (h *Headers) Verify(b *chain.Block) error {
	block, err := withoutBody(b)
	if err == nil {
		err = h.consensus.VerifyHeader(h, block.Header())
	}
	if err == nil {
		err = h.consensus.VerifyUncles(h, block)
	}
	if err != nil {
		return fmt.Errorf("%w %d: %w", chain.ErrInvalidBlock, b.Header.Number, err)
	}
	return nil
}

// Add makes a block known that is valid in all respects. The head is the newest
// block of proof of stake, and before that the block with the greatest total
// difficulty, the earliest of equals.
func (h *Headers) Add(b *chain.Block) error {
	block, err := withoutBody(b)
	if err != nil {
		return err
	}
	var (
		hash  = block.Hash()
		total = new(big.Int).Add(h.total[block.ParentHash()], block.Difficulty())
	)
	h.blocks[hash], h.total[hash] = block, total
	if block.Difficulty().Sign() == 0 || total.Cmp(h.total[h.head]) > 0 {
		h.head = hash
	}
	return nil
}

// Head is the hash of the best block that is known.
func (h *Headers) Head() common.Hash { return h.head }

// GetBlock implements consensus.ChainReader.
func (h *Headers) GetBlock(hash common.Hash, number uint64) *types.Block {
	if b := h.blocks[hash]; b != nil && b.NumberU64() == number {
		return b
	}
	return nil
}

// GetHeader implements consensus.ChainHeaderReader.
func (h *Headers) GetHeader(hash common.Hash, number uint64) *types.Header {
	if b := h.GetBlock(hash, number); b != nil {
		return b.Header()
	}
	return nil
}

// withoutBody is a block of header and ommers.
func withoutBody(b *chain.Block) (*types.Block, error) {
	header, err := toHeader(b.Header)
	if err != nil {
		return nil, err
	}
	var body types.Body
	for _, o := range b.Ommers {
		ommer, err := toHeader(o)
		if err != nil {
			return nil, err
		}
		body.Uncles = append(body.Uncles, ommer)
	}
	return types.NewBlockWithHeader(header).WithBody(body), nil
}

func toHeader(h *chain.Header) (*types.Header, error) {
	raw, _ := h.AppendBinary(nil)
	out := new(types.Header)
	return out, rlp.DecodeBytes(raw, out)
}
