package chain

import (
	"hash"
	"runtime"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto/keccak"
	"github.com/holiman/uint256"
)

// Hashes of nothing, as the protocol uses them.
var (
	// EmptyCodeHash is keccak256 of no bytes: the code hash of an account
	// without code.
	EmptyCodeHash = common.HexToHash("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
	// EmptyRoot is the root of a trie without entries.
	EmptyRoot = common.HexToHash("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
	// EmptyOmmersHash is keccak256 of the RLP of an empty list.
	EmptyOmmersHash = common.HexToHash("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
)

// An Account is the state of one address, without its storage. The code hash of
// an account without code is EmptyCodeHash. An account that does not exist is
// the zero Account, and whoever returns one says so beside it.
type Account struct {
	Nonce    uint64
	Balance  uint256.Int // wei
	CodeHash common.Hash // keccak256 of the code
}

// Empty reports whether the account is empty in the sense of EIP-161: no nonce,
// no balance, no code.
func (a *Account) Empty() bool {
	return a.Nonce == 0 && a.Balance.IsZero() && a.CodeHash == EmptyCodeHash
}

// A hasher is a reusable Keccak-256 state. The sum is in it because what is
// handed to an interface is taken to escape: a local one would be an allocation
// per hash.
type hasher struct {
	state interface {
		hash.Hash
		Read([]byte) (int, error) // the sum, without the copy of the state that Sum makes
	}
	sum common.Hash
}

var hashers = sync.Pool{New: func() any {
	h := new(hasher)
	h.state = keccak.NewLegacyKeccak256().(interface {
		hash.Hash
		Read([]byte) (int, error)
	})
	return h
}}

// hashAtOnce is how many bytes are hashed before others of the process get to run:
// some 100 microseconds. Witnesses have megabytes, and Go takes the processor from a
// goroutine only after 10 ms.
const hashAtOnce = 32 << 10

// Keccak256 is the hash of the concatenation of parts. It may be called
// concurrently, and takes no memory.
func Keccak256(parts ...[]byte) common.Hash {
	h := hashers.Get().(*hasher)
	h.state.Reset()
	for _, p := range parts {
		for len(p) > hashAtOnce {
			h.state.Write(p[:hashAtOnce])
			p = p[hashAtOnce:]
			runtime.Gosched()
		}
		h.state.Write(p)
	}
	h.state.Read(h.sum[:])
	sum := h.sum
	hashers.Put(h)
	return sum
}
