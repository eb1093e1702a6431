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

// A layer that brings no answer at all is down, too, when that has lasted; one that wants to
// be left alone is not.
func TestFailoverOfSilentLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &switchable{DAClient: inprocess.New()}, &switchable{DAClient: inprocess.New()}
		f, err := da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{first, second}, Cooldown: time.Hour, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		put := func(active int, wrong error) {
			t.Helper()
			if _, err := f.Put(t.Context(), []byte("blob")); !errors.Is(err, wrong) || f.Active() != active {
				t.Errorf("%v, active %d, want %v, %d", err, f.Active(), wrong, active)
			}
		}
		first.err = da.ErrTransient
		put(0, da.ErrTransient)
		time.Sleep(59 * time.Second)
		put(0, da.ErrTransient)
		first.err = &da.BusyError{}
		put(0, da.ErrBusy) // it has answered
		first.err = da.ErrTransient
		time.Sleep(time.Minute)
		put(0, da.ErrTransient)
		time.Sleep(time.Minute)
		put(1, nil)
		time.Sleep(time.Hour)
		put(1, nil) // the first is tried, once, and is no better
		first.err = nil
		time.Sleep(time.Hour)
		put(0, nil)
		first.err = da.ErrTransient
		put(0, da.ErrTransient)
		time.Sleep(time.Minute)
		second.err = da.ErrFailover
		put(0, da.ErrFailover)
	})
}

// A Put that began before the first layer had recovered, and ends after that, does not take
// others away from it again.
func TestFailoverOfSlowPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &switchable{DAClient: inprocess.New(), err: da.ErrFailover}, &slow{DAClient: inprocess.New()}
		f, err := da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{first, second}, Cooldown: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		put := func(want byte) {
			t.Helper()
			id, err := f.Put(t.Context(), []byte("blob"))
			if err != nil || id[0] != want {
				t.Errorf("id %x, %v, want layer %d", id, err, want)
			}
		}
		put(1)
		time.Sleep(time.Minute - time.Second)
		second.takes = 2 * time.Second
		ended := make(chan struct{})
		go func() { defer close(ended); put(1) }()
		time.Sleep(1500 * time.Millisecond)
		first.err = nil
		put(0)
		<-ended
		if f.Active() != 0 {
			t.Error("it is the first again")
		}
		put(0)
	})
}

// A slow layer takes its time to put.
type slow struct {
	chain.DAClient
	takes time.Duration
}

func (s *slow) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	time.Sleep(s.takes)
	return s.DAClient.Put(ctx, blob)
}

// A layer that was used alone keeps its blobs when it becomes the first of several, whatever
// their names begin with; one that is down is not asked twice.
func TestFailoverOfGrown(t *testing.T) {
	alone, other := inprocess.New(), inprocess.New()
	lists, err := da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{alone, other}})
	if err != nil {
		t.Fatal(err)
	}
	first := make(map[byte]bool)
	for i := range 2000 {
		blob := []byte{byte(i), byte(i >> 8)}
		id, err := alone.Put(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		first[id[0]] = true
		if got, err := lists.Get(t.Context(), id); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("%x: %x, %v", id, got, err)
		}
	}
	if !first[0] || !first[1] || !first[2] {
		t.Error("no name began with the position of a layer, or beyond")
	}
	if _, err := lists.Get(t.Context(), []byte{1, 2}); !errors.Is(err, chain.ErrNotFound) {
		t.Error(err)
	}
	counted := &counting{err: da.ErrFailover}
	lists, err = da.NewFailover(da.FailoverConfig{Layers: []chain.DAClient{counted, other}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lists.Get(t.Context(), []byte{0, 1}); !errors.Is(err, da.ErrFailover) || counted.gets != 1 {
		t.Errorf("%v after %d", err, counted.gets)
	}
}

// A counting layer fails its gets with err.
type counting struct {
	chain.DAClient
	err  error
	gets int
}

func (c *counting) Get(context.Context, chain.BlobID) ([]byte, error) {
	c.gets++
	return nil, c.err
}

func TestFailoverConfig(t *testing.T) {
	for _, layers := range [][]chain.DAClient{nil, {nil}, make([]chain.DAClient, 257)} {
		if _, err := da.NewFailover(da.FailoverConfig{Layers: layers}); err == nil {
			t.Errorf("%d layers were taken", len(layers))
		}
	}
}
