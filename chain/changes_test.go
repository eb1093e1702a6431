package chain

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// Every rule of the canonical form, broken alone.
func TestValidate(t *testing.T) {
	var (
		code  = []byte{0x60, 0x00}
		plain = func() *Changes {
			return &Changes{
				Accounts: []AccountChange{
					{Address: address(1), After: contract(1, code), Exists: true, Slots: []SlotChange{
						{fill(1), uint256.Int{}, wei(1)}, {fill(2), uint256.Int{}, wei(2)},
					}},
					{Address: address(2), Before: externallyOwned(1, 1), After: externallyOwned(2, 0), Existed: true, Exists: true},
					{Address: address(3), Before: externallyOwned(1, 1), Existed: true, Cleared: true},
				},
				Codes: []Code{{Keccak256(code), code}},
			}
		}
		another = []byte{0x60, 0x01}
	)
	if err := plain().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		want  string
		alter func(c *Changes)
	}{
		{"accounts swapped", "out of order", func(c *Changes) { c.Accounts[0], c.Accounts[1] = c.Accounts[1], c.Accounts[0] }},
		{"account twice", "out of order", func(c *Changes) { c.Accounts[1].Address = address(1) }},
		{"before without existing", "absent account", func(c *Changes) { c.Accounts[0].Before.Nonce = 1 }},
		{"after without existing", "absent account", func(c *Changes) { c.Accounts[2].After.Balance = wei(1) }},
		{"zero code hash before", "code hash is zero", func(c *Changes) { c.Accounts[1].Before.CodeHash = common.Hash{} }},
		{"zero code hash after", "code hash is zero", func(c *Changes) { c.Accounts[1].After.CodeHash = common.Hash{} }},
		{"destroyed but not cleared", "not cleared", func(c *Changes) { c.Accounts[2].Cleared = false }},
		{"cleared but new", "did not exist", func(c *Changes) { c.Accounts[0].Cleared = true }},
		{"slots of a destroyed account", "slots of an absent", func(c *Changes) { c.Accounts[2].Slots = c.Accounts[0].Slots }},
		{"account unchanged", "changes nothing", func(c *Changes) { c.Accounts[1].After = c.Accounts[1].Before }},
		{"absent account", "changes nothing", func(c *Changes) { c.Accounts[2] = AccountChange{Address: address(3)} }},
		{"slots swapped", "out of order", func(c *Changes) { slices.Reverse(c.Accounts[0].Slots) }},
		{"slot twice", "out of order", func(c *Changes) { c.Accounts[0].Slots[1].Key = fill(1) }},
		{"slot unchanged", "changes nothing", func(c *Changes) { c.Accounts[0].Slots[1].After = uint256.Int{} }},
		{"value before, in a new account", "cleared storage", func(c *Changes) { c.Accounts[0].Slots[1].Before = wei(1) }},
		{"value before, in a cleared account", "cleared storage", func(c *Changes) {
			c.Accounts[1].Cleared = true
			c.Accounts[1].Slots = []SlotChange{{fill(1), wei(1), wei(2)}}
		}},
		{"code missing", "0 codes for 1", func(c *Changes) { c.Codes = nil }},
		{"code too many", "2 codes for 1", func(c *Changes) { c.Codes = append(c.Codes, Code{Keccak256(another), another}) }},
		{"another code", "not used", func(c *Changes) { c.Codes[0] = Code{Keccak256(another), another} }},
		{"other bytes", "does not have that hash", func(c *Changes) { c.Codes[0].Bytes = another }},
		{"code twice", "out of order", func(c *Changes) {
			c.Accounts[1].After.CodeHash = Keccak256(another)
			c.Codes = append(c.Codes, c.Codes[0])
		}},
		{"codes swapped", "out of order", func(c *Changes) {
			c.Accounts[1].After.CodeHash = Keccak256(another)
			c.Codes = append(c.Codes, Code{Keccak256(another), another})
			slices.SortFunc(c.Codes, func(x, y Code) int { return bytes.Compare(y.Hash[:], x.Hash[:]) })
		}},
	} {
		c := plain()
		test.alter(c)
		err := c.Validate()
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v", test.name, err)
		}
		if err := new(Changes).UnmarshalBinary(encode(c)); !strings.Contains(test.name, "before without") &&
			!strings.Contains(test.name, "after without") && !strings.Contains(test.name, "other bytes") && !errors.Is(err, ErrCorrupt) {
			// (fields of an absent account and the hash of a code are not encoded)
			t.Errorf("%s: decoder says %v", test.name, err)
		}
	}
}

