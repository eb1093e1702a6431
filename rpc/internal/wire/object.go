package wire

import (
	"encoding/hex"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// An object is the text of a JSON object, or of what it is in, that is being
// written. Numbers are QUANTITY of the execution API, hexadecimal without leading
// zeros; bytes are DATA, two digits each. No key and no string here needs escapes.
type object []byte

func (o *object) open()  { *o = append(*o, '{') }
func (o *object) close() { *o = append(*o, '}') }

// key begins a field; the value follows.
func (o *object) key(name string) {
	o.comma()
	*o = append(*o, '"')
	*o = append(*o, name...)
	*o = append(*o, '"', ':')
}

// comma separates what follows from an element before it.
func (o *object) comma() {
	if n := len(*o); n > 0 && (*o)[n-1] != '{' && (*o)[n-1] != '[' {
		*o = append(*o, ',')
	}
}

func (o *object) null(name string) {
	o.key(name)
	*o = append(*o, "null"...)
}

func (o *object) uint64(name string, v uint64) {
	o.key(name)
	*o = append(*o, `"0x`...)
	*o = strconv.AppendUint(*o, v, 16)
	*o = append(*o, '"')
}

func (o *object) uint256(name string, v *uint256.Int) {
	if v.IsUint64() {
		o.uint64(name, v.Uint64())
		return
	}
	o.big(name, v.ToBig())
}

// big writes a number that is not negative.
func (o *object) big(name string, v *big.Int) {
	o.key(name)
	*o = append(*o, `"0x`...)
	*o = v.Append(*o, 16)
	*o = append(*o, '"')
}

func (o *object) bytes(name string, b []byte) {
	o.key(name)
	o.data(b)
}

// data appends bytes as a value, or as an element of an array.
func (o *object) data(b []byte) {
	*o = append(*o, `"0x`...)
	*o = hex.AppendEncode(*o, b)
	*o = append(*o, '"')
}

func (o *object) hashOrNull(name string, h *common.Hash) {
	if h == nil {
		o.null(name)
		return
	}
	o.bytes(name, h[:])
}

func (o *object) addressOrNull(name string, a *common.Address) {
	if a == nil {
		o.null(name)
		return
	}
	o.bytes(name, a[:])
}

func (o *object) hashes(name string, list []common.Hash) {
	o.key(name)
	*o = append(*o, '[')
	for i := range list {
		o.comma()
		o.data(list[i][:])
	}
	*o = append(*o, ']')
}

// A value of this package appends its JSON.
type value interface{ AppendJSON(dst []byte) []byte }

// appendArray appends values as an array, never null.
func appendArray[T value](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = list[i].AppendJSON(dst)
	}
	return append(dst, ']')
}
