package call

import (
	"github.com/ethereum/go-ethereum/core/types"
)

// kind is the type (EIP-2718) of the transaction that complete arguments describe.
// One with a gas price is a legacy or, with an access list, an EIP-2930 transaction;
// one without has dynamic fees.
func (a *Args) kind() uint8 {
	switch {
	case a.GasPrice != nil && a.AccessList == nil:
		return types.LegacyTxType
	case a.GasPrice != nil:
		return types.AccessListTxType
	case a.AuthorizationList != nil:
		return types.SetCodeTxType
	case a.BlobVersionedHashes != nil:
		return types.BlobTxType
	}
	return types.DynamicFeeTxType
}

// Transaction is the unsigned transaction that arguments describe from which nothing
// is missing.
func (a *Args) Transaction() *types.Transaction {
	switch a.kind() {
	case types.LegacyTxType:
		return types.NewTx(&types.LegacyTx{
			Nonce: uint64(*a.Nonce), GasPrice: a.GasPrice.ToInt(), Gas: uint64(*a.Gas), To: a.To,
			Value: a.Value.ToInt(), Data: a.Payload(),
		})
	case types.AccessListTxType:
		return types.NewTx(&types.AccessListTx{
			ChainID: a.ChainID.ToInt(), Nonce: uint64(*a.Nonce), GasPrice: a.GasPrice.ToInt(), Gas: uint64(*a.Gas),
			To: a.To, Value: a.Value.ToInt(), Data: a.Payload(), AccessList: a.accessList(),
		})
	case types.SetCodeTxType:
		return types.NewTx(a.setCodeTx())
	case types.BlobTxType:
		return types.NewTx(a.blobTx())
	}
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: a.ChainID.ToInt(), Nonce: uint64(*a.Nonce),
		GasTipCap: a.MaxPriorityFeePerGas.ToInt(), GasFeeCap: a.MaxFeePerGas.ToInt(), Gas: uint64(*a.Gas),
		To: a.To, Value: a.Value.ToInt(), Data: a.Payload(), AccessList: a.accessList(),
	})
}

func (a *Args) setCodeTx() *types.SetCodeTx {
	tip, feeCap, value, chainID := number(a.MaxPriorityFeePerGas), number(a.MaxFeePerGas), number(a.Value), number(a.ChainID)
	return &types.SetCodeTx{
		ChainID: &chainID, Nonce: uint64(*a.Nonce), GasTipCap: &tip, GasFeeCap: &feeCap, Gas: uint64(*a.Gas),
		To: *a.To, Value: &value, Data: a.Payload(), AccessList: a.accessList(), AuthList: a.AuthorizationList,
	}
}

func (a *Args) blobTx() *types.BlobTx {
	tip, feeCap, value, chainID := number(a.MaxPriorityFeePerGas), number(a.MaxFeePerGas), number(a.Value), number(a.ChainID)
	blobFee := number(a.MaxFeePerBlobGas)
	return &types.BlobTx{
		ChainID: &chainID, Nonce: uint64(*a.Nonce), GasTipCap: &tip, GasFeeCap: &feeCap, Gas: uint64(*a.Gas),
		To: *a.To, Value: &value, Data: a.Payload(), AccessList: a.accessList(),
		BlobFeeCap: &blobFee, BlobHashes: a.BlobVersionedHashes,
	}
}

// accessList is never nil: clients count on a list.
func (a *Args) accessList() types.AccessList {
	if a.AccessList == nil {
		return types.AccessList{}
	}
	return *a.AccessList
}
