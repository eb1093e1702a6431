package work

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

// client of a server.
func client(t testing.TB, url string, change ...func(*ClientConfig)) *Client {
	cfg := ClientConfig{URL: url, ChainID: chainID, Signer: key(t, 1), PollMin: time.Millisecond, PollMax: 2 * time.Millisecond, ObjectsBytes: 1000}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// served is the client of a desk behind go-ethereum's server.
func served(t testing.TB, d Desk, change ...func(*ClientConfig)) *Client {
	return servedBy(t, newAPI(t, d, nil), change...)
}

func servedBy(t testing.TB, api *API, change ...func(*ClientConfig)) *Client {
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("prover", api))
	door := httptest.NewServer(server)
	t.Cleanup(func() { door.Close(); server.Stop() })
	return client(t, door.URL, change...)
}

// answering is a client that has begun, of a server that may be no desk's.
func answering(t testing.TB, h http.HandlerFunc, change ...func(*ClientConfig)) *Client {
	door := httptest.NewServer(h)
	t.Cleanup(door.Close)
	c := client(t, door.URL, change...)
	c.begun = true
	return c
}

// Every call arrives as it was meant.
func TestCalls(t *testing.T) {
	d := newFakeDesk(t)
	d.objects = [3][]byte{{1}, {2, 2}, {3, 3, 3}}
	c := served(t, d, func(c *ClientConfig) { c.Objects = true })
	began := time.Now()
	jobs, err := c.Lease(t.Context(), 9)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, publication(), jobs[0].Publication)
	require.Equal(t, uint64(5), jobs[0].Lease)
	require.WithinRange(t, jobs[0].Deadline, began.Add(25*time.Second), time.Now().Add(30*time.Second))
	require.Equal(t, [][]byte{{1}, {2, 2}, {3, 3, 3}}, [][]byte{jobs[0].Block, jobs[0].Witness, jobs[0].Diff})

	until, err := c.Renew(t.Context(), 5)
	require.NoError(t, err)
	require.WithinRange(t, until, began.Add(15*time.Second), time.Now().Add(20*time.Second))
	require.NoError(t, c.Release(t.Context(), 5, nil))
	require.NoError(t, c.Release(t.Context(), 6, errors.New(strings.Repeat("ä", 300))))
	require.NoError(t, c.Release(t.Context(), 7, errors.New("")))
	require.NoError(t, c.Submit(t.Context(), &chain.Attestation{Block: chain.BlockID{Number: 8}}))
	require.Equal(t, []string{
		`release 0 ""`, "lease 1", "objects 3", "renew 5", `release 5 ""`,
		fmt.Sprintf("release 6 %q", strings.Repeat("ä", 128)), `release 7 "for no reason"`, "submit 8",
	}, d.calls)

	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 7, s.Granted)
	require.EqualValues(t, 3, s.Failing[0].Number)
	list, err := c.Evidence(t.Context(), 298)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NotEmpty(t, list[1].Other)
}

// Errors mean to the prover what they meant to the desk.
func TestErrorsTravel(t *testing.T) {
	d := newFakeDesk(t)
	c := served(t, d)
	for _, e := range []struct{ sent, want, not error }{
		{prover.ErrLeaseLost, prover.ErrLeaseLost, da.ErrTransient},
		{sequencer.ErrNotAllowed, sequencer.ErrNotAllowed, da.ErrTransient},
		{&chain.MismatchError{}, chain.ErrMismatch, da.ErrTransient},
		{chain.ErrNotFound, chain.ErrNotFound, da.ErrTransient},
		{chain.ErrTooLarge, chain.ErrTooLarge, da.ErrTransient},
		{chain.ErrBusy, chain.ErrBusy, chain.ErrCorrupt},
		{&da.BusyError{}, chain.ErrBusy, chain.ErrCorrupt},
		{chain.ErrClosed, da.ErrTransient, chain.ErrCorrupt},
		{context.DeadlineExceeded, da.ErrTransient, chain.ErrCorrupt},
		{errors.New("something else"), da.ErrTransient, chain.ErrCorrupt},
		{chain.ErrCorrupt, da.ErrRefused, chain.ErrCorrupt},
	} {
		d.fail(fmt.Errorf("the desk says: %w", e.sent))
		_, err := c.Renew(t.Context(), 5)
		require.ErrorIs(t, err, e.want)
		require.NotErrorIs(t, err, e.not, "%v", e.sent)
		require.ErrorContains(t, err, "the desk says")
	}
	// A key that the sequencer does not know ends a prover; a clock that goes wrong does
	// not.
	_, err := served(t, d, func(c *ClientConfig) { c.Signer = key(t, 2) }).Lease(t.Context(), 1)
	require.ErrorIs(t, err, sequencer.ErrNotAllowed)
	late := newAPI(t, d, func() time.Time { return time.Now().Add(time.Hour) })
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("prover", late))
	t.Cleanup(server.Stop)
	_, err = answering(t, server.ServeHTTP).Lease(t.Context(), 1)
	require.ErrorIs(t, err, ErrStale)
	require.ErrorIs(t, err, da.ErrTransient)
	// A door without the namespace.
	empty := rpc.NewServer()
	t.Cleanup(empty.Stop)
	_, err = answering(t, empty.ServeHTTP).Lease(t.Context(), 1)
	require.ErrorIs(t, err, da.ErrRefused)
}

