package work

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chainID = 7777

func key(t testing.TB, n byte) *attest.Key {
	k, err := attest.NewKey(bytes.Repeat([]byte{n}, 32))
	require.NoError(t, err)
	return k
}

// A fakeDesk has one lease, 5, of block 3, for key 1.
type fakeDesk struct {
	mu      sync.Mutex
	calls   []string
	failure error // of the next call
	allowed common.Address
	objects [3][]byte
}

func newFakeDesk(t testing.TB) *fakeDesk { return &fakeDesk{allowed: key(t, 1).Address()} }

// call writes a call down.
func (d *fakeDesk) call(format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
	err := d.failure
	d.failure = nil
	return err
}

func (d *fakeDesk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = err
}

func publication() chain.Publication {
	return chain.Publication{Block: chain.BlockID{Number: 3, Hash: common.Hash{3}}, Body: chain.BlobID{1}, Witness: chain.BlobID{2}, Diff: chain.BlobID{3}}
}

func (d *fakeDesk) Allows(who common.Address) bool { return who == d.allowed }

func (d *fakeDesk) Lease(_ common.Address, n int) ([]prover.Job, error) {
	if err := d.call("lease %d", n); err != nil {
		return nil, err
	}
	return []prover.Job{{Publication: publication(), Lease: 5, Deadline: time.Now().Add(30 * time.Second)}}, nil
}

func (d *fakeDesk) Renew(_ common.Address, lease uint64) (time.Time, error) {
	return time.Now().Add(20 * time.Second), d.call("renew %d", lease)
}

func (d *fakeDesk) Release(_ common.Address, lease uint64, why string) error {
	return d.call("release %d %q", lease, why)
}

func (d *fakeDesk) Submit(_ context.Context, a *chain.Attestation) error {
	return d.call("submit %d", a.Block.Number)
}

func (d *fakeDesk) Objects(_ context.Context, number, from uint64, most int) (*sequencer.Page, error) {
	page := new(sequencer.Page)
	for i, o := range d.objects {
		page.Sizes[i] = uint64(len(o))
		page.Bytes = append(page.Bytes, o...)
	}
	page.Bytes = page.Bytes[from:]
	page.Bytes = page.Bytes[:min(len(page.Bytes), most)]
	if from > 0 {
		return page, d.call("objects %d from %d", number, from)
	}
	return page, d.call("objects %d", number)
}

func (d *fakeDesk) Stats() sequencer.DeskStats {
	return sequencer.DeskStats{
		DeskCounts: sequencer.DeskCounts{Granted: 7}, Leases: 1, LeasesMax: 9,
		Failing: []sequencer.Failing{{Number: 3, Provers: []common.Address{d.allowed}, Why: []string{"broken"}}},
	}
}

func (d *fakeDesk) Evidence() []sequencer.Evidence {
	out := make([]sequencer.Evidence, 300)
	for i := range out {
		out[i].Attestation.Block.Number = uint64(i)
		if i == 299 {
			out[i].Other = &chain.Attestation{Term: 1}
		}
	}
	return out
}

// A clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newAPI(t testing.TB, d Desk, now func() time.Time) *API {
	api, err := New(Config{Desk: d, ChainID: chainID, Now: now})
	require.NoError(t, err)
	return api
}
