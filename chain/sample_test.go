package chain

import (
	"bytes"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A noun is anything with a canonical encoding.
type noun interface {
	AppendBinary([]byte) ([]byte, error)
	UnmarshalBinary([]byte) error
}

// A kind is one type of noun: how to make an empty one, and samples that between
// them have every field set and every field absent. The samples' encodings are the
// corpora of the fuzz targets: testdata/fuzz/Fuzz<name>/<sample>.
type kind struct {
	name    string
	empty   func() noun
	views   bool // the decoded noun refers to the decoder's input
	samples map[string]noun
}

var kinds = []kind{
	{"Changes", func() noun { return new(Changes) }, false, sampleChanges()},
	{"Header", func() noun { return new(Header) }, false, map[string]noun{
		"frontier": frontierHeader(), "london": londonHeader(), "prague": pragueHeader(), "extremes": extremeHeader(),
	}},
	{"Block", func() noun { return new(Block) }, false, sampleBlocks()},
	{"Env", func() noun { return new(Env) }, false, map[string]noun{
		"frontier": frontierEnv(), "prague": pragueEnv(), "no-withdrawals": &Env{Withdrawals: []Withdrawal{}},
	}},
	{"Frame", func() noun { return new(Frame) }, true, map[string]noun{
		"first": &Frame{
			Number: 9, Term: 3, Parent: fill(1), GasUsed: 21_000, TxCount: 1,
			ParentHashPending: true, Env: pragueEnv(), Diff: []byte("a diff"),
		},
		"last": &Frame{Number: 9, Index: 99, Term: 3, Parent: fill(2), GasUsed: 30_000_000, TxCount: math.MaxUint32, Last: true},
	}},
	{"MiniBody", func() noun { return new(MiniBody) }, false, map[string]noun{
		"full": &MiniBody{Number: 9, Index: 99, Frame: fill(1), Txs: sampleTxs(), Receipts: []*Receipt{
			{Status: 1, GasUsed: 21_000},
			{GasUsed: math.MaxUint64, Logs: []Log{{address(1), []common.Hash{fill(1), fill(2), fill(3), fill(4)}, []byte("data")}, {}}},
			{PostState: fill(9), HasPostState: true, GasUsed: 53_000, Logs: []Log{{address(2), nil, nil}}},
		}},
		"empty": &MiniBody{},
	}},
	{"Sealed", func() noun { return new(Sealed) }, false, map[string]noun{
		"full":     &Sealed{pragueHeader(), fill(7), []byte("sixteen bytes...")},
		"no model": &Sealed{frontierHeader(), fill(8), nil},
	}},
	{"SnapshotOffer", func() noun { return new(SnapshotOffer) }, false, map[string]noun{
		"full":   &SnapshotOffer{Block: BlockID{7, fill(7)}, Feed: 300, Blob: BlobID("snapshot")},
		"chunks": &SnapshotOffer{BlockID{7, fill(7)}, 300, BlobID("snapshot"), fill(8)},
		"empty":  &SnapshotOffer{},
	}},
	{"Chunks", func() noun { return new(Chunks) }, false, map[string]noun{
		"two": ChunksOf(make([]byte, ChunkSize+1)), "whole": ChunksOf(make([]byte, ChunkSize)), "empty": &Chunks{},
	}},
	{"Publication", func() noun { return new(Publication) }, false, map[string]noun{
		"full":  &Publication{BlockID{7, fill(7)}, BlobID("body"), BlobID("witness"), BlobID("diff")},
		"empty": &Publication{},
	}},
	{"Attestation", func() noun { return new(Attestation) }, false, map[string]noun{
		"full": sampleAttestation(), "empty": &Attestation{},
	}},
	{"Witness", func() noun { return new(Witness) }, false, map[string]noun{
		"full": &Witness{
			Headers: [][]byte{encode(pragueHeader()), encode(londonHeader())},
			Codes:   [][]byte{{0x00}, {0x60, 0x01}, {0xfe}},
			Nodes:   [][]byte{bytes.Repeat([]byte{1}, 33), bytes.Repeat([]byte{2}, 532)},
		},
		"empty": &Witness{},
	}},
}

// fill is the hash of 32 bytes b.
func fill(b byte) (h common.Hash) {
	for i := range h {
		h[i] = b
	}
	return h
}

func address(b byte) (a common.Address) {
	for i := range a {
		a[i] = b
	}
	return a
}

func encode(n noun) []byte {
	b, err := n.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return b
}

func wei(v uint64) uint256.Int { return *uint256.NewInt(v) }

func ptr[T any](v T) *T { return &v }

// externallyOwned is an account without code.
func externallyOwned(nonce, balance uint64) Account {
	return Account{Nonce: nonce, Balance: wei(balance), CodeHash: EmptyCodeHash}
}

func contract(balance uint64, code []byte) Account {
	return Account{Nonce: 1, Balance: wei(balance), CodeHash: Keccak256(code)}
}

// sampleChanges has every kind of AccountChange that there is.
func sampleChanges() map[string]noun {
	var (
		code  = []byte{0x60, 0x00}
		other = []byte{0x60, 0x01}
		huge  = *new(uint256.Int).SetAllOne()
		none  uint256.Int
	)
	single := func(a AccountChange, codes ...[]byte) *Changes {
		c := &Changes{Accounts: []AccountChange{a}}
		for _, b := range codes {
			c.Codes = append(c.Codes, Code{Keccak256(b), b})
		}
		return c
	}
	samples := map[string]noun{
		"empty": &Changes{},
		"transfer": &Changes{Accounts: []AccountChange{
			{Address: address(1), Before: externallyOwned(5, 100), After: externallyOwned(6, 40), Existed: true, Exists: true},
			{Address: address(2), After: externallyOwned(0, 60), Exists: true},
		}},
		"created": single(AccountChange{
			Address: address(3), After: contract(1, code), Exists: true,
			Slots: []SlotChange{{fill(0), none, wei(1)}, {fill(1), none, huge}},
		}, code),
		"destroyed": single(AccountChange{Address: address(4), Before: contract(9, code), Existed: true, Cleared: true}),
		"made anew": single(AccountChange{
			Address: address(5), Before: contract(9, code), After: contract(9, code), Existed: true, Exists: true, Cleared: true,
			Slots: []SlotChange{{fill(9), none, wei(300)}},
		}),
		"slots only": single(AccountChange{
			Address: address(6), Before: contract(0, code), After: contract(0, code), Existed: true, Exists: true,
			Slots: []SlotChange{{fill(1), none, wei(1)}, {fill(2), wei(127), none}, {fill(3), wei(128), huge}},
		}),
		"delegated": single(AccountChange{
			Address: address(7), Before: contract(0, code), After: contract(0, other), Existed: true, Exists: true,
		}, other),
		"touched empty": single(AccountChange{Address: address(8), Before: externallyOwned(0, 0), Existed: true, Cleared: true}),
	}
	all := new(Changes)
	for _, s := range samples {
		c := s.(*Changes)
		for i := range c.Accounts {
			a := c.Accounts[i]
			a.Slots = append([]SlotChange(nil), a.Slots...)
			all.Accounts = append(all.Accounts, a)
		}
		all.Codes = append(all.Codes, c.Codes...)
	}
	all.Normalize()
	samples["all"] = all
	return samples
}

func frontierHeader() *Header {
	return &Header{
		OmmersHash: EmptyOmmersHash, StateRoot: EmptyRoot, TransactionsRoot: EmptyRoot, ReceiptsRoot: EmptyRoot,
		Difficulty: wei(17_179_869_184), GasLimit: 5000, Nonce: [8]byte{7: 0x42}, ExtraData: []byte{},
	}
}

func londonHeader() *Header {
	h := frontierHeader()
	h.ParentHash, h.Number, h.Timestamp = fill(0xaa), 12_965_000, 1_628_166_822
	h.GasLimit, h.GasUsed = 30_025_791, 30_025_257
	h.ExtraData = []byte("https://ethereum.org")
	h.LogsBloom.Add([]byte("a topic"))
	h.BaseFee = ptr(wei(1_000_000_000))
	return h
}

func pragueHeader() *Header {
	h := londonHeader()
	h.Difficulty, h.Nonce, h.PrevRandao = uint256.Int{}, [8]byte{}, fill(0xbb)
	h.ExtraData = []byte{0, 0, 0, 0, 0, 0, 0, 5, 'v'}
	h.BaseFee = ptr(wei(0))
	h.WithdrawalsRoot = ptr(EmptyRoot)
	h.BlobGasUsed, h.ExcessBlobGas = ptr(uint64(0)), ptr(uint64(1<<17))
	h.ParentBeaconBlockRoot = ptr(fill(0xcc))
	h.RequestsHash = ptr(RequestsHash(nil))
	return h
}

// extremeHeader has the largest value in every field.
func extremeHeader() *Header {
	var (
		huge = *new(uint256.Int).SetAllOne()
		most = uint64(math.MaxUint64)
		h    = pragueHeader()
	)
	h.Difficulty, h.BaseFee = huge, &huge
	h.Number, h.GasLimit, h.GasUsed, h.Timestamp = most, most, most, most
	h.BlobGasUsed, h.ExcessBlobGas = &most, &most
	h.ExtraData = bytes.Repeat([]byte{0xff}, 32)
	return h
}

func frontierEnv() *Env {
	b := Block{Header: frontierHeader(), Ommers: []*Header{frontierHeader()}}
	return b.Env()
}

func pragueEnv() *Env {
	b := Block{Header: pragueHeader(), Withdrawals: sampleWithdrawals()}
	b.Header.Number = 9
	return b.Env()
}

func sampleWithdrawals() []Withdrawal {
	return []Withdrawal{{1, 2, address(3), 4}, {math.MaxUint64, math.MaxUint64, address(0xff), math.MaxUint64}}
}

// sampleTxs are not valid transactions, but have the outer form of one: a list, or
// a type followed by something.
func sampleTxs() []*Tx {
	legacy := append([]byte{0xc9}, bytes.Repeat([]byte{0x80}, 9)...)
	dynamic := append([]byte{0x02, 0xcc}, bytes.Repeat([]byte{0x80}, 12)...)
	return []*Tx{NewTx(legacy), NewTx(dynamic), NewTx(bytes.Repeat([]byte{0x7e}, 100))}
}

func sampleBlocks() map[string]noun {
	return map[string]noun{
		"frontier": &Block{Header: frontierHeader(), Ommers: []*Header{frontierHeader(), frontierHeader()}},
		"london":   &Block{Header: londonHeader(), Txs: sampleTxs()},
		"prague":   &Block{Header: pragueHeader(), Txs: sampleTxs(), Withdrawals: sampleWithdrawals()},
		"empty":    &Block{Header: pragueHeader(), Withdrawals: []Withdrawal{}},
	}
}

func sampleAttestation() *Attestation {
	a := &Attestation{
		ChainID: 7, Term: 1, Block: BlockID{300, fill(1)}, ParentHash: fill(2),
		PreRoot: fill(3), PostRoot: fill(4), ReceiptsRoot: fill(5),
		BlockDigest: fill(6), ChangesDigest: fill(7), WitnessDigest: fill(8), DiffDigest: fill(9),
		Program: fill(10),
	}
	for i := range a.Signature {
		a.Signature[i] = byte(i)
	}
	return a
}
