package exectest

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
)

// Contracts of the kit, each at an address that is its name.
var (
	storeAddress     = named("store")
	revertAddress    = named("revert")
	logAddress       = named("log")
	blockHashAddress = named("blockhash")
	historyAddress   = named("history reader")
	factoryAddress   = named("factory")
	ephemeralAddress = named("ephemeral")
	mortalAddress    = named("mortal")
	refundAddress    = named("refund")
)

func named(name string) common.Address {
	h := chain.Keccak256([]byte(name))
	return common.BytesToAddress(h[:])
}

func ops(parts ...any) (code []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case vm.OpCode:
			code = append(code, byte(p))
		case int:
			code = append(code, byte(vm.PUSH1), byte(p))
		case common.Address:
			code = append(append(code, byte(vm.PUSH20)), p[:]...)
		case []byte:
			code = append(code, p...)
		default:
			panic("exectest: not part of a program")
		}
	}
	return code
}

// storeCode stores its second word under its first.
var storeCode = ops(32, vm.CALLDATALOAD, 0, vm.CALLDATALOAD, vm.SSTORE, vm.STOP)

// revertCode stores, reads, transfers nothing and takes it all back.
var revertCode = ops(1, 0, vm.SSTORE, 7, vm.SLOAD, storeAddress, vm.BALANCE, 0, 0, vm.REVERT)

// logCode logs its input's first word under one topic.
var logCode = ops(0, vm.CALLDATALOAD, 0, vm.MSTORE, 5, 32, 0, vm.LOG1, vm.STOP)

// blockHashCode stores the hash of the block that its input names, under 0.
var blockHashCode = ops(0, vm.CALLDATALOAD, vm.BLOCKHASH, 0, vm.SSTORE, vm.STOP)

// historyCode stores what the history contract of EIP-2935 answers to its input,
// under 0.
var historyCode = ops(0, vm.CALLDATALOAD, 0, vm.MSTORE,
	32, 0, 32, 0, chain.HistoryStorageAddress, vm.GAS, vm.STATICCALL, vm.POP,
	0, vm.MLOAD, 0, vm.SSTORE, vm.STOP)

// mortalCode stores 9 under its input if there is one, and otherwise destroys
// itself in favour of whoever calls.
var mortalCode = ops(vm.CALLDATASIZE, 6, vm.JUMPI, vm.CALLER, vm.SELFDESTRUCT,
	vm.JUMPDEST, 9, 0, vm.CALLDATALOAD, vm.SSTORE, vm.STOP)

// mortalInit deploys mortalCode.
var mortalInit = deploy(mortalCode)

// factoryCode makes a mortal with CREATE2 and salt 0, with all of the call's value.
var factoryCode = create2(mortalInit, vm.POP, vm.STOP)

// ephemeralCode makes a contract whose init code stores and then destroys itself.
var ephemeralCode = create2(ops(3, 4, vm.SSTORE, vm.CALLER, vm.SELFDESTRUCT), vm.POP, vm.STOP)

// refundCode clears slots 1 and 2, and so earns a refund.
var refundCode = ops(0, 1, vm.SSTORE, 0, 2, vm.SSTORE, vm.STOP)

// deploy is init code for code of at most 255 bytes.
func deploy(code []byte) []byte {
	const size = 11 // of what comes before code
	return ops(len(code), vm.DUP1, size, 0, vm.CODECOPY, 0, vm.RETURN, code)
}

// create2 runs CREATE2 with init, of at most 32 bytes, and then the rest.
func create2(init []byte, rest ...any) []byte {
	word := append(make([]byte, 32-len(init)), init...)
	program := []any{vm.PUSH32, word, 0, vm.MSTORE, 0, len(init), 32 - len(init), vm.CALLVALUE, vm.CREATE2}
	return ops(append(program, rest...)...)
}

// mortalMade is where the factory's mortal comes to be.
var mortalMade = crypto.CreateAddress2(factoryAddress, common.Hash{}, crypto.Keccak256(mortalInit))

// codes are the contracts of the kit, by address.
var codes = map[common.Address][]byte{
	storeAddress: storeCode, revertAddress: revertCode, logAddress: logCode, blockHashAddress: blockHashCode,
	historyAddress: historyCode, factoryAddress: factoryCode, ephemeralAddress: ephemeralCode,
	mortalAddress: mortalCode, refundAddress: refundCode,
}

// word is v as one word of input.
func word(v uint64) []byte {
	var h common.Hash
	for i := 31; v > 0; i, v = i-1, v>>8 {
		h[i] = byte(v)
	}
	return h[:]
}

// slotNumber is v as the number of a slot.
func slotNumber(v uint64) common.Hash { return common.Hash(word(v)) }

// delegationTo is the code of an account that delegates to addr.
func delegationTo(addr common.Address) []byte { return types.AddressToDelegation(addr) }

// Instructions that tests spell out.
const (
	sstore       = vm.SSTORE
	caller       = vm.CALLER
	selfDestruct = vm.SELFDESTRUCT
	callDataLoad = vm.CALLDATALOAD
)
