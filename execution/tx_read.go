package execution

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/vivace-chain/vivace/internal/rlp"
)

var errType = errors.New("no envelope of a known type")

// readMessage reads a transaction's envelope (EIP-2718). It takes what go-ethereum's
// types.Transaction takes, but for blobs that come along and amounts of more than 256
// bits, and makes no more objects than execution needs. The message refers to raw.
func readMessage(raw []byte) (*message, error) {
	m, payload := &message{signed: &signed{raw: raw}}, raw
	if len(raw) > 0 && raw[0] < 0x80 {
		m.kind, payload = raw[0], raw[1:]
		if m.kind < types.AccessListTxType || m.kind > types.SetCodeTxType {
			return nil, errType
		}
	}
	in := rlp.NewReader(payload)
	r := in.List()
	m.read(r)
	in.Close(r)
	return m, in.End()
}

func (m *message) read(r *rlp.Reader) {
	all := r.Rest()
	if m.kind != types.LegacyTxType {
		m.signed.chainID = r.Uint256()
	}
	m.nonce = r.Uint64()
	if m.kind >= types.DynamicFeeTxType {
		m.tipCap = r.Uint256()
	}
	m.feeCap = r.Uint256()
	if m.kind < types.DynamicFeeTxType {
		m.tipCap = m.feeCap
	}
	m.gas = r.Uint64()
	m.to = readRecipient(r, m.kind < types.BlobTxType)
	m.value = r.Uint256()
	m.data = r.Bytes()
	if m.kind != types.LegacyTxType {
		m.accessList = readAccessList(r)
	}
	switch m.kind {
	case types.BlobTxType:
		m.blobFeeCap = r.Uint256()
		m.blobHashes = readHashes(r)
	case types.SetCodeTxType:
		m.authorizations = readAuthorizations(r)
	}
	m.signed.fields = all[:len(all)-len(r.Rest())]
	m.signed.v, m.signed.r, m.signed.s = r.Uint256(), r.Uint256(), r.Uint256()
}

// readRecipient reads an address, or nil if there may be none.
func readRecipient(r *rlp.Reader, optional bool) *common.Address {
	b := r.Bytes()
	switch {
	case len(b) == common.AddressLength:
		return (*common.Address)(b)
	case len(b) > 0 || !optional:
		r.Fail(rlp.ErrSize)
	}
	return nil
}

func readAccessList(r *rlp.Reader) (list types.AccessList) {
	items := r.List()
	for items.More() {
		var tuple types.AccessTuple
		item := items.List()
		item.Fixed(tuple.Address[:])
		tuple.StorageKeys = readHashes(item)
		items.Close(item)
		list = append(list, tuple)
	}
	r.Close(items)
	return list
}

func readHashes(r *rlp.Reader) []common.Hash {
	items := r.List()
	hashes := make([]common.Hash, 0, len(items.Rest())/(1+common.HashLength))
	for items.More() {
		var hash common.Hash
		items.Fixed(hash[:])
		hashes = append(hashes, hash)
	}
	r.Close(items)
	return hashes
}

func readAuthorizations(r *rlp.Reader) (list []types.SetCodeAuthorization) {
	items := r.List()
	for items.More() {
		var a types.SetCodeAuthorization
		item := items.List()
		a.ChainID = item.Uint256()
		item.Fixed(a.Address[:])
		a.Nonce = item.Uint64()
		v := item.Uint64()
		if a.V = uint8(v); v > 255 {
			item.Fail(rlp.ErrSize)
		}
		a.R, a.S = item.Uint256(), item.Uint256()
		items.Close(item)
		list = append(list, a)
	}
	r.Close(items)
	return list
}
