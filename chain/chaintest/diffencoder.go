package chaintest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// TestDiffEncoder checks that what open returns keeps the contract of
// chain.DiffEncoder. Every call of open must give a new DiffEncoder at the
// beginning of the same stream, with limits that let 100,000 slots through.
func TestDiffEncoder(t *testing.T, open func() chain.DiffEncoder) {
	t.Run("RoundTrip", func(t *testing.T) { testDiffRoundTrip(t, open) })
	t.Run("Stream", func(t *testing.T) { testDiffStream(t, open) })
	t.Run("SameBytes", func(t *testing.T) { testDiffSameBytes(t, open) })
	t.Run("Ownership", func(t *testing.T) { testDiffOwnership(t, open) })
	t.Run("Rollback", func(t *testing.T) { testDiffRollback(t, open) })
	t.Run("OutOfStep", func(t *testing.T) { testDiffOutOfStep(t, open) })
	t.Run("OtherPrior", func(t *testing.T) { testDiffOtherPrior(t, open) })
	t.Run("Mutations", func(t *testing.T) { testDiffMutations(t, open) })
}

// Before is the least state that c, canonical, can be applied to: what c says
// was there before, and nothing else.
func Before(c *chain.Changes) chain.StateView { return before{c} }

type before struct{ c *chain.Changes }

func (v before) Account(addr common.Address) (chain.Account, bool, error) {
	if a := v.c.Account(addr); a != nil {
		return a.Before, a.Existed, nil
	}
	return chain.Account{}, false, nil
}

func (v before) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	if a := v.c.Account(addr); a != nil {
		if s := a.Slot(key); s != nil {
			return s.Before, nil
		}
	}
	return uint256.Int{}, nil
}

func (v before) Code(hash common.Hash) ([]byte, error) {
	if hash == chain.EmptyCodeHash {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: code %s", chain.ErrNotFound, hash)
}

// RandomChanges is canonical Changes of up to n accounts of all kinds: created,
// changed, destroyed, destroyed and made anew, with code and without, with slots
// and without; values of all sizes up to 2^256-1.
func RandomChanges(rng *rand.Rand, n int) *chain.Changes {
	c := new(chain.Changes)
	for range n {
		randomAccountChange(rng, c)
	}
	c.Normalize()
	return c
}

func randomAccountChange(rng *rand.Rand, c *chain.Changes) {
	a := chain.AccountChange{Address: common.Address(randomBytes(rng, 20))}
	kind := rng.IntN(10)
	a.Existed = kind > 1  // 0, 1: created
	a.Exists = kind != 2  // 2: destroyed
	a.Cleared = kind == 3 // 3: destroyed and made anew
	code := kind < 4 || kind == 4
	if a.Existed {
		a.Before = chain.Account{Nonce: rng.Uint64() >> rng.IntN(64), Balance: randomValue(rng), CodeHash: chain.EmptyCodeHash}
		if rng.IntN(2) == 0 {
			a.Before.CodeHash = common.Hash(randomBytes(rng, 32))
		}
	}
	if !a.Exists {
		c.Accounts = append(c.Accounts, a)
		return
	}
	a.After = chain.Account{Nonce: a.Before.Nonce + uint64(rng.IntN(3)), Balance: a.Before.Balance, CodeHash: a.Before.CodeHash}
	if rng.IntN(4) > 0 {
		a.After.Balance = randomValue(rng)
	}
	switch {
	case code && rng.IntN(2) == 0 || a.After.CodeHash == (common.Hash{}):
		a.After.CodeHash = randomCode(rng, c)
	case code:
		a.After.CodeHash = chain.EmptyCodeHash
	}
	if rng.IntN(3) > 0 {
		a.Slots = randomSlots(rng, rng.IntN(8), a.Existed && !a.Cleared)
	}
	c.Accounts = append(c.Accounts, a)
}

// randomCode adds a code to c, or takes one that is there, and returns its hash.
func randomCode(rng *rand.Rand, c *chain.Changes) common.Hash {
	if n := len(c.Codes); n > 0 && rng.IntN(4) == 0 {
		return c.Codes[rng.IntN(n)].Hash
	}
	b := randomBytes(rng, 9+rng.IntN(200))
	hash := chain.Keccak256(b)
	c.Codes = append(c.Codes, chain.Code{Hash: hash, Bytes: b})
	return hash
}

func randomSlots(rng *rand.Rand, n int, stored bool) []chain.SlotChange {
	var (
		out  []chain.SlotChange
		seen = make(map[common.Hash]bool)
	)
	for range n {
		key := common.Hash(randomBytes(rng, 32))
		if rng.IntN(2) == 0 {
			key = common.Hash{31: byte(rng.IntN(16))}
		}
		s := chain.SlotChange{Key: key, After: randomValue(rng)}
		if stored {
			s.Before = randomValue(rng)
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, s)
		}
	}
	return out
}

