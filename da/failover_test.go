package da_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
)

// A switchable layer fails its puts with err.
type switchable struct {
	chain.DAClient
	err error
}

func (s *switchable) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.DAClient.Put(ctx, blob)
}

func TestFailoverDAClient(t *testing.T) {
	chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
		f, err := da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{inprocess.New(), inprocess.New()}})
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &switchable{DAClient: inprocess.New()}, &switchable{DAClient: inprocess.New()}
		f, err := da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{first, second}, Cooldown: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		blob := []byte("blob")
		put := func(want byte) {
			t.Helper()
			id, err := f.Put(t.Context(), blob)
			if err != nil || id[0] != want || f.Active() != int(want) {
				t.Fatalf("id %x, active %d, %v, want layer %d", id, f.Active(), err, want)
			}
			if got, err := f.Get(t.Context(), id); err != nil || !bytes.Equal(got, blob) {
				t.Fatalf("%q, %v", got, err)
			}
		}
		put(0)
		first.err = da.ErrTransient // is the caller's affair
		if _, err := f.Put(t.Context(), blob); !errors.Is(err, da.ErrTransient) || f.Active() != 0 {
			t.Errorf("%v, active %d", err, f.Active())
		}
		first.err = da.ErrFailover
		put(1)
		first.err = nil
		put(1) // it stays
		time.Sleep(59 * time.Second)
		put(1)
		time.Sleep(2 * time.Second)
		first.err = da.ErrFailover
		put(1) // tried again, in vain: once a minute
		first.err = nil
		put(1)
		time.Sleep(time.Minute)
		put(0)
		first.err, second.err = da.ErrFailover, da.ErrFailover
		if _, err := f.Put(t.Context(), blob); !errors.Is(err, da.ErrFailover) {
			t.Errorf("all down: %v", err)
		}
	})
}

func TestFailoverConfig(t *testing.T) {
	for _, layers := range [][]chain.DAClient{nil, {nil}, make([]chain.DAClient, 257)} {
		if _, err := da.NewFailover(da.FailoverConfig{Layers: layers}); err == nil {
			t.Errorf("%d layers were taken", len(layers))
		}
	}
}
