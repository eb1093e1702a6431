package bench

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
)

// RLPDiff is what one would write in an afternoon with go-ethereum's rlp: the values
// after, grouped by account, accounts as its path database writes them in a layer
// (types.SlimAccountRLP), slots without leading zeroes; addresses and slot numbers in
// full, where the path database has their hashes. The decoder takes the values
// before from its own state. There is no checksum and no position in a stream.
func RLPDiff() chain.DiffEncoder { return new(rlpDiff) }

// RLPZstdDiff is RLPDiff, compressed with zstd at its default level.
func RLPZstdDiff() chain.DiffEncoder {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constant
	}
	opener, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return &rlpDiff{packer: packer, opener: opener}
}

// rlpDiff implements chain.DiffEncoder.
type rlpDiff struct {
	packer *zstd.Encoder // nil: not compressed
	opener *zstd.Decoder
	body   []byte // working memory
}

// rlpChanges is the form of Changes.
type rlpChanges struct {
	Accounts []rlpAccount
	Codes    [][]byte
}

type rlpAccount struct {
	Address common.Address
	Fate    uint8
	Slim    []byte // of an account that is not as before
	Slots   []rlpSlot
}

type rlpSlot struct {
	Key   common.Hash
	After uint256.Int
}

// Fates of an account.
const (
	fateSame    = iota // slots changed only
	fateChanged        // or created
	fateDestroyed
	fateMadeAnew
)

func fate(a *chain.AccountChange) uint8 {
	switch {
	case !a.Exists:
		return fateDestroyed
	case a.Cleared:
		return fateMadeAnew
	case a.Same():
		return fateSame
	}
	return fateChanged
}

// AppendEncode implements chain.DiffEncoder.
func (r *rlpDiff) AppendEncode(dst []byte, c *chain.Changes, _ chain.StateView, _ *chain.Hints) ([]byte, error) {
	out := rlpChanges{Accounts: make([]rlpAccount, len(c.Accounts))}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		to := &out.Accounts[i]
		to.Address, to.Fate = a.Address, fate(a)
		if to.Fate == fateChanged || to.Fate == fateMadeAnew {
			to.Slim = types.SlimAccountRLP(types.StateAccount{
				Nonce: a.After.Nonce, Balance: &a.After.Balance, Root: types.EmptyRootHash, CodeHash: a.After.CodeHash[:],
			})
		}
		to.Slots = make([]rlpSlot, len(a.Slots))
		for j := range a.Slots {
			to.Slots[j] = rlpSlot{a.Slots[j].Key, a.Slots[j].After}
		}
	}
	for _, code := range c.Codes {
		out.Codes = append(out.Codes, code.Bytes)
	}
	body, err := rlp.EncodeToBytes(&out)
	if err != nil {
		return dst, err
	}
	if r.packer != nil {
		return r.packer.EncodeAll(body, dst), nil
	}
	return append(dst, body...), nil
}

// Decode implements chain.DiffEncoder.
func (r *rlpDiff) Decode(c *chain.Changes, src []byte, prior chain.StateView) error {
	if r.opener != nil {
		var err error
		if r.body, err = r.opener.DecodeAll(src, r.body[:0]); err != nil {
			return fmt.Errorf("%w: %w", chain.ErrCorrupt, err)
		}
		src = r.body
	}
	var in rlpChanges
	if err := rlp.DecodeBytes(src, &in); err != nil {
		return fmt.Errorf("%w: %w", chain.ErrCorrupt, err)
	}
	out := &chain.Changes{Accounts: make([]chain.AccountChange, len(in.Accounts))}
	for i := range in.Accounts {
		if err := in.Accounts[i].decode(&out.Accounts[i], prior); err != nil {
			return err
		}
	}
	for _, code := range in.Codes {
		out.Codes = append(out.Codes, chain.Code{Hash: chain.Keccak256(code), Bytes: code})
	}
	if err := out.Validate(); err != nil {
		return err
	}
	*c = *out
	return nil
}

func (a *rlpAccount) decode(to *chain.AccountChange, prior chain.StateView) (err error) {
	to.Address = a.Address
	if to.Before, to.Existed, err = prior.Account(a.Address); err != nil {
		return err
	}
	switch a.Fate {
	case fateSame:
		to.After, to.Exists = to.Before, to.Existed
	case fateChanged, fateMadeAnew:
		account, err := types.FullAccount(a.Slim)
		if err != nil {
			return fmt.Errorf("%w: account %s: %w", chain.ErrCorrupt, a.Address, err)
		}
		to.Exists = true
		to.After = chain.Account{Nonce: account.Nonce, Balance: *account.Balance, CodeHash: common.Hash(account.CodeHash)}
	}
	to.Cleared = a.Fate == fateDestroyed || a.Fate == fateMadeAnew
	if len(a.Slots) == 0 {
		return nil
	}
	to.Slots = make([]chain.SlotChange, len(a.Slots))
	for i, s := range a.Slots {
		to.Slots[i] = chain.SlotChange{Key: s.Key, After: s.After}
		if to.Existed && !to.Cleared {
			if to.Slots[i].Before, err = prior.Slot(a.Address, s.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mark implements chain.DiffEncoder: there is no model.
func (*rlpDiff) Mark() chain.Mark { return 0 }

// Rollback implements chain.DiffEncoder.
func (*rlpDiff) Rollback(chain.Mark) error { return nil }
