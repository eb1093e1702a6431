package oracle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/mainnet"
	ourrlp "github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// Real blocks decode, encode to the same bytes in both, and have the hash by which
// the chain knows them.
func TestChainOnMainnet(t *testing.T) {
	blocks := 0
	for b, err := range mainnet.Load(testdata.Mainnet(t)) {
		if err != nil {
			t.Fatal(err)
		}
		blocks++
		if got := b.Header.Hash(); got != b.Hash {
			t.Errorf("block %d: hash %s, want %s", b.Header.Number, got, b.Hash)
		}
		raw, err := b.Block.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		compareBlock(t, b.Block, raw)
	}
	if blocks == 0 {
		t.Fatal("no blocks")
	}
}

// compareBlock compares b, whose RLP is raw, with go-ethereum's reading of raw.
func compareBlock(t *testing.T, b *chain.Block, raw []byte) {
	t.Helper()
	var theirs types.Block
	if err := rlp.DecodeBytes(raw, &theirs); err != nil {
		t.Fatalf("block %d: %v", b.Header.Number, err)
	}
	if again, err := rlp.EncodeToBytes(&theirs); err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("block %d: go-ethereum encodes it otherwise, %v", b.Header.Number, err)
	}
	if again, err := b.AppendBinary(nil); err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("block %d: we encode it otherwise, %v", b.Header.Number, err)
	}
	if got, want := b.Header.Hash(), theirs.Hash(); got != want {
		t.Fatalf("block %d: hash %s, want %s", b.Header.Number, got, want)
	}
	if got, want := len(b.Txs), len(theirs.Transactions()); got != want {
		t.Fatalf("block %d: %d transactions, want %d", b.Header.Number, got, want)
	}
	for i, tx := range theirs.Transactions() {
		envelope, _ := tx.MarshalBinary()
		if b.Txs[i].Hash() != tx.Hash() || !bytes.Equal(b.Txs[i].Raw(), envelope) {
			t.Fatalf("block %d, transaction %d: hash %s, want %s", b.Header.Number, i, b.Txs[i].Hash(), tx.Hash())
		}
	}
	if got, want := b.Withdrawals != nil, theirs.Withdrawals() != nil; got != want || len(b.Withdrawals) != len(theirs.Withdrawals()) {
		t.Fatalf("block %d: withdrawals %v, want %v", b.Header.Number, b.Withdrawals, theirs.Withdrawals())
	}
}

// The test chain of the RPC suite goes through the forks up to the blob schedules
// after Osaka, one block linked to the next.
func TestChainOnForks(t *testing.T) {
	var (
		in      = ourrlp.NewReader(fileOfPack(t, "rpc-compat.tar.zst", "rpc-compat/chain.rlp"))
		headers [][]byte
		last    *chain.Header
		forks   = make(map[string]bool)
	)
	for in.More() {
		var (
			raw = in.Raw()
			b   = new(chain.Block)
		)
		if err := b.UnmarshalBinary(raw); err != nil {
			t.Fatal(err)
		}
		compareBlock(t, b, raw)
		h := b.Header
		if last != nil {
			if err := h.CheckParent(last); err != nil {
				t.Fatal(err)
			}
			hashes, parent, err := chain.NewBlockHashes(h, headers)
			if err != nil || parent.Hash() != last.Hash() {
				t.Fatalf("block %d: headers before it: %v", h.Number, err)
			}
			for back := range uint64(len(headers)) {
				number := h.Number - 1 - back
				want := crypto.Keccak256Hash(headers[back])
				if got, err := hashes.BlockHash(context.Background(), number); err != nil || got != want {
					t.Fatalf("block %d: hash of %d is %s, %v, want %s", h.Number, number, got, err, want)
				}
			}
		}
		forks["legacy"] = forks["legacy"] || h.BaseFee == nil
		forks["london"] = forks["london"] || h.BaseFee != nil && h.WithdrawalsRoot == nil
		forks["shanghai"] = forks["shanghai"] || h.WithdrawalsRoot != nil && h.BlobGasUsed == nil
		forks["cancun"] = forks["cancun"] || h.BlobGasUsed != nil && h.RequestsHash == nil
		forks["prague"] = forks["prague"] || h.RequestsHash != nil
		header, _ := h.AppendBinary(nil)
		headers, last = append([][]byte{header}, headers...), h
	}
	if err := in.End(); err != nil || len(headers) < 50 {
		t.Fatalf("%d blocks, %v", len(headers), err)
	}
	t.Logf("%d blocks, header forms %v", len(headers), forks)
	if !forks["legacy"] || !forks["prague"] {
		t.Errorf("the chain has header forms %v only", forks)
	}
}

