package calls

import (
	"bytes"
	"errors"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// callError is the error of a message whose outermost call failed. Reverts have code 3
// and their data.
func callError(result *execution.CallResult) error {
	if !errors.Is(result.Err, execution.ErrReverted) {
		return result.Err
	}
	text := result.Err.Error()
	if reason, ok := revertReason(result.Output); ok {
		text += ": " + reason
	}
	return &wire.Error{Code: wire.CodeReverted, Message: text, Data: hexutil.Encode(result.Output), Err: result.Err}
}

// Selectors of what Solidity reverts with.
var (
	errorSelector = []byte{0x08, 0xc3, 0x79, 0xa0} // Error(string)
	panicSelector = []byte{0x4e, 0x48, 0x7b, 0x71} // Panic(uint256)
)

// panicReasons are in the words of ethers.js, which go-ethereum uses.
var panicReasons = map[uint64]string{
	0x00: "generic panic",
	0x01: "assert(false)",
	0x11: "arithmetic underflow or overflow",
	0x12: "division or modulo by zero",
	0x21: "enum overflow",
	0x22: "invalid encoded storage byte array accessed",
	0x31: "out-of-bounds array access; popping on an empty array",
	0x32: "out-of-bounds access of an array or bytesN",
	0x41: "out of memory",
	0x51: "uninitialized function",
}

// revertReason reads the data of a revert as Error(string) or Panic(uint256); false
// if it is neither.
func revertReason(data []byte) (string, bool) {
	if body, ok := bytes.CutPrefix(data, errorSelector); ok {
		return abiString(body)
	}
	body, ok := bytes.CutPrefix(data, panicSelector)
	if !ok || len(body) < 32 {
		return "", false
	}
	var code uint256.Int
	code.SetBytes32(body)
	if reason, known := panicReasons[code.Uint64()]; known && code.IsUint64() {
		return reason, true
	}
	return "unknown panic code: " + code.Hex(), true
}

// abiString decodes the one argument of a call if it is a string: its offset in the
// arguments, and there its length and bytes.
func abiString(args []byte) (string, bool) {
	offset, ok := abiUint(args, len(args)-32)
	if !ok {
		return "", false
	}
	text := args[offset:]
	n, ok := abiUint(text, len(text)-32)
	if !ok {
		return "", false
	}
	return string(text[32 : 32+n]), true
}

// abiUint decodes the number that b begins with; false if it is above most.
func abiUint(b []byte, most int) (int, bool) {
	if len(b) < 32 || most < 0 {
		return 0, false
	}
	var n uint256.Int
	n.SetBytes32(b)
	if !n.IsUint64() || n.Uint64() > uint64(most) {
		return 0, false
	}
	return int(n.Uint64()), true
}
