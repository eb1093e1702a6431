package chain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/invariants"
	"github.com/vivace-chain/vivace/internal/rlp"
)

func TestKeccak256(t *testing.T) {
	for _, test := range []struct {
		parts [][]byte
		want  common.Hash
	}{
		{nil, EmptyCodeHash},
		{[][]byte{{}}, EmptyCodeHash},
		{[][]byte{{0x80}}, EmptyRoot},
		{[][]byte{{0xc0}}, EmptyOmmersHash},
		{[][]byte{[]byte("abc")}, common.HexToHash("0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")},
		{[][]byte{[]byte("a"), nil, []byte("bc")}, common.HexToHash("0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")},
	} {
		if got := Keccak256(test.parts...); got != test.want {
			t.Errorf("%q: got %s, want %s", test.parts, got, test.want)
		}
	}
}

func TestKeccak256TakesNoMemory(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector makes sync.Pool drop things at random")
	}
	var (
		data  = make([]byte, 500)
		bloom Bloom
		sum   common.Hash
	)
	if n := testing.AllocsPerRun(1000, func() { sum = Keccak256(data, sum[:]); bloom.Add(data) }); n != 0 {
		t.Errorf("Keccak256: %v allocations", n)
	}
	h := extremeHeader()
	if n := testing.AllocsPerRun(1000, func() { sum = h.Hash() }); n > 1 {
		t.Errorf("Header.Hash: %v allocations, want the encoding only", n)
	}
}