func TestSamplesAreCanonical(t *testing.T) {
	for name, c := range sampleChanges() {
		if err := c.(*Changes).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In whatever order an executor collects entries, and with entries that came to
// nothing: the same Changes.
func TestNormalize(t *testing.T) {
	want := sampleChanges()["all"].(*Changes)
	unused := Code{Keccak256([]byte("unused")), []byte("unused")}
	for seed := range uint64(200) {
		var (
			random = rand.New(rand.NewPCG(seed, 3))
			c      = sampleChanges()["all"].(*Changes)
		)
		c.Accounts = append(c.Accounts,
			AccountChange{Address: address(0x20), Before: externallyOwned(1, 1), After: externallyOwned(1, 1), Existed: true, Exists: true},
			AccountChange{Address: address(0x21)},
			AccountChange{Address: address(0x22), Slots: []SlotChange{{fill(1), uint256.Int{}, wei(1)}}},
		)
		c.Codes = append(c.Codes, unused, c.Codes[0])
		for i := range c.Accounts {
			a := &c.Accounts[i]
			if a.Exists && !a.Cleared {
				a.Slots = append(a.Slots, SlotChange{Key: fill(0xdd)})
			}
			if a.Existed && !a.Exists {
				a.Cleared = random.IntN(2) == 0
				a.Slots = append(a.Slots, SlotChange{Key: fill(0xdd), Before: wei(1)})
			}
			random.Shuffle(len(a.Slots), func(i, j int) { a.Slots[i], a.Slots[j] = a.Slots[j], a.Slots[i] })
		}
		random.Shuffle(len(c.Accounts), func(i, j int) { c.Accounts[i], c.Accounts[j] = c.Accounts[j], c.Accounts[i] })
		random.Shuffle(len(c.Codes), func(i, j int) { c.Codes[i], c.Codes[j] = c.Codes[j], c.Codes[i] })
		c.Normalize()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, want) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, c, want)
		}
		c.Normalize()
		if !reflect.DeepEqual(c, want) {
			t.Fatalf("seed %d: Normalize is not idempotent", seed)
		}
	}
}

// TestDigest holds the digest fast: attestations sign it.
func TestDigest(t *testing.T) {
	for name, want := range map[string]string{
		"empty":      "0x522717233b96e0a03d85f02f8127aa0e23ef2e0865c95bb7ac577ee3754875e4",
		"transfer":   "0x5ba14f5a5a64a8fb05c8f4b7c13dcdc52a28f06ed974d8877ce4e02e45c42483",
		"created":    "0xcd14d80d4baaf442af52da5d02af1efd74bdfa30369b75f8d8546bc586fc77a0",
		"all":        "0xb3cc305c90fd13c207487d07e55fd356743e01d6aad0ab85e9a29f8f85112219",
		"made anew":  "0x35384395f7e6e170bc2eefaec661dfd0c9b3fa143f4b91064e38fdb562639972",
		"slots only": "0xcc2d0a11f2247ea7dfb38873277c72994cdf0f33dc5138333ff6372cc58860eb",
	} {
		c := sampleChanges()[name].(*Changes)
		if got := c.Digest(); got.Hex() != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if c.Digest() != Keccak256(encode(c)) {
			t.Errorf("%s: the digest is not keccak256 of the encoding", name)
		}
	}
}

