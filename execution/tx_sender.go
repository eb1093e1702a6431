package execution

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// signed is what a transaction has and a Call has not.
type signed struct {
	raw     []byte
	fields  []byte      // of raw: the items before the signature
	chainID uint256.Int // of a legacy transaction, its v says it: see protection
	v, r, s uint256.Int

	once sync.Once // guards what few ask for
	tx   *types.Transaction
	err  error
}

// transaction is the same as go-ethereum has it.
func (t *signed) transaction() (*types.Transaction, error) {
	t.once.Do(func() {
		t.tx = new(types.Transaction)
		if err := t.tx.UnmarshalBinary(t.raw); err != nil {
			t.tx, t.err = nil, fmt.Errorf("%w: %w", ErrUndecodable, err)
		}
	})
	return t.tx, t.err
}

// protection is the chain that a message was signed for. Legacy transactions may be
// for any (EIP-155).
func (m *message) protection() (chainID uint256.Int, protected bool) {
	if m.kind != types.LegacyTxType {
		return m.signed.chainID, true
	}
	v := &m.signed.v
	if v.LtUint64(2) || v.Eq(uint256.NewInt(27)) || v.Eq(uint256.NewInt(28)) {
		return chainID, false
	}
	chainID.SubUint64(v, 35)
	chainID.Rsh(&chainID, 1)
	return chainID, true
}

// Sender returns who signed tx, from the cache in tx if it is there, which is
// trusted, and otherwise by recovery, which fills the cache. env says which forks
// are active. Errors match chain.ErrInvalidTx. It may be called concurrently.
func (e *Sequential) Sender(tx *chain.Tx, env *chain.Env) (common.Address, error) {
	if addr, ok := tx.Sender(); ok {
		return addr, nil
	}
	m, err := decode(tx)
	if err != nil {
		return common.Address{}, err
	}
	f := e.rulesAt(env)
	if err := f.checkType(m); err != nil {
		return common.Address{}, err
	}
	return f.sender(tx, m)
}

// sender is that of a transaction which passed checkType.
func (f *fork) sender(tx *chain.Tx, m *message) (common.Address, error) {
	if addr, ok := tx.Sender(); ok {
		return addr, nil
	}
	addr, err := f.recover(m)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrInvalidSender, err)
	}
	tx.SetSender(addr)
	return addr, nil
}

// The order of secp256k1, and half of it: from Homestead on s is at most that
// (EIP-2).
var (
	curveOrder = uint256.MustFromHex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	curveHalf  = new(uint256.Int).Rsh(curveOrder, 1)
)

// recover finds who signed a message (Yellow Paper, appendix F).
func (f *fork) recover(m *message) (common.Address, error) {
	var (
		parity = m.parity()
		r, s   = &m.signed.r, &m.signed.s
	)
	if parity > 1 || r.IsZero() || s.IsZero() || !r.Lt(curveOrder) || !s.Lt(curveOrder) ||
		f.rules.IsHomestead && s.Gt(curveHalf) {
		return common.Address{}, types.ErrInvalidSig
	}
	var signature [crypto.SignatureLength]byte
	r.PutUint256(signature[:])
	s.PutUint256(signature[32:])
	signature[64] = byte(parity)
	hash := m.signingHash()
	key, err := crypto.Ecrecover(hash[:], signature[:])
	if err != nil {
		return common.Address{}, err
	}
	digest := chain.Keccak256(key[1:]) // without the format's tag
	return common.BytesToAddress(digest[12:]), nil
}

// parity is which of two keys signed, 0 or 1; another number is invalid.
func (m *message) parity() uint64 {
	v := &m.signed.v
	_, protected := m.protection()
	switch {
	case m.kind == types.LegacyTxType && protected:
		return 1 - v.Uint64()&1 // 35 or 36, and twice the chain id
	case !v.IsUint64():
		return 2
	case m.kind == types.LegacyTxType:
		return v.Uint64() - 27
	}
	return v.Uint64()
}

// signingHash is the hash of what was signed: of the fields as they stand in the
// envelope, which is canonical.
func (m *message) signingHash() common.Hash {
	var (
		buf   = make([]byte, 0, len(m.signed.raw)+64)
		start int
	)
	id, protected := m.protection()
	if m.kind != types.LegacyTxType {
		buf, start = append(buf, m.kind), 1
	}
	buf = append(buf, m.signed.fields...)
	if m.kind == types.LegacyTxType && protected {
		buf = rlp.AppendUint256(buf, &id)
		buf = append(buf, 0x80, 0x80)
	}
	return chain.Keccak256(rlp.WrapList(buf, start))
}