// randomValue favours the values at which something can go wrong.
func randomValue(rng *rand.Rand) (v uint256.Int) {
	switch rng.IntN(6) {
	case 0: // zero
	case 1:
		v.SetAllOne()
		v.SubUint64(&v, rng.Uint64N(3))
	case 2:
		v.SetUint64(rng.Uint64N(300))
	default:
		v.SetBytes(randomBytes(rng, 1+rng.IntN(32)))
	}
	return v
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// manySlots changes n slots of one account.
func manySlots(n int) *chain.Changes {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	account := chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
	a := chain.AccountChange{Address: common.Address{19: 1}, Before: account, After: account, Existed: true, Exists: true}
	for range n {
		s := chain.SlotChange{Key: common.Hash(randomBytes(rng, 32))}
		s.Before.SetUint64(rng.Uint64())
		s.After.SetUint64(rng.Uint64())
		a.Slots = append(a.Slots, s)
	}
	c := &chain.Changes{Accounts: []chain.AccountChange{a}}
	c.Normalize()
	return c
}

// corners are Changes at the edges of what is legal.
func corners() map[string]*chain.Changes {
	var most uint256.Int
	most.SetAllOne()
	var (
		addr  = common.Address{1}
		code  = chain.Code{Hash: chain.Keccak256([]byte("code")), Bytes: []byte("code")}
		empty = chain.Account{CodeHash: chain.EmptyCodeHash}
		rich  = chain.Account{Nonce: 1<<64 - 1, Balance: most, CodeHash: chain.EmptyCodeHash}
		coded = chain.Account{Nonce: 1, CodeHash: code.Hash}
		low   = chain.SlotChange{After: most}
		high  = chain.SlotChange{Key: common.MaxHash, After: *uint256.NewInt(1)}
		reset = chain.SlotChange{Key: common.MaxHash, Before: most}
	)
	one := func(a chain.AccountChange, codes ...chain.Code) *chain.Changes {
		a.Address = addr
		return &chain.Changes{Accounts: []chain.AccountChange{a}, Codes: codes}
	}
	slots := func(s ...chain.SlotChange) []chain.SlotChange { return s }
	return map[string]*chain.Changes{
		"nothing":               {},
		"empty account created": one(chain.AccountChange{After: empty, Exists: true}),
		"everything gained":     one(chain.AccountChange{Before: empty, After: rich, Existed: true, Exists: true}),
		"everything lost":       one(chain.AccountChange{Before: rich, After: empty, Existed: true, Exists: true}),
		"destroyed":             one(chain.AccountChange{Before: coded, Existed: true, Cleared: true}),
		"made anew, same":       one(chain.AccountChange{Before: coded, After: coded, Existed: true, Exists: true, Cleared: true}),
		"made anew, slots":      one(chain.AccountChange{Before: rich, After: empty, Existed: true, Exists: true, Cleared: true, Slots: slots(low, high)}),
		"code gained":           one(chain.AccountChange{Before: empty, After: coded, Existed: true, Exists: true}, code),
		"code lost":             one(chain.AccountChange{Before: coded, After: empty, Existed: true, Exists: true}),
		"one slot":              one(chain.AccountChange{Before: coded, After: coded, Existed: true, Exists: true, Slots: slots(low)}),
		"highest slot zeroed":   one(chain.AccountChange{Before: coded, After: coded, Existed: true, Exists: true, Slots: slots(reset)}),
		"slots of a new one":    one(chain.AccountChange{After: coded, Exists: true, Slots: slots(low, high)}, code),
		"100,000 slots":         manySlots(100_000),
	}
}

func mustEncode(t testing.TB, e chain.DiffEncoder, dst []byte, c *chain.Changes) []byte {
	t.Helper()
	out, err := e.AppendEncode(dst, c, Before(c), nil)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return out
}

func mustDecode(t testing.TB, e chain.DiffEncoder, src []byte, want *chain.Changes) {
	t.Helper()
	var got chain.Changes
	if err := e.Decode(&got, src, Before(want)); err != nil {
		t.Fatalf("decode: %v", err)
	}
	if err := got.Validate(); err != nil {
		t.Fatalf("decoded: %v", err)
	}
	if got.Digest() != want.Digest() {
		t.Fatalf("decoded %d entries are not the %d that were encoded", got.Len(), want.Len())
	}
}

func testDiffRoundTrip(t *testing.T, open func() chain.DiffEncoder) {
	for name, c := range corners() {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(); err != nil {
				t.Fatalf("the case itself: %v", err)
			}
			digest := c.Digest()
			mustDecode(t, open(), mustEncode(t, open(), nil, c), c)
			if c.Digest() != digest {
				t.Fatal("encoding altered its input")
			}
		})
	}
}