// fileOfPack reads one file of a pack of fixtures.
func fileOfPack(t *testing.T, pack, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Fixtures(t), pack))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err != nil {
			t.Fatalf("%s in %s: %v", name, pack, err)
		}
		if h.Name == name {
			data, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
}

// A source makes random values, often at the borders of their range.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 5))} }

func (r source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r source) hash() common.Hash       { return common.Hash(r.bytes(32)) }
func (r source) address() common.Address { return common.Address(r.bytes(20)) }

func (r source) uint64() uint64 {
	return []uint64{0, 1, 127, 128, 255, 256, r.Uint64() >> r.IntN(64), 1<<64 - 1}[r.IntN(8)]
}

func (r source) uint256() *uint256.Int {
	v := new(uint256.Int).SetBytes(r.bytes(r.IntN(33)))
	return []*uint256.Int{v, v, uint256.NewInt(r.uint64()), new(uint256.Int).SetAllOne()}[r.IntN(4)]
}

// header makes the same header twice, with n fork fields.
func (r source) header(n int) (*chain.Header, *types.Header) {
	h := &chain.Header{
		ParentHash: r.hash(), OmmersHash: r.hash(), Coinbase: r.address(), StateRoot: r.hash(),
		TransactionsRoot: r.hash(), ReceiptsRoot: r.hash(), LogsBloom: chain.Bloom(r.bytes(256)),
		Difficulty: *r.uint256(), Number: r.uint64(), GasLimit: r.uint64(), GasUsed: r.uint64(), Timestamp: r.uint64(),
		ExtraData: r.bytes(r.IntN(33)), PrevRandao: r.hash(), Nonce: [8]byte(r.bytes(8)),
	}
	theirs := &types.Header{
		ParentHash: h.ParentHash, UncleHash: h.OmmersHash, Coinbase: h.Coinbase, Root: h.StateRoot,
		TxHash: h.TransactionsRoot, ReceiptHash: h.ReceiptsRoot, Bloom: types.Bloom(h.LogsBloom),
		Difficulty: h.Difficulty.ToBig(), Number: new(big.Int).SetUint64(h.Number), GasLimit: h.GasLimit,
		GasUsed: h.GasUsed, Time: h.Timestamp, Extra: h.ExtraData, MixDigest: h.PrevRandao, Nonce: h.Nonce,
	}
	baseFee, withdrawals, beacon, requests := r.uint256(), r.hash(), r.hash(), r.hash()
	blobGas, excess := r.uint64(), r.uint64()
	for i, set := range []func(){
		func() { h.BaseFee, theirs.BaseFee = baseFee, baseFee.ToBig() },
		func() { h.WithdrawalsRoot, theirs.WithdrawalsHash = &withdrawals, &withdrawals },
		func() { h.BlobGasUsed, theirs.BlobGasUsed = &blobGas, &blobGas },
		func() { h.ExcessBlobGas, theirs.ExcessBlobGas = &excess, &excess },
		func() { h.ParentBeaconBlockRoot, theirs.ParentBeaconRoot = &beacon, &beacon },
		func() { h.RequestsHash, theirs.RequestsHash = &requests, &requests },
	} {
		if i < n {
			set()
		}
	}
	return h, theirs
}