// A sequencer, or whoever says to be one, makes us neither wait, nor take memory, nor
// believe what is no answer.
func TestHostileAnswers(t *testing.T) {
	result := func(s string) string { return `{"jsonrpc":"2.0","id":1,"result":` + s + `}` }
	p := publication()
	raw, _ := p.AppendBinary(nil)
	lease := fmt.Sprintf(`{"lease":"0x5","ttl":"0x3e8","publication":"0x%x"}`, raw)
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"empty":                  {200, "", da.ErrTransient},
		"not json":               {200, "<html>", da.ErrTransient},
		"cut off":                {200, result("[" + lease)[:60], da.ErrTransient},
		"no result":              {200, `{}`, da.ErrTransient},
		"null":                   {200, result("null"), da.ErrTransient},
		"another type":           {200, result(`"0x1"`), da.ErrTransient},
		"more than asked for":    {200, result("[" + lease + "," + lease + "]"), da.ErrTransient},
		"no lease":               {200, result("[" + strings.Replace(lease, "0x5", "0x0", 1) + "]"), da.ErrTransient},
		"no publication":         {200, result(`[{"lease":"0x5","ttl":"0x1","publication":"0xc0"}]`), da.ErrTransient},
		"larger than it may be":  {200, result("[" + strings.Repeat(" ", 200<<10) + lease + "]"), da.ErrTransient},
		"longer than it may be":  {200, result("["+lease+"]") + strings.Repeat(" ", 200<<10), da.ErrTransient},
		"error without a number": {200, `{"error":{"code":"x"}}`, da.ErrTransient},
		"unknown error":          {200, `{"error":{"code":-1,"message":"no"}}`, da.ErrTransient},
		"redirect":               {307, "", da.ErrRefused},
		"not found":              {404, "nothing here", da.ErrRefused},
		"bad gateway":            {502, "", da.ErrTransient},
	} {
		t.Run(name, func(t *testing.T) {
			d := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := d.Lease(t.Context(), 1)
			require.ErrorIs(t, err, c.want)
			require.NotErrorIs(t, err, chain.ErrCorrupt, "that would be about a job")
			require.Less(t, len(err.Error()), 1000)
		})
	}
	t.Run("busy", func(t *testing.T) {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := c.Lease(t.Context(), 1)
		require.ErrorIs(t, err, chain.ErrBusy)
		require.Equal(t, 7*time.Second, da.RetryAfter(err))
	})
	t.Run("hangs", func(t *testing.T) {
		end := make(chan struct{})
		c := answering(t, func(http.ResponseWriter, *http.Request) { <-end }, func(c *ClientConfig) { c.Timeout = 20 * time.Millisecond })
		t.Cleanup(func() { close(end) })
		_, err := c.Lease(t.Context(), 1)
		require.ErrorIs(t, err, da.ErrTransient)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err = c.Lease(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, da.ErrTransient, "it is the caller's end")
	})
	t.Run("nobody there", func(t *testing.T) {
		_, err := client(t, "http://127.0.0.1:1").Lease(t.Context(), 1)
		require.ErrorIs(t, err, da.ErrTransient)
	})
	t.Run("for ever", func(t *testing.T) {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(result(`[` + strings.Replace(lease, "0x3e8", "0xffffffffffffffff", 1) + `]`)))
		})
		jobs, err := c.Lease(t.Context(), 1)
		require.NoError(t, err)
		require.WithinRange(t, jobs[0].Deadline, time.Now(), time.Now().Add(ttlMax))
	})
}

// Objects that do not come, or are too large, are the data-availability layer's
// business; the lease stays.
func TestObjectsThatDoNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		failure error
		size    int
		calls   int
	}{
		"not found": {chain.ErrNotFound, 1, 3}, "too large": {chain.ErrTooLarge, 1, 3}, "larger than may be": {nil, 100_000, 3},
		"passes": {chain.ErrBusy, 1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := &failingObjects{fakeDesk: newFakeDesk(t), failure: c.failure}
			d.fakeDesk.objects = [3][]byte{make([]byte, c.size), {1}, {1}}
			jobs, err := served(t, d, func(c *ClientConfig) { c.Objects = true }).Lease(t.Context(), 1)
			require.NoError(t, err)
			require.Len(t, d.calls, c.calls)
			require.Equal(t, name == "passes", jobs[0].Block != nil)
		})
	}
}

// failingObjects fails once.
type failingObjects struct {
	*fakeDesk
	failure error
	failed  atomic.Bool
}

func (d *failingObjects) Objects(ctx context.Context, number, from uint64, most int) (*sequencer.Page, error) {
	if d.failure != nil && !d.failed.Swap(true) {
		d.fail(d.failure)
	}
	return d.fakeDesk.Objects(ctx, number, from, most)
}

// While there is no work, the client asks again, less and less often, until there is
// or its context ends.
func TestPolling(t *testing.T) {
	var asked atomic.Int32
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":[]}`))
	}, func(c *ClientConfig) { c.PollMax = 20 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Lease(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Greater(t, asked.Load(), int32(2))
	require.Less(t, asked.Load(), int32(20))
}

// A key that is elsewhere may be away for a while.
func TestKeyThatIsAway(t *testing.T) {
	c := served(t, newFakeDesk(t), func(c *ClientConfig) { c.Signer = awayKey{key(t, 1)} })
	_, err := c.Lease(t.Context(), 1)
	require.ErrorIs(t, err, da.ErrTransient)
	require.NoError(t, c.Submit(t.Context(), new(chain.Attestation)), "which is signed already")
}

type awayKey struct{ *attest.Key }

func (awayKey) Sign(common.Hash) ([65]byte, error) { return [65]byte{}, errors.New("no connection") }