func testDiffStream(t *testing.T, open func() chain.DiffEncoder) {
	var (
		rng      = rand.New(rand.NewPCG(3, 1))
		enc, dec = open(), open()
	)
	for i := range 300 {
		c := RandomChanges(rng, i%40)
		if err := c.Validate(); err != nil {
			t.Fatalf("the case itself: %v", err)
		}
		mustDecode(t, dec, mustEncode(t, enc, nil, c), c)
	}
}

func testDiffSameBytes(t *testing.T, open func() chain.DiffEncoder) {
	var (
		rng  = rand.New(rand.NewPCG(3, 2))
		a, b = open(), open()
	)
	for i := range 50 {
		c := RandomChanges(rng, 1+i)
		// The other one's Changes have gone through memory of other shape.
		encoded, _ := c.AppendBinary(nil)
		twin := new(chain.Changes)
		if err := twin.UnmarshalBinary(encoded); err != nil {
			t.Fatal(err)
		}
		prefix := []byte("prefix")
		first, second := mustEncode(t, a, nil, c), mustEncode(t, b, prefix, twin)
		if !bytes.HasPrefix(second, prefix) {
			t.Fatal("dst was not appended to")
		}
		if !bytes.Equal(first, second[len(prefix):]) {
			t.Fatalf("diff %d: same calls, other bytes", i)
		}
	}
}

func testDiffOwnership(t *testing.T, open func() chain.DiffEncoder) {
	var (
		rng      = rand.New(rand.NewPCG(3, 3))
		enc, dec = open(), open()
		got      [10]chain.Changes
		want     [10]common.Hash
	)
	for i := range got {
		c := RandomChanges(rng, 30)
		want[i] = c.Digest()
		src := mustEncode(t, enc, nil, c)
		if err := dec.Decode(&got[i], src, Before(c)); err != nil {
			t.Fatal(err)
		}
		for j := range src {
			src[j] = 0xaa
		}
	}
	for i := range got {
		if got[i].Digest() != want[i] {
			t.Fatalf("diff %d changed after it was decoded", i)
		}
	}
}

