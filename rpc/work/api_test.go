package work

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

func stampOf(t testing.TB, a ask, k attest.Signer, at time.Time) Stamp {
	s, err := a.stamp(chainID, k, at)
	require.NoError(t, err)
	return s
}

func code(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

var start = time.Unix(1_700_000_000, 0)

// A request that was seen once is good for nothing: not again, later, after a restart
// of the sequencer, nor for anything else.
func TestStampIsForOneRequest(t *testing.T) {
	c, d := &clock{now: start}, newFakeDesk(t)
	api := newAPI(t, d, c.Now)
	five := ask{method: "renew", number: 5}
	c.pass(time.Minute)
	stamp := stampOf(t, five, key(t, 1), c.Now())
	_, err := api.Renew(t.Context(), 5, stamp)
	require.NoError(t, err)

	refused := func(want int, err error) {
		t.Helper()
		require.Equal(t, want, code(err), "%v", err)
	}
	replay := func() error {
		_, err := api.Renew(t.Context(), 5, stamp)
		return err
	}
	refused(CodeStale, replay())
	// However often it is tried, until it is too old; also after others came.
	for range 40 {
		c.pass(5 * time.Second)
		_, err := api.Renew(t.Context(), 5, stampOf(t, five, key(t, 1), c.Now()))
		require.NoError(t, err)
		refused(CodeStale, replay())
	}
	require.Len(t, d.calls, 41)

	// Another lease, method, chain or prover: the signature is of nobody known.
	fresh := stampOf(t, five, key(t, 1), c.Now())
	_, err = api.Renew(t.Context(), 6, fresh)
	refused(CodeNotAllowed, err)
	_, err = api.Release(t.Context(), 5, "", fresh)
	refused(CodeNotAllowed, err)
	_, err = api.Lease(t.Context(), 5, fresh)
	refused(CodeNotAllowed, err)
	_, err = api.Objects(t.Context(), 5, 0, fresh)
	refused(CodeNotAllowed, err)
	other := five
	foreign, err := other.stamp(chainID+1, key(t, 1), c.Now())
	require.NoError(t, err)
	_, err = api.Renew(t.Context(), 5, foreign)
	refused(CodeNotAllowed, err)
	release := stampOf(t, ask{method: "release", number: 5, text: "a"}, key(t, 1), c.Now())
	_, err = api.Release(t.Context(), 5, "b", release)
	refused(CodeNotAllowed, err)

	// Nothing of that has spent the nonces.
	_, err = api.Renew(t.Context(), 5, fresh)
	require.NoError(t, err)

	// After a restart, which forgets the nonces.
	api = newAPI(t, d, c.Now)
	refused(CodeStale, func() error {
		c.pass(time.Millisecond)
		_, err := api.Renew(t.Context(), 5, stampOf(t, five, key(t, 1), c.Now().Add(-time.Second)))
		return err
	}())
}

func TestStampsTime(t *testing.T) {
	c, d := &clock{now: start}, newFakeDesk(t)
	api := newAPI(t, d, c.Now)
	c.pass(time.Hour)
	for ahead, want := range map[time.Duration]int{
		0: 0, time.Minute: 0, -time.Minute: 0, time.Minute + time.Millisecond: CodeStale, -time.Minute - time.Millisecond: CodeStale,
	} {
		_, err := api.Lease(t.Context(), 1, stampOf(t, ask{method: "lease", number: 1}, key(t, 1), c.Now().Add(ahead)))
		require.Equal(t, want, code(err), "%s ahead: %v", ahead, err)
	}
	for _, ms := range []uint64{0, 1 << 63, 1<<63 - 1, 1<<64 - 1} {
		_, err := api.Lease(t.Context(), 1, Stamp{Time: hexutil.Uint64(ms)})
		require.Equal(t, CodeStale, code(err))
	}
}

func TestStrangersAndForgers(t *testing.T) {
	c, d := &clock{now: start}, newFakeDesk(t)
	api := newAPI(t, d, c.Now)
	a := ask{method: "lease", number: 1}
	_, err := api.Lease(t.Context(), 1, stampOf(t, a, key(t, 2), c.Now()))
	require.Equal(t, CodeNotAllowed, code(err))
	require.ErrorIs(t, err, sequencer.ErrNotAllowed)

	good := stampOf(t, a, key(t, 1), c.Now())
	twin := good
	twin.Signature[64] += 27
	_, err = api.Lease(t.Context(), 1, twin)
	require.Equal(t, codeInvalidParams, code(err))
	for i := range good.Signature {
		bad := good
		bad.Signature[i] ^= 1
		_, err = api.Lease(t.Context(), 1, bad)
		require.Error(t, err, "byte %d", i)
	}
	require.Empty(t, d.calls)
	require.Empty(t, api.gate.seen, "nothing is remembered of strangers")
}

// A prover that asks without end is remembered up to a bound, and let in again later.
func TestNoncesAreBounded(t *testing.T) {
	c, d := &clock{now: start}, newFakeDesk(t)
	api := newAPI(t, d, c.Now)
	who := key(t, 1).Address()
	for i := range uint64(noncesMax) {
		require.NoError(t, api.gate.spend(who, i, c.Now()))
	}
	require.ErrorIs(t, api.gate.spend(who, noncesMax, c.Now()), chain.ErrBusy)
	c.pass(memory)
	require.NoError(t, api.gate.spend(who, noncesMax, c.Now()))
	require.ErrorIs(t, api.gate.spend(who, 0, c.Now()), ErrStale, "it may still be in time")
	c.pass(memory)
	require.NoError(t, api.gate.spend(who, 0, c.Now()))
	require.LessOrEqual(t, len(api.gate.seen[who].young)+len(api.gate.seen[who].old), 2)
}

func TestSizesOfRequests(t *testing.T) {
	c, d := &clock{now: start}, newFakeDesk(t)
	api := newAPI(t, d, c.Now)
	long := strings.Repeat("x", whyMax+1)
	_, err := api.Release(t.Context(), 5, long, stampOf(t, ask{method: "release", number: 5, text: long}, key(t, 1), c.Now()))
	require.Equal(t, codeInvalidParams, code(err))
	_, err = api.Submit(t.Context(), make([]byte, attestationMax+1))
	require.Equal(t, codeInvalidParams, code(err))
	_, err = api.Submit(t.Context(), []byte("no attestation"))
	require.Equal(t, codeInvalidParams, code(err))
	require.Empty(t, d.calls)

	const many = 1 << 40
	_, err = api.Lease(t.Context(), many, stampOf(t, ask{method: "lease", number: many}, key(t, 1), c.Now()))
	require.NoError(t, err)
	require.Equal(t, []string{"lease 64"}, d.calls)

	worst := chain.Attestation{ChainID: 1<<64 - 1, Term: 1<<64 - 1, Block: chain.BlockID{Number: 1<<64 - 1}}
	raw, _ := worst.AppendBinary(nil)
	require.Less(t, len(raw), attestationMax)
}

func TestSignatureInJSON(t *testing.T) {
	var s Stamp
	require.NoError(t, json.Unmarshal([]byte(`{"time":"0x1","nonce":"0x2","signature":"0x`+strings.Repeat("ab", 65)+`"}`), &s))
	require.Equal(t, byte(0xab), s.Signature[64])
	for _, bad := range []string{"", "0x", "0x" + strings.Repeat("ab", 64), "0x" + strings.Repeat("ab", 66), "0x" + strings.Repeat("zz", 65)} {
		require.Error(t, json.Unmarshal([]byte(`{"signature":"`+bad+`"}`), &s), bad)
	}
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"0x`+strings.Repeat("ab", 65)+`"`)
}

func TestEvidenceComesInPages(t *testing.T) {
	api := newAPI(t, newFakeDesk(t), nil)
	first := api.Evidence(0)
	require.Len(t, first, evidenceMax)
	rest := api.Evidence(evidenceMax)
	require.Len(t, rest, 300-evidenceMax)
	require.Nil(t, rest[0].Other)
	var other chain.Attestation
	require.NoError(t, other.UnmarshalBinary(rest[len(rest)-1].Other))
	require.Equal(t, uint64(1), other.Term)
	for _, from := range []hexutil.Uint64{300, 1 << 63} {
		require.Empty(t, api.Evidence(from))
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{ChainID: 1})
	require.ErrorContains(t, err, "Desk")
	_, err = New(Config{Desk: newFakeDesk(t)})
	require.ErrorContains(t, err, "ChainID")
	for _, c := range []ClientConfig{
		{}, {URL: "localhost:8545", ChainID: 1, Signer: key(t, 1)}, {URL: "ftp://host", ChainID: 1, Signer: key(t, 1)},
		{URL: "http://host", Signer: key(t, 1)}, {URL: "http://host", ChainID: 1},
	} {
		_, err := NewClient(c)
		require.ErrorContains(t, err, "work: ClientConfig.")
	}
}

// The layout of the package comment, without the code that writes it.
func TestLayoutOfWhatIsSigned(t *testing.T) {
	a := ask{method: "release", number: 0x0102, text: "why"}
	want := chain.Keccak256([]byte("\x19vivace work v1\n"+
		"\x00\x00\x00\x00\x00\x00\x00\x09"+"\x07release"+"\x00\x00\x00\x00\x00\x00\x00\x0a"+"\x00\x00\x00\x00\x00\x00\x00\x0b"+
		"\x00\x00\x00\x00\x00\x00\x01\x02"), []byte("why"))
	require.Equal(t, want, a.hash(9, 10, 11))
}
