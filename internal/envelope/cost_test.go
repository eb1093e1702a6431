package envelope

import (
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

func TestPeekTakesNoMemory(t *testing.T) {
	msg, c := seal(t, sample(KindFrame), text(4000), key(t, 1)), checker(t)
	c.Fence(5, 1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := Peek(msg, nil); err != nil {
			panic(err)
		}
		if _, err := c.Peek(msg); err != nil {
			panic(err)
		}
	}))
}

// trusting recovers to key 1 at no cost.
func trusting(t testing.TB) func(*Config) {
	who := key(t, 1).Address()
	return func(c *Config) {
		c.Recover = func(common.Hash, *[65]byte) (common.Address, error) { return who, nil }
	}
}

// allocated is how many bytes f takes, once whatever is made once is made.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / times
}

// Open takes the memory that the head states, and what a strange body may make it
// take is bounded by that too.
func TestOpenTakesWhatIsStated(t *testing.T) {
	if invariants.Enabled {
		t.Skip("counts what the race detector takes, too")
	}
	c := checker(t, trusting(t))
	const slack = 600 << 10 // of the decoder's block buffers
	plain := seal(t, sample(KindFrame), noise(1<<20), key(t, 1))
	require.Less(t, allocated(func() { _, _ = c.Open(plain) }), uint64(4<<10), "a view, no copy")

	packed := seal(t, sample(KindBodies), text(1<<20), key(t, 1))
	require.Less(t, allocated(func() { _, _ = c.Open(packed) }), uint64(1<<20+slack))

	// A bomb: 16 MiB in a few bytes, of which the head states 4 KiB.
	bomb, ok := pack(make([]byte, 16<<20))
	require.True(t, ok)
	require.Less(t, len(bomb), 4<<10)
	h := withSize(KindBodies, 4<<10)
	h.Packed = true
	msg := sealRaw(t, h, bomb, key(t, 1))
	_, err := c.Open(msg)
	require.ErrorIs(t, err, ErrFault)
	require.Less(t, allocated(func() { _, _ = c.Open(msg) }), uint64(slack))

	// One behind a frame that is what the head states.
	first, ok := pack(text(4 << 10))
	require.True(t, ok)
	behind := sealRaw(t, h, append(first, bomb...), key(t, 1))
	_, err = c.Open(behind)
	require.ErrorIs(t, err, ErrFault)
	require.Less(t, allocated(func() { _, _ = c.Open(behind) }), uint64(slack))

	// One whose frame lies about its size as well.
	lie := append([]byte(nil), bomb...)
	require.EqualValues(t, 0xa0, lie[4], "single segment, size in four bytes")
	lie[5], lie[6], lie[7], lie[8] = 0, 16, 0, 0
	msg = sealRaw(t, h, lie, key(t, 1))
	_, err = c.Open(msg)
	require.ErrorIs(t, err, ErrFault)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.Less(t, allocated(func() { _, _ = c.Open(msg) }), uint64(slack))
}

func BenchmarkPeek(b *testing.B) {
	msg := seal(b, sample(KindFrame), noise(4<<10), key(b, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Peek(msg, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k, body := key(b, 1), noise(4<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(nil, sample(KindFrame), body, k); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct {
		name string
		kind Kind
		body []byte
		cfg  []func(*Config)
	}{
		{"pure", KindFrame, noise(4 << 10), nil},
		{"without recovery", KindFrame, noise(4 << 10), []func(*Config){trusting(b)}},
		{"packed without recovery", KindBodies, text(64 << 10), []func(*Config){trusting(b)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			checker, msg := checker(b, c.cfg...), seal(b, sample(c.kind), c.body, key(b, 1))
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := checker.Open(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