func testDiffRollback(t *testing.T, open func() chain.DiffEncoder) {
	var (
		rng      = rand.New(rand.NewPCG(3, 4))
		enc, dec = open(), open()
		a, b     = RandomChanges(rng, 10), RandomChanges(rng, 10)
		atEnc    = enc.Mark()
		atDec    = dec.Mark()
	)
	for round := range 3 {
		for _, c := range []*chain.Changes{a, b} {
			mustDecode(t, dec, mustEncode(t, enc, nil, c), c)
		}
		if round == 2 {
			break
		}
		later := enc.Mark()
		for _, r := range []struct {
			e chain.DiffEncoder
			m chain.Mark
		}{{enc, atEnc}, {dec, atDec}} {
			if err := r.e.Rollback(r.m); err != nil {
				t.Fatal(err)
			}
		}
		if err := enc.Rollback(later); !errors.Is(err, chain.ErrNotFound) {
			t.Fatalf("rollback to a dropped mark: %v, want ErrNotFound", err)
		}
		a, b = b, a // another future than the one that was rolled back
	}
	if err := enc.Rollback(1 << 60); !errors.Is(err, chain.ErrNotFound) {
		t.Fatalf("rollback to a mark that never was: %v, want ErrNotFound", err)
	}
	// The same history gives the same bytes, whatever was rolled back.
	twin := open()
	mustEncode(t, twin, nil, a)
	mustEncode(t, twin, nil, b)
	if !bytes.Equal(mustEncode(t, twin, nil, a), mustEncode(t, enc, nil, a)) {
		t.Fatal("bytes depend on what was rolled back")
	}
}

// testDiffOutOfStep: an encoder whose diffs stand alone may decode them in any
// order, but nothing may ever decode to something else.
func testDiffOutOfStep(t *testing.T, open func() chain.DiffEncoder) {
	var (
		rng  = rand.New(rand.NewPCG(3, 5))
		enc  = open()
		all  []*chain.Changes
		srcs [][]byte
	)
	for range 4 {
		c := RandomChanges(rng, 10)
		all, srcs = append(all, c), append(srcs, mustEncode(t, enc, nil, c))
	}
	for _, order := range [][]int{{1}, {0, 0}, {0, 2}, {0, 1, 0}, {3, 2, 1, 0}} {
		dec := open()
		next := 0
		for _, i := range order {
			var got chain.Changes
			err := dec.Decode(&got, srcs[i], Before(all[i]))
			switch {
			case err == nil && got.Digest() != all[i].Digest():
				t.Fatalf("order %v: diff %d decoded to something else", order, i)
			case err == nil:
				next = i + 1
			case !errors.Is(err, chain.ErrOutOfStep):
				t.Fatalf("order %v: diff %d: %v, want ErrOutOfStep", order, i, err)
			case i == next:
				t.Fatalf("order %v: diff %d was in step: %v", order, i, err)
			case !reflect.DeepEqual(got, chain.Changes{}):
				t.Fatalf("order %v: diff %d left something behind", order, i)
			}
		}
		if next < len(all) { // the stream goes on where it was
			mustDecode(t, dec, srcs[next], all[next])
		}
	}
}

func testDiffOtherPrior(t *testing.T, open func() chain.DiffEncoder) {
	rng := rand.New(rand.NewPCG(3, 6))
	for i := range 200 {
		c := RandomChanges(rng, 5)
		if c.Len() == 0 {
			continue
		}
		var (
			src   = mustEncode(t, open(), nil, c)
			other = alterBefore(rng, c)
			dec   = open()
			got   chain.Changes
			err   = dec.Decode(&got, src, Before(other))
		)
		if !errors.Is(err, chain.ErrOutOfStep) && !errors.Is(err, chain.ErrCorrupt) {
			t.Fatalf("case %d: another prior state: %v, want ErrOutOfStep", i, err)
		}
		if !reflect.DeepEqual(got, chain.Changes{}) {
			t.Fatalf("case %d: a refused diff left something behind", i)
		}
		mustDecode(t, dec, src, c)
	}
}

// alterBefore is c with another state before.
func alterBefore(rng *rand.Rand, c *chain.Changes) *chain.Changes {
	out := &chain.Changes{Accounts: append([]chain.AccountChange(nil), c.Accounts...)}
	a := &out.Accounts[rng.IntN(len(out.Accounts))]
	switch {
	case !a.Existed:
		a.Existed, a.Before.CodeHash = true, chain.EmptyCodeHash
	case len(a.Slots) > 0 && !a.Cleared && rng.IntN(2) == 0:
		a.Slots = append([]chain.SlotChange(nil), a.Slots...)
		s := &a.Slots[rng.IntN(len(a.Slots))]
		s.Before.AddUint64(&s.Before, 1)
	case rng.IntN(3) == 0:
		a.Before.Nonce++
	case rng.IntN(2) == 0:
		a.Before.Balance.AddUint64(&a.Before.Balance, 1)
	default:
		a.Before.CodeHash[rng.IntN(32)] ^= 1
	}
	return out
}

