package work

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// FuzzRequest: whatever arguments a request has, as JSON, the desk hears of it only if
// a prover of ours signed just that.
func FuzzRequest(f *testing.F) {
	now := func() time.Time { return start }
	renew := ask{method: "renew", number: 5}
	release := ask{method: "release", number: 5, text: "why"}
	for _, a := range []struct {
		lease, why string
		stamp      Stamp
	}{
		{`"0x5"`, "", stampOf(f, renew, key(f, 1), start)},
		{`"0x5"`, "why", stampOf(f, release, key(f, 1), start)},
		{`"0x6"`, "", stampOf(f, renew, key(f, 2), start)},
	} {
		stamp, _ := json.Marshal(a.stamp)
		f.Add(a.lease, a.why, string(stamp))
	}
	f.Fuzz(func(t *testing.T, lease, why, stamp string) {
		var (
			number hexutil.Uint64
			s      Stamp
			d      = newFakeDesk(t)
			api    = newAPI(t, d, now)
		)
		if json.Unmarshal([]byte(lease), &number) != nil || json.Unmarshal([]byte(stamp), &s) != nil {
			return
		}
		_, renewed := api.Renew(t.Context(), number, s)
		_, released := api.Release(t.Context(), number, why, s)
		if renewed == nil && released == nil {
			t.Fatal("one stamp for two requests")
		}
		var want []string
		if renewed == nil {
			want = []string{fmt.Sprintf("renew %d", uint64(number))}
		}
		if released == nil {
			want = []string{fmt.Sprintf("release %d %q", uint64(number), why)}
		}
		if len(d.calls) != len(want) || len(want) == 1 && d.calls[0] != want[0] {
			t.Fatalf("the desk heard %q, want %q", d.calls, want)
		}
		for _, again := range []func() error{
			func() error { _, err := api.Renew(t.Context(), number, s); return err },
			func() error { _, err := api.Release(t.Context(), number, why, s); return err },
		} {
			if again() == nil {
				t.Fatal("a stamp served twice")
			}
		}
	})
}

// FuzzSubmit: what reaches the desk is an attestation in its one form.
func FuzzSubmit(f *testing.F) {
	raw, _ := (&chain.Attestation{ChainID: chainID, Block: chain.BlockID{Number: 8}}).AppendBinary(nil)
	f.Add(raw)
	f.Add(raw[1:])
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := newFakeDesk(t)
		done, err := newAPI(t, d, nil).Submit(t.Context(), raw)
		if done != (err == nil) || len(d.calls) != 0 && !done {
			t.Fatalf("%v, %v, and the desk heard %q", done, err, d.calls)
		}
		if !done {
			return
		}
		var a chain.Attestation
		if err := a.UnmarshalBinary(raw); err != nil {
			t.Fatal(err)
		}
		if again, _ := a.AppendBinary(nil); string(again) != string(raw) {
			t.Fatal("an attestation has a second form")
		}
	})
}

// FuzzAnswer: an answer that is none passes, or is refused, but never is taken for a
// job's fault; what is taken is in bounds.
func FuzzAnswer(f *testing.F) {
	p := publication()
	raw, _ := p.AppendBinary(nil)
	f.Add(fmt.Appendf(nil, `{"result":[{"lease":"0x5","ttl":"0x3e8","publication":"0x%x"}]}`, raw))
	f.Add([]byte(`{"result":[{"lease":"0x5","ttl":"0xffffffffffffffff","publication":"0xc0"}]}`))
	f.Add([]byte(`{"error":{"code":-39001,"message":"lease is lost"}}`))
	f.Add([]byte(`{"result":{"sizes":["0x1","0x0","0x2"],"bytes":"0x010203"}}`))
	f.Add([]byte(`{"result":"0x1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var (
			leases []Lease
			page   ObjectsPage
			ttl    hexutil.Uint64
		)
		for _, out := range []any{&leases, &page, &ttl} {
			if err := parse(raw, out); errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			} else if errors.Is(err, da.ErrTransient) && errors.Is(err, da.ErrRefused) {
				t.Fatal("it passes, and does not")
			}
		}
		var o objects
		for range 2 {
			done, err := o.add(&page, 100)
			if len(o.whole) > 100 || err == nil && !done && len(page.Bytes) == 0 {
				t.Fatalf("%d bytes, done %t", len(o.whole), done)
			}
			if done && err == nil {
				block, witness, diff := o.payloads()
				if len(block)+len(witness)+len(diff) != len(o.whole) {
					t.Fatal("bytes are in none of the payloads")
				}
				break
			}
		}
		for i := range leases {
			job, err := leases[i].job(start)
			if err == nil && (job.Lease == 0 || job.Deadline.Before(start) || job.Deadline.After(start.Add(ttlMax))) {
				t.Fatalf("lease %d until %s", job.Lease, job.Deadline)
			}
		}
	})
}
