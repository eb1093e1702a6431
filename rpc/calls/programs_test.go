package calls_test

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
)

// programs makes random contracts.
type programs struct{ *rand.Rand }

// contractCount is how many there are. Each calls only those after it, so that none
// runs for long.
const contractCount = 12

func (p programs) odds(n int) bool { return p.IntN(n) == 0 }

// bytes are at most most random bytes, half of them zero.
func (p programs) bytes(most int) []byte {
	b := make([]byte, p.IntN(most+1))
	for i := range b {
		if p.odds(2) {
			b[i] = byte(p.Uint32())
		}
	}
	return b
}

// Instructions.
const (
	opSHA3, opBALANCE, opCALLDATALOAD, opEXTCODESIZE, opEXTCODEHASH = 0x20, 0x31, 0x35, 0x3b, 0x3f
	opBLOCKHASH, opBLOBHASH, opPOP, opMSTORE, opSLOAD, opSSTORE     = 0x40, 0x49, 0x50, 0x52, 0x54, 0x55
	opJUMPI, opGAS, opJUMPDEST, opPUSH0, opPUSH1, opLOG1            = 0x57, 0x5a, 0x5b, 0x5f, 0x60, 0xa1
	opCREATE, opCALL, opRETURN, opDELEGATECALL, opSTATICCALL        = 0xf0, 0xf1, 0xf3, 0xf4, 0xfa
	opREVERT, opINVALID, opSELFDESTRUCT, opLT                       = 0xfd, 0xfe, 0xff, 0x10
)

// environment are the instructions that tell something about message and block.
var environment = []byte{
	0x32, 0x33, 0x34, 0x3a, // ORIGIN, CALLER, CALLVALUE, GASPRICE
	0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a, // COINBASE ... BASEFEE, BLOBBASEFEE
	0x30, 0x36, 0x38, // ADDRESS, CALLDATASIZE, CODESIZE
}

// push pushes the big-endian number b.
func push(b ...byte) []byte {
	if len(b) == 0 {
		return []byte{opPUSH0}
	}
	return append([]byte{opPUSH1 + byte(len(b)) - 1}, b...)
}

func (p programs) slot() []byte { return push(byte(p.IntN(4))) }

func join(parts ...[]byte) (code []byte) {
	for _, part := range parts {
		code = append(code, part...)
	}
	return code
}

// program is the code of contract i.
func (p programs) program(i int) (code []byte) {
	for range 1 + p.IntN(8) {
		code = append(code, p.statement(i, len(code))...)
	}
	// What it did shows in what it returns.
	code = join(code, p.slot(), []byte{opSLOAD}, push(), []byte{opMSTORE})
	switch p.IntN(14) {
	case 0:
		return join(code, push(byte(p.IntN(70))), push(), []byte{opREVERT})
	case 1:
		return append(code, opINVALID)
	case 2:
		return join(code, p.somebody(i), []byte{opSELFDESTRUCT})
	case 3:
		return join(code, revertWith(0x4e487b71, common.Hash{31: byte(p.IntN(0x34))}))
	case 4:
		return join(code, revertWith(0x08c379a0, common.Hash{31: 32}, common.Hash{31: 3}, common.Hash{'o', 'h', '!'}))
	case 5:
		return code // STOP
	}
	return join(code, push(byte(32*p.IntN(3))), push(), []byte{opRETURN})
}

// revertWith reverts with a selector and words.
func revertWith(selector uint32, words ...common.Hash) (code []byte) {
	code = join(push(binary.BigEndian.AppendUint32(nil, selector)...), push(0xe0), []byte{0x1b /* SHL */}, push(), []byte{opMSTORE})
	for i, w := range words {
		code = join(code, push(w[:]...), push(byte(4+32*i)), []byte{opMSTORE})
	}
	return join(code, push(byte(4+32*len(words))), push(), []byte{opREVERT})
}

// statement leaves the stack as it was. It stands at offset at of contract i.
func (p programs) statement(i, at int) []byte {
	switch p.IntN(14) {
	case 0, 1:
		return join(p.slot(), p.slot(), []byte{opSSTORE})
	case 2:
		return join([]byte{environment[p.IntN(len(environment))]}, p.slot(), []byte{opSSTORE})
	case 3:
		return join(p.slot(), []byte{opSLOAD}, push(byte(32*p.IntN(2))), []byte{opMSTORE})
	case 4:
		return join(p.slot(), push(byte(p.IntN(64))), push(), []byte{opLOG1})
	case 5:
		op := []byte{opBALANCE, opEXTCODESIZE, opEXTCODEHASH}[p.IntN(3)]
		return join(p.somebody(i), []byte{op}, p.slot(), []byte{opSSTORE})
	case 6: // with less gas it goes wrong
		limit := push(0, byte(p.IntN(4)), byte(p.Uint32()))
		guard := join([]byte{opGAS}, limit, []byte{opLT})
		end := at + len(guard) + 3 + 1 + 3
		return join(guard, push(byte(end>>8), byte(end)), []byte{opJUMPI, opPUSH0, opPUSH0, opREVERT, opJUMPDEST})
	case 7:
		return join(push(byte(p.IntN(9))), []byte{opBLOCKHASH}, p.slot(), []byte{opSSTORE})
	case 8:
		return join(push(byte(p.IntN(3))), []byte{opBLOBHASH}, p.slot(), []byte{opSSTORE})
	case 9:
		init := p.creation()[:20] // half of a statement is as good
		return join(push(init...), push(), []byte{opMSTORE}, push(20), push(12), push(byte(p.IntN(2))), []byte{opCREATE, opPOP})
	case 10: // a slot that the input says
		return join(push(byte(p.IntN(8))), []byte{opCALLDATALOAD}, push(31), []byte{0x1a /* BYTE */}, p.slot(), []byte{opSSTORE})
	}
	return p.call(i)
}

// call calls somebody and keeps whether that went well.
func (p programs) call(i int) []byte {
	gas := []byte{opGAS}
	if p.odds(3) {
		gas = push(byte(p.IntN(4)), byte(p.Uint32()), byte(p.Uint32()))
	}
	out, in := join(push(32), push()), join(push(byte(p.IntN(64))), push())
	to := p.somebody(i)
	result := join(p.slot(), []byte{opSSTORE})
	switch p.IntN(4) {
	case 0:
		return join(out, in, to, gas, []byte{opDELEGATECALL}, result)
	case 1:
		return join(out, in, to, gas, []byte{opSTATICCALL}, result)
	}
	return join(out, in, push(byte(p.IntN(3))), to, gas, []byte{opCALL}, result)
}

// somebody pushes an address: a contract after i, a precompile or one without code.
func (p programs) somebody(i int) []byte {
	switch rest := contractCount - 1 - i; {
	case p.odds(5):
		return push(byte(1 + p.IntN(10)))
	case p.odds(8):
		addr := common.Address{0xee, 19: byte(p.IntN(3))}
		return push(addr[:]...)
	case rest > 0:
		addr := contractAt(i + 1 + p.IntN(rest))
		return push(addr[:]...)
	}
	return push(0x33, byte(p.IntN(3)))
}

// creation is code that makes a contract, or fails, of at least 20 bytes.
func (p programs) creation() []byte {
	code := join(p.statement(contractCount-3, 0), p.statement(contractCount-3, 100))
	code = join(code, push(byte(p.IntN(3))), push(), []byte{opRETURN})
	return append(code, make([]byte, 20)...)
}