func testDiffMutations(t *testing.T, open func() chain.DiffEncoder) {
	mutations := 10_000
	if testing.Short() {
		mutations = 1_000
	}
	var (
		rng    = rand.New(rand.NewPCG(3, 7))
		kept   = RandomChanges(rng, 2)
		digest = kept.Digest()
		dec    = open()
		c      *chain.Changes
		src    []byte
	)
	for i := range mutations {
		if i%100 == 0 {
			if c != nil { // 100 refusals later, nothing has changed
				mustDecode(t, dec, src, c)
				dec = open()
			}
			c = RandomChanges(rng, 1+i%50)
			src = mustEncode(t, open(), nil, c)
		}
		name, bad := mutate(rng, src)
		err := dec.Decode(kept, bad, Before(c))
		switch {
		case err == nil:
			t.Fatalf("%s: accepted", name)
		case !errors.Is(err, chain.ErrCorrupt) && !errors.Is(err, chain.ErrTooLarge) && !errors.Is(err, chain.ErrOutOfStep):
			t.Fatalf("%s: untyped error: %v", name, err)
		case kept.Digest() != digest:
			t.Fatalf("%s: the receiver changed", name)
		}
	}
}

// mutate returns src with one accident, and its name. The result differs from src.
func mutate(rng *rand.Rand, src []byte) (name string, out []byte) {
	for out == nil || bytes.Equal(out, src) {
		var (
			at   = rng.IntN(len(src))
			size = 1 + rng.IntN(len(src)-at)
			a, b = src[:at], src[at:]
			part = b[:size]
		)
		switch rng.IntN(6) {
		case 0:
			name, out = fmt.Sprintf("bit of byte %d flipped", at), bytes.Clone(src)
			out[at] ^= 1 << rng.IntN(8)
		case 1:
			name, out = fmt.Sprintf("truncated to %d", at), bytes.Clone(a)
		case 2:
			name, out = fmt.Sprintf("%d bytes at %d twice", size, at), bytes.Join([][]byte{a, part, b}, nil)
		case 3:
			name, out = fmt.Sprintf("%d bytes at %d omitted", size, at), bytes.Join([][]byte{a, b[size:]}, nil)
		case 4:
			name, out = fmt.Sprintf("rotated by %d", at), bytes.Join([][]byte{b, a}, nil)
		case 5:
			name, out = fmt.Sprintf("%d bytes at %d made zero", size, at), bytes.Join([][]byte{a, make([]byte, size), b[size:]}, nil)
		}
	}
	return name, out
}

// BenchmarkDiffEncoder times encoding and decoding of random Changes. Metrics:
// B/entry is encoded bytes, ns/entry time, per account or slot.
func BenchmarkDiffEncoder(b *testing.B, open func() chain.DiffEncoder) {
	for _, n := range []int{100, 1000} {
		var (
			c   = RandomChanges(rand.New(rand.NewPCG(3, 8)), n)
			src = mustEncode(b, open(), nil, c)
		)
		run := func(name string, op func() error) {
			b.Run(fmt.Sprintf("op=%s/accounts=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(src))/float64(c.Len()), "B/entry")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.Len()), "ns/entry")
			})
		}
		enc, dec := open(), open()
		fromEnc, fromDec := enc.Mark(), dec.Mark()
		var (
			dst []byte
			got chain.Changes
		)
		run("encode", func() (err error) {
			if err := enc.Rollback(fromEnc); err != nil {
				return err
			}
			dst, err = enc.AppendEncode(dst[:0], c, Before(c), nil)
			return err
		})
		run("decode", func() error {
			if err := dec.Rollback(fromDec); err != nil {
				return err
			}
			return dec.Decode(&got, src, Before(c))
		})
	}
}