// The filter of a hundred strings that go-ethereum's own test has.
func TestBloomKnownValue(t *testing.T) {
	var b Bloom
	for i := range 100 {
		b.Add(fmt.Appendf(nil, "xxxxxxxxxx data %d yyyyyyyyyyyyyy", i))
	}
	if got, want := Keccak256(b[:]), common.HexToHash("0xc8d3ca65cdb4874300a9e39475508f23ed6da09fdbc487f89a2dcf50b09eb263"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLogsBloom(t *testing.T) {
	logs := []Log{
		{Address: address(1), Topics: []common.Hash{fill(2), fill(3)}, Data: []byte("not in the filter")},
		{Address: address(4)},
	}
	var want, or Bloom
	for _, entry := range [][]byte{address(1).Bytes(), fill(2).Bytes(), fill(3).Bytes(), address(4).Bytes()} {
		want.Add(entry)
	}
	if got := LogsBloom(logs); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	for i := range logs {
		one := LogsBloom(logs[i : i+1])
		or.Or(&one)
	}
	if or != want {
		t.Errorf("by Or: got %x, want %x", or, want)
	}
	if LogsBloom(nil) != (Bloom{}) {
		t.Error("the filter over nothing is not empty")
	}
}

// EIP-7685: sha256 over the sha256 of each request, without the empty ones.
func TestRequestsHash(t *testing.T) {
	empty := common.HexToHash("0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	for _, requests := range [][][]byte{nil, {}, {{0}, {1}, {2}}, {{}}} {
		if got := RequestsHash(requests); got != empty {
			t.Errorf("%x: got %s, want %s", requests, got, empty)
		}
	}
	a, b := sha256.Sum256([]byte{0, 0xaa}), sha256.Sum256([]byte{2, 0xbb, 0xcc})
	want := common.Hash(sha256.Sum256(append(a[:], b[:]...)))
	if got := RequestsHash([][]byte{{0, 0xaa}, {1}, {2, 0xbb, 0xcc}}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The hash of Ethereum's first block, whose header has nothing optional.
func TestGenesisHash(t *testing.T) {
	h := &Header{
		OmmersHash:       EmptyOmmersHash,
		StateRoot:        common.HexToHash("0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"),
		TransactionsRoot: EmptyRoot,
		ReceiptsRoot:     EmptyRoot,
		Difficulty:       wei(17_179_869_184),
		GasLimit:         5000,
		ExtraData:        common.FromHex("0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"),
		Nonce:            [8]byte{7: 0x42},
	}
	if got, want := h.Hash().Hex(), "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if id := h.ID(); id.Number != 0 || id.Hash != h.Hash() {
		t.Fatalf("got %s", id)
	}
}

// Every number of fork fields, from none to all, survives; a field after a missing
// one is not there.
func TestHeaderForkFields(t *testing.T) {
	full := pragueHeader()
	cut := []func(h *Header){
		func(h *Header) { h.BaseFee = nil },
		func(h *Header) { h.WithdrawalsRoot = nil },
		func(h *Header) { h.BlobGasUsed = nil },
		func(h *Header) { h.ExcessBlobGas = nil },
		func(h *Header) { h.ParentBeaconBlockRoot = nil },
		func(h *Header) { h.RequestsHash = nil },
	}
	seen := map[common.Hash]bool{full.Hash(): true}
	for n := range cut {
		h, holed := *full, *full
		for _, f := range cut[n:] {
			f(&h)
		}
		cut[n](&holed)
		var got Header
		if err := got.UnmarshalBinary(encode(&h)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&got, &h) || seen[got.Hash()] {
			t.Errorf("%d fork fields: got %+v, want %+v", n, got, h)
		}
		seen[got.Hash()] = true
		if holed.Hash() != h.Hash() {
			t.Errorf("a field after missing field %d has an effect", n)
		}
	}
}

func TestHeaderTerm(t *testing.T) {
	for _, test := range []struct {
		extra string
		want  uint64
	}{
		{"", 0}, {"01", 0}, {"00000000000001", 0},
		{"0000000000000005", 5}, {"0102030405060708", 0x0102030405060708}, {"000000000000000566", 5}, {"ffffffffffffffff", 1<<64 - 1},
	} {
		if got := (&Header{ExtraData: common.FromHex(test.extra)}).Term(); got != test.want {
			t.Errorf("%s: got %d, want %d", test.extra, got, test.want)
		}
	}
}

func TestBlockEnv(t *testing.T) {
	b := &Block{Header: pragueHeader(), Withdrawals: sampleWithdrawals()}
	e, h := b.Env(), b.Header
	want := &Env{
		Number: h.Number, Timestamp: h.Timestamp, GasLimit: h.GasLimit, Coinbase: h.Coinbase, PrevRandao: h.PrevRandao,
		BaseFee: h.BaseFee, ExtraData: h.ExtraData, ExcessBlobGas: h.ExcessBlobGas,
		ParentBeaconBlockRoot: h.ParentBeaconBlockRoot, Withdrawals: b.Withdrawals,
	}
	if !reflect.DeepEqual(e, want) {
		t.Fatalf("got %+v, want %+v", e, want)
	}
}

func TestTx(t *testing.T) {
	raw := []byte{0x02, 0xc0}
	tx := NewTx(raw)
	if tx.Hash() != Keccak256(raw) || !bytes.Equal(tx.Raw(), raw) {
		t.Error("not the transaction that went in")
	}
	if a, ok := tx.Sender(); ok || a != (common.Address{}) || tx.Parsed() != nil {
		t.Error("a new transaction has caches set")
	}
	tx.SetSender(address(1))
	tx.SetParsed(42)
	if a, ok := tx.Sender(); !ok || a != address(1) || tx.Parsed() != 42 {
		t.Error("what was set is not there")
	}
}

func TestReadTxsRefuses(t *testing.T) {
	long := bytes.Repeat([]byte{0}, 20)
	for name, item := range map[string][]byte{
		"nothing":                rlp.AppendBytes(nil, nil),
		"a type alone":           rlp.AppendBytes(nil, []byte{2}),
		"nine bytes":             rlp.AppendBytes(nil, append([]byte{2}, long[:8]...)),
		"an empty list":          {0xc0},
		"eight items":            append([]byte{0xc8}, bytes.Repeat([]byte{0x80}, 8)...),
		"type 0x80":              rlp.AppendBytes(nil, append([]byte{0x80}, long...)),
		"a list within a string": rlp.AppendBytes(nil, append([]byte{0xd4}, long...)),
		"half an item":           {0xca, 0x80},
	} {
		r := rlp.NewReader(rlp.WrapList(item, 0))
		if txs := ReadTxs(r); r.End() == nil {
			t.Errorf("%s: became %x", name, txs[0].Raw())
		}
	}
}

func TestFrameRefuses(t *testing.T) {
	first := Frame{Number: 9, Env: pragueEnv()}
	for name, alter := range map[string]func(f *Frame){
		"no environment in the first":     func(f *Frame) { f.Env = nil },
		"environment in the second":       func(f *Frame) { f.Index = 1 },
		"environment of another block":    func(f *Frame) { f.Number = 8 },
		"parent hash pending, the second": func(f *Frame) { f.Index, f.Env, f.ParentHashPending = 1, nil, true },
	} {
		f := first
		alter(&f)
		if err := new(Frame).UnmarshalBinary(encode(&f)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Numbers that a frame holds in 32 bits are not cut to them.
func TestFrameRefusesWideNumbers(t *testing.T) {
	f := Frame{Index: 1<<32 - 1, TxCount: 1<<32 - 2}
	good := encode(&f)
	for _, v := range []uint64{uint64(f.Index), uint64(f.TxCount)} {
		narrow, wide := rlp.AppendUint64(nil, v), rlp.AppendUint64(nil, v+1<<32)
		bad := rlp.WrapList(bytes.Replace(good[1:], narrow, wide, 1), 0) // the header of so short a list is one byte
		if err := new(Frame).UnmarshalBinary(bad); !errors.Is(err, rlp.ErrSize) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d in place of %d: got %v", v+1<<32, v, err)
		}
	}
}

func TestFrameDigestCoversAll(t *testing.T) {
	checkDigestCoversAll(t, &Frame{Env: pragueEnv(), Diff: []byte{1}}, func(f *Frame) common.Hash { return f.Digest() })
}

func TestSigningHashCoversAll(t *testing.T) {
	a := sampleAttestation()
	checkDigestCoversAll(t, a, func(a *Attestation) common.Hash {
		signed := *a
		signed.Signature = [65]byte{} // all but the signature
		return signed.SigningHash()
	}, "Signature")
	signed := *a
	signed.Signature[0]++
	if signed.SigningHash() != a.SigningHash() {
		t.Error("the signature signs itself")
	}
	if got, want := a.SigningHash().Hex(), "0x1477b421862a1692c14a3c6125ee9d6b22d07b1863b89cfd623d75911450b5aa"; got != want {
		t.Errorf("signing hash: got %s, want %s", got, want)
	}
}

// checkDigestCoversAll alters each field of *n, but those in except, and expects
// another digest for each.
func checkDigestCoversAll[T any](t *testing.T, n *T, digest func(*T) common.Hash, except ...string) {
	t.Helper()
	seen := map[common.Hash]string{digest(n): "nothing altered"}
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		if len(except) > 0 && name == except[0] {
			continue
		}
		old := reflect.ValueOf(field.Interface())
		switch f := field.Addr().Interface().(type) {
		case *uint64:
			*f++
		case *uint32:
			*f++
		case *bool:
			*f = !*f
		case *common.Hash:
			f[31]++
		case *BlockID:
			f.Number++
			if other, ok := seen[digest(n)]; ok {
				t.Errorf("%s.Number: same digest as with %s", name, other)
			}
			f.Number--
			f.Hash[0]++
		case **Env:
			*f = frontierEnv()
		case *[]byte:
			*f = []byte{2}
		default:
			t.Fatalf("no way to alter %s", name)
		}
		if other, ok := seen[digest(n)]; ok {
			t.Errorf("%s: same digest as with %s", name, other)
		}
		seen[digest(n)] = name
		field.Set(old)
	}
}
