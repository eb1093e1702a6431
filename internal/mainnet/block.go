package mainnet

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A Block is a block of the chain with all that is needed to execute it. Read
// only, then safe for concurrent use.
type Block struct {
	*chain.Block
	Hash    common.Hash
	Senders []common.Address // of Txs, as the archive has them
	Pre     *State           // the state before, as far as the block touches it
	Hashes  BlockHashes      // the ancestors' that the block reads
}

// SetSenders hands the archive's senders to the transactions, for runs that are
// not to measure signature recovery.
func (b *Block) SetSenders() {
	for i, tx := range b.Txs {
		tx.SetSender(b.Senders[i])
	}
}

// BlockHashes are hashes of blocks by number. They are chain.Ancestors; a number
// that is not among them is a chain.MissingError.
type BlockHashes map[uint64]common.Hash

// BlockHash implements chain.Ancestors.
func (h BlockHashes) BlockHash(_ context.Context, number uint64) (common.Hash, error) {
	hash, ok := h[number]
	if !ok {
		return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
	}
	return hash, nil
}

// Decode reads one block. Codes gives the code under a hash; one that is missing
// is an error. It copies what it keeps of data, and takes memory in proportion
// to it.
func Decode(data []byte, codes map[common.Hash][]byte) (*Block, error) {
	var (
		in     = rlp.NewReader(data)
		r      = in.List()
		b      = &Block{Hashes: BlockHashes{}}
		header = r.Raw()
	)
	r.Fixed(b.Hash[:])
	txs := r.Raw()
	b.Senders = readSenders(r)
	withdrawals := r.Raw()
	accounts := readAccounts(r)
	b.readHashes(r)
	in.Close(r)
	if err := in.End(); err != nil {
		return nil, corrupt(err)
	}

	var err error
	if b.Block, err = body(header, txs, withdrawals); err != nil {
		return nil, err
	}
	if b.Pre, err = newState(accounts, codes); err != nil {
		return nil, err
	}
	switch hash := b.Header.Hash(); {
	case hash != b.Hash:
		return nil, corrupt(fmt.Errorf("header has hash %s, not %s", hash, b.Hash))
	case b.Header.OmmersHash != chain.EmptyOmmersHash:
		return nil, corrupt(fmt.Errorf("block has ommers, which the format does not"))
	case len(b.Senders) != len(b.Txs):
		return nil, corrupt(fmt.Errorf("%d senders of %d transactions", len(b.Senders), len(b.Txs)))
	}
	return b, nil
}

// body decodes the parts that are as in a block's own RLP, by making them into
// one. Before Shanghai such a block has no list of withdrawals at all.
func body(header, txs, withdrawals []byte) (*chain.Block, error) {
	h := new(chain.Header)
	if err := h.UnmarshalBinary(header); err != nil {
		return nil, err
	}
	whole := make([]byte, 0, len(header)+len(txs)+len(withdrawals)+16)
	whole = append(append(whole, header...), txs...)
	whole = rlp.WrapList(whole, len(whole)) // no ommers
	switch {
	case h.WithdrawalsRoot != nil:
		whole = append(whole, withdrawals...)
	case !bytes.Equal(withdrawals, []byte{0xc0}):
		return nil, corrupt(fmt.Errorf("withdrawals before Shanghai, in block %d", h.Number))
	}
	b := new(chain.Block)
	return b, b.UnmarshalBinary(rlp.WrapList(whole, 0))
}

func readSenders(in *rlp.Reader) []common.Address {
	var out []common.Address
	list := in.List()
	for list.More() {
		var a common.Address
		list.Fixed(a[:])
		out = append(out, a)
	}
	in.Close(list)
	return out
}

func (b *Block) readHashes(in *rlp.Reader) {
	list := in.List()
	last, first := uint64(0), true
	for list.More() {
		var (
			item   = list.List()
			number = item.Uint64()
			hash   common.Hash
		)
		item.Fixed(hash[:])
		list.Close(item)
		if !first && number <= last {
			list.Fail(rlp.ErrNotCanonical)
		}
		b.Hashes[number], last, first = hash, number, false
	}
	in.Close(list)
}

func corrupt(err error) error {
	return &chain.CorruptError{What: "archived block", Offset: -1, Err: err}
}
