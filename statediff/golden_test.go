package statediff

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/golden.txt")

const goldenFile = "testdata/golden.txt"

// TestGolden keeps the format where FORMAT.md says it is: the bytes in
// testdata/golden.txt decode to their Changes, and those encode to the bytes. If
// only the second fails and only for packed bodies, klauspost/compress changed
// its mind: nothing is lost but the sameness of bytes across versions.
func TestGolden(t *testing.T) {
	if *rewrite {
		writeGolden(t)
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		lines := strings.Split(block, "\n")
		if len(lines) != 4 {
			t.Fatalf("entry of %d lines, want 4: name, mode, changes, diff", len(lines))
		}
		t.Run(lines[0]+"/"+lines[1], func(t *testing.T) {
			changes, diff := new(chain.Changes), unhex(t, lines[3])
			if err := changes.UnmarshalBinary(unhex(t, lines[2])); err != nil {
				t.Fatal(err)
			}
			config := Config{Stateless: lines[1] == "stateless"}
			var got chain.Changes
			if err := New(config).Decode(&got, diff, chaintest.Before(changes)); err != nil {
				t.Fatal(err)
			}
			if got.Digest() != changes.Digest() {
				t.Error("decodes to other changes")
			}
			if again := encode(t, New(config), changes); !bytes.Equal(again, diff) {
				t.Errorf("encodes to\n%x, want\n%x", again, diff)
			}
		})
	}
}

func writeGolden(t *testing.T) {
	var out bytes.Buffer
	for _, mode := range []string{"stateless", "stream"} {
		codec := New(Config{Stateless: mode == "stateless"})
		for _, entry := range goldenChanges() {
			raw, _ := entry.changes.AppendBinary(nil)
			fmt.Fprintf(&out, "%s\n%s\n%x\n%x\n\n", entry.name, mode, raw, encode(t, codec, entry.changes))
			if mode == "stream" { // each entry decodes alone
				codec = New(Config{})
			}
		}
	}
	if err := os.WriteFile(goldenFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

type named struct {
	name    string
	changes *chain.Changes
}

// exampleOfFormat is the example in FORMAT.md.
func exampleOfFormat() *chain.Changes {
	account := chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
	return &chain.Changes{Accounts: []chain.AccountChange{{
		Address: common.HexToAddress("0x000102030405060708090a0b0c0d0e0f10111213"), Before: account, After: account, Existed: true, Exists: true,
		Slots: []chain.SlotChange{{After: *uint256.NewInt(7)}},
	}}}
}

func goldenChanges() []named {
	out := []named{{"nothing", new(chain.Changes)}, {"example of FORMAT.md", exampleOfFormat()}}
	for _, n := range []int{1, 5, 40} {
		out = append(out, named{fmt.Sprintf("%d random accounts", n), chaintest.RandomChanges(rand.New(rand.NewPCG(1, uint64(n))), n)})
	}
	return out
}

// TestFormatExample spells the example of FORMAT.md out.
func TestFormatExample(t *testing.T) {
	got := encode(t, New(Config{Stateless: true}), exampleOfFormat())
	before := digestOf(unhex(t, "01010000"))
	want := append(unhex(t, "56440101"), before[:]...)
	want = append(want, unhex(t, "0101002626"+"01140000000001010001010000"+"21"+"000102030405060708090a0b0c0d0e0f10111213"+"01"+"00"+"0107")...)
	sum := digestOf(want)
	if want = append(want, sum[:]...); !bytes.Equal(got, want) {
		t.Fatalf("got\n%x, want\n%x", got, want)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encode(t testing.TB, c *Codec, changes *chain.Changes) []byte {
	t.Helper()
	out, err := c.AppendEncode(nil, changes, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
