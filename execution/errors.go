package execution

import (
	"errors"

	"github.com/vivace-chain/vivace/chain"
)

// invalidTx is a reason for which a transaction cannot be included. Each matches
// chain.ErrInvalidTx. The text is Ethereum's usual wording.
type invalidTx string

func (e invalidTx) Error() string { return string(e) }

// Is makes every reason match chain.ErrInvalidTx.
func (e invalidTx) Is(target error) bool { return target == chain.ErrInvalidTx }

// Reasons for which a transaction is invalid. Errors wrap one of these, say more,
// and match chain.ErrInvalidTx as well.
const (
	ErrUndecodable       invalidTx = "transaction cannot be decoded"
	ErrTxTypeUnsupported invalidTx = "transaction type not supported"
	ErrInvalidSender     invalidTx = "invalid sender"
	ErrInvalidChainID    invalidTx = "invalid chain id for signer"
	ErrNonceTooLow       invalidTx = "nonce too low"
	ErrNonceTooHigh      invalidTx = "nonce too high"
	ErrNonceMax          invalidTx = "nonce has max value"
	ErrInsufficientFunds invalidTx = "insufficient funds for gas * price + value"
	ErrIntrinsicGas      invalidTx = "intrinsic gas too low"
	ErrFloorDataGas      invalidTx = "insufficient gas for floor data gas cost"
	ErrGasLimitTooHigh   invalidTx = "transaction gas limit too high"
	ErrExceedsGasLimit   invalidTx = "exceeds block gas limit"
	ErrTipAboveFeeCap    invalidTx = "max priority fee per gas higher than max fee per gas"
	ErrFeeCapTooLow      invalidTx = "max fee per gas less than block base fee"
	ErrSenderNoEOA       invalidTx = "sender not an eoa"
	ErrInitCodeTooLarge  invalidTx = "max initcode size exceeded"
	ErrMissingBlobHashes invalidTx = "blob transaction missing blob hashes"
	ErrTooManyBlobs      invalidTx = "blob transaction has too many blobs"
	ErrBlobHashVersion   invalidTx = "invalid hash version"
	ErrBlobFeeCapTooLow  invalidTx = "max fee per blob gas less than block blob gas fee"
	ErrSidecar           invalidTx = "blob transaction carries its sidecar"
	ErrBlobCreate        invalidTx = "blob transaction of type create"
	ErrEmptyAuthList     invalidTx = "EIP-7702 transaction with empty auth list"
	ErrSetCodeCreate     invalidTx = "EIP-7702 transaction cannot be used to create contract"
)

// ErrTxRootRequired says that a block before Byzantium, whose receipts carry
// state roots, was to be executed with a Config that has no TxRoot.
var ErrTxRootRequired = errors.New("a block before Byzantium needs Config.TxRoot")
