package mainnet

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// encode is the inverse of Decode, with accounts and slots in canonical order
// and without slots that are zero.
func encode(b *Block) []byte {
	dst, _ := b.Header.AppendBinary(nil)
	dst = rlp.AppendBytes(dst, b.Hash[:])
	dst = appendList(dst, len(b.Txs), func(dst []byte, i int) []byte { return chain.AppendTx(dst, b.Txs[i].Raw()) })
	dst = appendList(dst, len(b.Senders), func(dst []byte, i int) []byte { return rlp.AppendBytes(dst, b.Senders[i][:]) })
	dst = appendList(dst, len(b.Withdrawals), func(dst []byte, i int) []byte {
		dst, _ = b.Withdrawals[i].AppendBinary(dst)
		return dst
	})
	accounts := b.Pre.Changes().Accounts
	dst = appendList(dst, len(accounts), func(dst []byte, i int) []byte { return appendAccount(dst, &accounts[i]) })
	var numbers []uint64
	for number := range b.Hashes {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	dst = appendList(dst, len(numbers), func(dst []byte, i int) []byte {
		at, hash := len(dst), b.Hashes[numbers[i]]
		return rlp.WrapList(rlp.AppendBytes(rlp.AppendUint64(dst, numbers[i]), hash[:]), at)
	})
	return rlp.WrapList(dst, 0)
}

func appendAccount(dst []byte, a *chain.AccountChange) []byte {
	at, hash := len(dst), a.After.CodeHash
	if hash == chain.EmptyCodeHash {
		hash = common.Hash{}
	}
	dst = rlp.AppendBytes(dst, a.Address[:])
	dst = rlp.AppendUint64(dst, a.After.Nonce)
	dst = rlp.AppendUint256(dst, &a.After.Balance)
	dst = rlp.AppendBytes(dst, hash[:])
	dst = appendList(dst, len(a.Slots), func(dst []byte, i int) []byte {
		at, value := len(dst), a.Slots[i].After.Bytes32()
		return rlp.WrapList(rlp.AppendBytes(rlp.AppendBytes(dst, a.Slots[i].Key[:]), value[:]), at)
	})
	return rlp.WrapList(dst, at)
}

func appendList(dst []byte, n int, item func([]byte, int) []byte) []byte {
	at := len(dst)
	for i := range n {
		dst = item(dst, i)
	}
	return rlp.WrapList(dst, at)
}

var code = []byte{0x60, 0x00, 0x54}

// example is a made-up block of the London fork, with one of everything.
func example(t testing.TB) *Block {
	pre := []chain.AccountChange{
		{Address: common.Address{1}, Exists: true, After: chain.Account{Nonce: 1, Balance: *uint256.NewInt(7), CodeHash: chain.Keccak256(code)},
			Slots: []chain.SlotChange{{Key: common.Hash{2}, After: *uint256.NewInt(3)}, {Key: common.Hash{4}, After: *uint256.NewInt(5)}}},
		{Address: common.Address{2}, Exists: true, After: chain.Account{Nonce: 9, CodeHash: chain.EmptyCodeHash}},
	}
	state, err := newState(pre, map[common.Hash][]byte{chain.Keccak256(code): code})
	if err != nil {
		t.Fatal(err)
	}
	header := &chain.Header{Number: 12_965_000, OmmersHash: chain.EmptyOmmersHash, ExtraData: []byte{}, BaseFee: uint256.NewInt(1)}
	return &Block{
		Block:   &chain.Block{Header: header, Txs: []*chain.Tx{chain.NewTx(append([]byte{0xd3}, make([]byte, 19)...)), chain.NewTx(append([]byte{0x02, 0xd3}, make([]byte, 19)...))}},
		Hash:    header.Hash(),
		Senders: []common.Address{{1}, {2}},
		Pre:     state,
		Hashes:  BlockHashes{12_964_999: {5}, 12_964_900: {6}},
	}
}

func TestDecode(t *testing.T) {
	want := example(t)
	got, err := Decode(encode(want), map[common.Hash][]byte{chain.Keccak256(code): code})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if err := got.Pre.Changes().Validate(); err != nil {
		t.Fatal(err)
	}
}

// TestDecodeRefuses: each alteration of a good block is an error of its own kind.
func TestDecodeRefuses(t *testing.T) {
	codes := map[common.Hash][]byte{chain.Keccak256(code): code}
	for name, alter := range map[string]func(*Block){
		"hash":        func(b *Block) { b.Hash[0]++ },
		"senders":     func(b *Block) { b.Senders = b.Senders[:1] },
		"withdrawals": func(b *Block) { b.Withdrawals = []chain.Withdrawal{{}} },
		"ommers":      func(b *Block) { b.Header.OmmersHash[0]++; b.Hash = b.Header.Hash() },
		"account":     func(b *Block) { b.Pre.changes.Accounts[1].Address = common.Address{1} },
		"slot":        func(b *Block) { b.Pre.changes.Accounts[0].Slots[1].Key = common.Hash{2} },
		"code":        func(b *Block) { b.Pre.changes.Accounts[0].After.CodeHash[0]++ },
	} {
		b := example(t)
		alter(b)
		if _, err := Decode(encode(b), codes); !errors.Is(err, chain.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	whole := encode(example(t))
	for n := range whole {
		if _, err := Decode(whole[:n], codes); !errors.Is(err, chain.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: got %v", n, err)
		}
	}
	if _, err := Decode(append(whole, 0), codes); !errors.Is(err, chain.ErrCorrupt) {
		t.Fatalf("with a byte more: got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	codes := map[common.Hash][]byte{chain.Keccak256(code): code}
	f.Add(encode(example(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(data, codes)
		if err != nil {
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatalf("%v is not of the class corrupt", err)
			}
			return
		}
		again, err := Decode(encode(b), codes)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !reflect.DeepEqual(encode(again), encode(b)) {
			t.Fatal("decoded and encoded again, a block is another")
		}
	})
}

func TestState(t *testing.T) {
	s := example(t).Pre
	if a, ok, err := s.Account(common.Address{2}); a.Nonce != 9 || !ok || err != nil {
		t.Errorf("account: %v %v %v", a, ok, err)
	}
	if a, ok, err := s.Account(common.Address{3}); a != (chain.Account{}) || ok || err != nil {
		t.Errorf("absent account: %v %v %v", a, ok, err)
	}
	if v, err := s.Slot(common.Address{1}, common.Hash{4}); v.Uint64() != 5 || err != nil {
		t.Errorf("slot: %v %v", v, err)
	}
	if v, err := s.Slot(common.Address{3}, common.Hash{4}); !v.IsZero() || err != nil {
		t.Errorf("slot of an absent account: %v %v", v, err)
	}
	if c, err := s.Code(chain.Keccak256(code)); !slices.Equal(c, code) || err != nil {
		t.Errorf("code: %x %v", c, err)
	}
	if c, err := s.Code(chain.EmptyCodeHash); len(c) != 0 || err != nil {
		t.Errorf("code of nothing: %x %v", c, err)
	}
	if _, err := s.Code(common.Hash{1}); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("unknown code: %v", err)
	}
	if _, err := example(t).Hashes.BlockHash(t.Context(), 1); !errors.Is(err, chain.ErrUnknown) {
		t.Errorf("unknown block hash: %v", err)
	}
}

// TestLoad reads the real data: every file is a block, in ascending order.
func TestLoad(t *testing.T) {
	dir := testdata.Mainnet(t)
	files, err := filepath.Glob(filepath.Join(dir, "blocks", "*.rlp"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks, txs int
	last := uint64(0)
	for b, err := range Load(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Header.Number <= last {
			t.Fatalf("block %d after %d", b.Header.Number, last)
		}
		if err := b.Pre.Changes().Validate(); err != nil {
			t.Fatalf("block %d: state before: %v", b.Header.Number, err)
		}
		last = b.Header.Number
		blocks, txs = blocks+1, txs+len(b.Txs)
	}
	if blocks != len(files) || blocks == 0 || txs == 0 {
		t.Fatalf("%d blocks with %d transactions in %d files", blocks, txs, len(files))
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no data: %v", err)
	}
	write := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("blocks/00000001.rlp", encode(example(t)))
	write("codes.rlp", []byte{0xc1})
	if _, err := Open(dir); !errors.Is(err, chain.ErrCorrupt) {
		t.Errorf("codes cut short: %v", err)
	}
	write("codes.rlp", rlp.WrapList(rlp.AppendBytes(nil, code), 0))
	for _, err := range Load(dir) {
		if !errors.Is(err, chain.ErrCorrupt) {
			t.Errorf("block under another's name: %v", err)
		}
	}
}