// The encoding, spelled out.
func TestChangesEncoding(t *testing.T) {
	code := []byte{0x60, 0x00}
	c := &Changes{
		Accounts: []AccountChange{
			{Address: address(0x11), After: Account{1, wei(0x400), Keccak256(code)}, Exists: true, Slots: []SlotChange{{fill(2), uint256.Int{}, wei(0x80)}}},
			{Address: address(0x22), Before: externallyOwned(3, 0), After: externallyOwned(3, 0), Existed: true, Exists: true, Cleared: true},
		},
		Codes: []Code{{Keccak256(code), code}},
	}
	want := common.FromHex("f8a5" + "f89f" +
		"f861" + "94" + strings.Repeat("11", 20) + "02" + // exists
		"01" + "820400" + "a0" + Keccak256(code).Hex()[2:] +
		"e5" + "e4" + "a0" + strings.Repeat("02", 32) + "80" + "8180" +
		"f83a" + "94" + strings.Repeat("22", 20) + "0f" + // existed, exists, cleared, the same
		"03" + "80" + "a0" + EmptyCodeHash.Hex()[2:] +
		"c0" +
		"c3" + "826000")
	if got := encode(c); !bytes.Equal(got, want) {
		t.Fatalf("\n got %x\nwant %x", got, want)
	}
}

// What Validate cannot see, because it is gone after decoding.
func TestChangesDecoderRefuses(t *testing.T) {
	var (
		account = func(a Account) []byte { return a.append(nil) }
		plain   = externallyOwned(1, 1)
		item    = func(flags uint64, slots []byte, accounts ...Account) []byte {
			b := rlp.AppendBytes(nil, address(1).Bytes())
			b = rlp.AppendUint64(b, flags)
			for _, a := range accounts {
				b = append(b, account(a)...)
			}
			return rlp.WrapList(append(b, slots...), 0)
		}
		none = []byte{0xc0}
		one  = rlp.WrapList(rlp.WrapList(append(rlp.AppendBytes(nil, fill(1).Bytes()), 0x80, 1), 0), 0)
		list = func(items ...[]byte) []byte { return rlp.WrapList(slices.Concat(items...), 0) }
	)
	if err := new(Changes).UnmarshalBinary(list(list(item(flagExisted|flagExists|flagSame, one, plain)), none)); err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string][]byte{
		"equal accounts written twice": list(list(item(flagExisted|flagExists, one, plain, plain)), none),
		"same, but absent before":      list(list(item(flagExists|flagSame, one, plain)), none),
		"same, but absent after":       list(list(item(flagExisted|flagCleared|flagSame, none, plain)), none),
		"unknown flag":                 list(list(item(flagExists|1<<4, one, plain)), none),
		"no flag":                      list(list(item(0, none)), none),
		"cleared alone":                list(list(item(flagCleared, none)), none),
		"third account":                list(list(item(flagExisted|flagExists, none, plain, externallyOwned(2, 2), plain)), none),
		"no lists":                     none,
		"one list":                     list(none),
		"three lists":                  list(none, none, none),
	} {
		if err := new(Changes).UnmarshalBinary(src); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestChangesLookup(t *testing.T) {
	c := sampleChanges()["all"].(*Changes)
	if got, want := c.Len(), 8+6; got != want {
		t.Errorf("Len is %d, want %d", got, want)
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if c.Account(a.Address) != a {
			t.Errorf("account %s not found", a.Address)
		}
		for j := range a.Slots {
			if a.Slot(a.Slots[j].Key) != &a.Slots[j] {
				t.Errorf("slot %s not found", a.Slots[j].Key)
			}
		}
		if a.Slot(fill(0xee)) != nil {
			t.Error("a slot that is not there was found")
		}
	}
	for _, code := range c.Codes {
		if !bytes.Equal(c.Code(code.Hash), code.Bytes) {
			t.Errorf("code %s not found", code.Hash)
		}
	}
	if c.Account(address(0xee)) != nil || c.Code(fill(0xee)) != nil {
		t.Error("something that is not there was found")
	}
}