func TestHeaderAgainstReferee(t *testing.T) {
	for seed := range uint64(700) {
		h, theirs := newSource(seed).header(int(seed % 7))
		got, _ := h.AppendBinary(nil)
		want, err := rlp.EncodeToBytes(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || h.Hash() != theirs.Hash() {
			t.Fatalf("seed %d:\n got %x\nwant %x", seed, got, want)
		}
		var back chain.Header
		if err := back.UnmarshalBinary(want); err != nil || back.Hash() != theirs.Hash() {
			t.Fatalf("seed %d: decoding go-ethereum's: %v", seed, err)
		}
	}
}

func TestBlockAgainstReferee(t *testing.T) {
	for seed := range uint64(200) {
		var (
			r         = newSource(seed)
			h, theirs = r.header(int(seed % 7))
			b         = &chain.Block{Header: h}
			body      types.Body
		)
		for i := range r.IntN(5) {
			tx := types.NewTx([]types.TxData{
				&types.LegacyTx{Nonce: r.uint64(), GasPrice: r.uint256().ToBig(), Value: big.NewInt(1), V: big.NewInt(27), R: big.NewInt(1), S: big.NewInt(1)},
				&types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: r.uint64(), GasTipCap: new(big.Int), GasFeeCap: r.uint256().ToBig(), Data: r.bytes(r.IntN(100))},
			}[i%2])
			raw, _ := tx.MarshalBinary()
			body.Transactions, b.Txs = append(body.Transactions, tx), append(b.Txs, chain.NewTx(raw))
		}
		for range r.IntN(3) {
			ours, ommer := r.header(0)
			body.Uncles, b.Ommers = append(body.Uncles, ommer), append(b.Ommers, ours)
		}
		if h.WithdrawalsRoot != nil {
			body.Withdrawals, b.Withdrawals = types.Withdrawals{}, []chain.Withdrawal{}
			for range r.IntN(4) {
				w := chain.Withdrawal{Index: r.uint64(), Validator: r.uint64(), Address: r.address(), Amount: r.uint64()}
				b.Withdrawals = append(b.Withdrawals, w)
				body.Withdrawals = append(body.Withdrawals, &types.Withdrawal{Index: w.Index, Validator: w.Validator, Address: w.Address, Amount: w.Amount})
				got, _ := w.AppendBinary(nil)
				if want, _ := rlp.EncodeToBytes(body.Withdrawals[len(body.Withdrawals)-1]); !bytes.Equal(got, want) {
					t.Fatalf("withdrawal: got %x, want %x", got, want)
				}
			}
		}
		want, err := rlp.EncodeToBytes(types.NewBlockWithHeader(theirs).WithBody(body))
		if err != nil {
			t.Fatal(err)
		}
		back := new(chain.Block)
		if err := back.UnmarshalBinary(want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, block := range []*chain.Block{b, back} {
			if got, _ := block.AppendBinary(nil); !bytes.Equal(got, want) {
				t.Fatalf("seed %d:\n got %x\nwant %x", seed, got, want)
			}
		}
		compareBlock(t, back, want)
	}
}

func TestReceiptAgainstReferee(t *testing.T) {
	for seed := range uint64(500) {
		var (
			r      = newSource(seed)
			kind   = uint8(seed % 5)
			ours   = &chain.Receipt{Type: kind, Status: r.Uint64() % 2, CumulativeGasUsed: r.uint64()}
			theirs = &types.Receipt{Type: kind, Status: ours.Status, CumulativeGasUsed: ours.CumulativeGasUsed}
		)
		if kind == 0 && r.IntN(2) == 0 {
			ours.PostState, ours.HasPostState = r.hash(), true
			theirs.PostState = ours.PostState.Bytes()
		}
		for range r.IntN(4) {
			l := chain.Log{Address: r.address(), Data: r.bytes(r.IntN(100))}
			for range r.IntN(5) {
				l.Topics = append(l.Topics, r.hash())
			}
			ours.Logs = append(ours.Logs, l)
			theirs.Logs = append(theirs.Logs, &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
		}
		ours.LogsBloom = chain.LogsBloom(ours.Logs)
		theirs.Bloom = types.CreateBloom(theirs)
		if ours.LogsBloom != chain.Bloom(theirs.Bloom) {
			t.Fatalf("seed %d: bloom %x, want %x", seed, ours.LogsBloom, theirs.Bloom)
		}
		want, err := theirs.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if got := ours.AppendConsensus([]byte("x")); !bytes.Equal(got[1:], want) {
			t.Fatalf("seed %d:\n got %x\nwant %x", seed, got[1:], want)
		}
	}
}

func TestRequestsHashAgainstReferee(t *testing.T) {
	for seed := range uint64(200) {
		r := newSource(seed)
		var requests [][]byte
		for range r.IntN(5) {
			requests = append(requests, r.bytes(r.IntN(4)*r.IntN(80)))
		}
		if got, want := chain.RequestsHash(requests), types.CalcRequestsHash(requests); got != want {
			t.Fatalf("%x: got %s, want %s", requests, got, want)
		}
	}
}

func TestHashesOfNothingAgainstReferee(t *testing.T) {
	for _, test := range []struct{ got, want common.Hash }{
		{chain.EmptyCodeHash, types.EmptyCodeHash},
		{chain.EmptyRoot, types.EmptyRootHash},
		{chain.EmptyOmmersHash, types.EmptyUncleHash},
		{chain.RequestsHash(nil), types.EmptyRequestsHash},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

func TestKeccak256AgainstReferee(t *testing.T) {
	for seed := range uint64(300) {
		r := newSource(seed)
		a, b := r.bytes(r.IntN(300)), r.bytes(r.IntN(300))
		if got, want := chain.Keccak256(a, b), crypto.Keccak256Hash(a, b); got != want {
			t.Fatalf("%x, %x: got %s, want %s", a, b, got, want)
		}
	}
}

// FuzzHeaderAgainstReferee: what we accept go-ethereum accepts, with the same
// hash, and what it accepts we do, but for what no header of a known fork has.
func FuzzHeaderAgainstReferee(f *testing.F) {
	for n := range 7 {
		h, _ := newSource(uint64(n)).header(n)
		raw, _ := h.AppendBinary(nil)
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var (
			ours    chain.Header
			theirs  types.Header
			err     = ours.UnmarshalBinary(src)
			wantErr = rlp.DecodeBytes(src, &theirs)
		)
		switch {
		case err == nil && wantErr != nil:
			t.Fatalf("accepted %x; go-ethereum says %v", src, wantErr)
		case err != nil && wantErr == nil:
			beyond := theirs.BlockAccessListHash != nil || theirs.SlotNumber != nil
			wide := !theirs.Number.IsUint64() || theirs.Difficulty.BitLen() > 256 || theirs.BaseFee != nil && theirs.BaseFee.BitLen() > 256
			if !beyond && !wide {
				t.Fatalf("refused %x: %v", src, err)
			}
		case err == nil && ours.Hash() != theirs.Hash():
			t.Fatalf("%x: hash %s, want %s", src, ours.Hash(), theirs.Hash())
		}
	})
}

// FuzzRLPAgainstReferee: both split the first item off alike, or both refuse.
func FuzzRLPAgainstReferee(f *testing.F) {
	for _, seed := range []string{"", "00", "7f", "80", "8100", "8180", "83646f67", "b8380000", "c0", "c20102", "f800", "bfffffffffffffffff", "820001"} {
		f.Add(common.FromHex(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		kind, content, rest, wantErr := rlp.Split(src)
		r := ourrlp.NewReader(src)
		raw := r.Raw()
		if (r.Err() == nil) != (wantErr == nil) {
			t.Fatalf("%x: got error %v, want %v", src, r.Err(), wantErr)
		}
		if wantErr != nil {
			return
		}
		if !bytes.Equal(raw, src[:len(src)-len(rest)]) {
			t.Fatalf("%x: got %x, rest %x", src, raw, rest)
		}
		r = ourrlp.NewReader(raw)
		if r.NextIsList() != (kind == rlp.List) {
			t.Fatalf("%x: kind %v", src, kind)
		}
		if kind == rlp.List {
			return
		}
		if got := r.Bytes(); !bytes.Equal(got, content) {
			t.Fatalf("%x: got %x, want %x", src, got, content)
		}
		r = ourrlp.NewReader(raw)
		got := r.Uint64()
		want, _, wantErr := rlp.SplitUint64(raw)
		if (r.Err() == nil) != (wantErr == nil) || got != want {
			t.Fatalf("%x: got %d, %v, want %d, %v", src, got, r.Err(), want, wantErr)
		}
	})
}

func TestRLPAgainstReferee(t *testing.T) {
	for seed := range uint64(500) {
		var (
			r    = newSource(seed)
			b    = r.bytes(r.IntN(400) * r.IntN(2))
			n    = r.uint64()
			wide = r.uint256()
			got  = ourrlp.AppendBytes(nil, b)
		)
		got = ourrlp.AppendUint64(got, n)
		got = ourrlp.AppendUint256(got, wide)
		got = ourrlp.WrapList(got, 0)
		want, err := rlp.EncodeToBytes([]any{b, n, wide})
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got %x, want %x, %v", seed, got, want, err)
		}
	}
}

// The errors of a decoder say that its input is corrupt, whoever made it.
func TestMutatedBlockOfReferee(t *testing.T) {
	_, theirs := newSource(1).header(6)
	raw, _ := rlp.EncodeToBytes(types.NewBlockWithHeader(theirs).WithBody(types.Body{Withdrawals: types.Withdrawals{}}))
	binary.BigEndian.PutUint16(raw[1:], uint16(len(raw))) // longer than it is
	if err := new(chain.Block).UnmarshalBinary(raw); !errors.Is(err, chain.ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
}
