package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// Args are the arguments of eth_call and its kin: a transaction of which anything may
// be missing. Unknown members are ignored, as "type" is, which clients send: the type
// follows from the members that are set.
type Args struct {
	From                 *common.Address `json:"from"`
	To                   *common.Address `json:"to"`
	Gas                  *hexutil.Uint64 `json:"gas"`
	GasPrice             *hexutil.Big    `json:"gasPrice"`
	MaxFeePerGas         *hexutil.Big    `json:"maxFeePerGas"`
	MaxPriorityFeePerGas *hexutil.Big    `json:"maxPriorityFeePerGas"`
	Value                *hexutil.Big    `json:"value"`
	Nonce                *hexutil.Uint64 `json:"nonce"`

	// Input is the newer name of Data, and goes before it.
	Data  *hexutil.Bytes `json:"data"`
	Input *hexutil.Bytes `json:"input"`

	AccessList        *types.AccessList            `json:"accessList"`
	ChainID           *hexutil.Big                 `json:"chainId"`
	AuthorizationList []types.SetCodeAuthorization `json:"authorizationList"`

	MaxFeePerBlobGas    *hexutil.Big  `json:"maxFeePerBlobGas"`
	BlobVersionedHashes []common.Hash `json:"blobVersionedHashes"`
	// Blobs are not decoded: a rollup has no place for them (execution.ErrSidecar). See
	// HasBlobs.
	Blobs json.RawMessage `json:"blobs"`
}

// HasBlobs reports whether there are blobs themselves, not only their hashes.
func (a *Args) HasBlobs() bool { return len(a.Blobs) > 0 && string(a.Blobs) != "null" }

// Errors of arguments that no transaction can have.
var (
	ErrMixedFees    = errors.New("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
	ErrFeesTooEarly = errors.New("maxFeePerGas and maxPriorityFeePerGas are not valid before London is active")
	ErrLoneBlobFee  = errors.New("maxFeePerBlobGas specified without blobVersionedHashes")
)

// Sender is From, or the zero address.
func (a *Args) Sender() common.Address {
	if a.From == nil {
		return common.Address{}
	}
	return *a.From
}

// Payload is Input, or else Data.
func (a *Args) Payload() []byte {
	switch {
	case a.Input != nil:
		return *a.Input
	case a.Data != nil:
		return *a.Data
	}
	return nil
}

// CheckBlobFee is ErrLoneBlobFee for a blob fee cap without blobs. eth_call,
// eth_estimateGas and eth_createAccessList refuse that; eth_simulateV1 and the tracers
// do not.
func (a *Args) CheckBlobFee() error {
	if a.MaxFeePerBlobGas != nil && len(a.BlobVersionedHashes) == 0 {
		return ErrLoneBlobFee
	}
	return nil
}

// Complete fills in what is missing for execution in env on the chain chainID, for
// calls that nobody pays: fees, value and nonce are zero, gas is gasCap, and is cut
// at it if it is above. A gasCap of 0 is no cap.
func (a *Args) Complete(env *chain.Env, chainID *big.Int, gasCap uint64) error {
	if err := a.checkShape(env, chainID); err != nil {
		return err
	}
	if gasCap == 0 {
		gasCap = math.MaxUint64
		fill(&a.Gas, math.MaxUint64/2)
	}
	gas := min(gasCap, uint64(*fill(&a.Gas, hexutil.Uint64(gasCap))))
	a.Gas = (*hexutil.Uint64)(&gas)
	a.ChainID = (*hexutil.Big)(chainID)
	fill(&a.Nonce, 0)
	fill(&a.Value, hexutil.Big{})
	if env.BaseFee == nil {
		fill(&a.GasPrice, hexutil.Big{})
	} else {
		fill(&a.MaxFeePerGas, hexutil.Big{})
		fill(&a.MaxPriorityFeePerGas, hexutil.Big{})
	}
	if a.BlobVersionedHashes != nil {
		fill(&a.MaxFeePerBlobGas, hexutil.Big{})
	}
	return nil
}

// fill gives *field a value if it has none.
func fill[T any](field **T, value T) *T {
	if *field == nil {
		*field = &value
	}
	return *field
}

// checkShape refuses what no transaction of the chain can be.
func (a *Args) checkShape(env *chain.Env, chainID *big.Int) error {
	dynamic := a.MaxFeePerGas != nil || a.MaxPriorityFeePerGas != nil
	switch {
	case a.GasPrice != nil && dynamic:
		return ErrMixedFees
	case a.To == nil && a.BlobVersionedHashes != nil:
		return execution.ErrBlobCreate
	case a.To == nil && a.AuthorizationList != nil:
		return execution.ErrSetCodeCreate
	case env.BaseFee == nil && dynamic:
		return ErrFeesTooEarly
	}
	return a.CheckChain(chainID)
}

// CheckChain refuses arguments for another chain.
func (a *Args) CheckChain(chainID *big.Int) error {
	if a.ChainID != nil && a.ChainID.ToInt().Cmp(chainID) != 0 {
		return fmt.Errorf("chainId does not match node's (have=%v, want=%v)", a.ChainID.ToInt(), chainID)
	}
	return nil
}

// Message is the call that the arguments describe in env, for execution that asks
// nobody to pay; see Complete. The arguments stay as they are.
func (a *Args) Message(env *chain.Env, chainID *big.Int, gasCap uint64) (*execution.Call, error) {
	full := *a
	if err := full.Complete(env, chainID, gasCap); err != nil {
		return nil, err
	}
	return full.CompleteMessage(), nil
}

// CompleteMessage is the call that arguments describe from which nothing is missing.
// It shares their slices.
func (a *Args) CompleteMessage() *execution.Call {
	c := &execution.Call{
		Type: a.kind(), From: a.Sender(), To: a.To, Nonce: uint64(*a.Nonce), Gas: uint64(*a.Gas),
		Value: number(a.Value), Data: a.Payload(),
		BlobFeeCap: number(a.MaxFeePerBlobGas), BlobHashes: a.BlobVersionedHashes,
		Authorizations: a.AuthorizationList,
	}
	if a.GasPrice != nil {
		c.FeeCap = number(a.GasPrice)
		c.TipCap = c.FeeCap
	} else {
		c.FeeCap, c.TipCap = number(a.MaxFeePerGas), number(a.MaxPriorityFeePerGas)
	}
	if a.AccessList != nil {
		c.AccessList = *a.AccessList
	}
	return c
}

// number is v, or zero; hexutil lets no number through that is negative or has more
// than 256 bits.
func number(v *hexutil.Big) (n uint256.Int) {
	if v != nil {
		n.SetFromBig(v.ToInt())
	}
	return n
}
