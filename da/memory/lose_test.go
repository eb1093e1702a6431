package memory_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/memory"
)

// TestLoseRate: a put succeeds, and nobody finds the blob; gets are as they were.
func TestLoseRate(t *testing.T) {
	layer := open(t, memory.Config{})
	kept := put(t, layer, []byte("kept"))
	set(t, layer, memory.Settings{LoseRate: 1})
	lost := put(t, layer, []byte("lost"))
	if _, err := layer.Get(t.Context(), lost); !errors.Is(err, da.ErrNotFound) {
		t.Errorf("get of what was lost: %v", err)
	}
	if blob, err := layer.Get(t.Context(), kept); err != nil || !bytes.Equal(blob, []byte("kept")) {
		t.Errorf("get of what was kept: %q, %v", blob, err)
	}
	client, err := altda.New(altda.Config{URL: serve(t, layer), Mode: altda.Keccak})
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.Put(t.Context(), []byte("lost"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), id); !errors.Is(err, da.ErrNotFound) {
		t.Errorf("get by hash of what was lost: %v", err)
	}
	if stats := layer.Stats(); stats.Blobs != 1 || stats.Faults != 2 {
		t.Errorf("%+v", stats)
	}
}

// TestLose: a blob that was there answers why it is not any more.
func TestLose(t *testing.T) {
	layer := open(t, memory.Config{})
	gone, dropped, other := put(t, layer, []byte("gone")), put(t, layer, []byte("dropped")), put(t, layer, []byte("other"))
	for id, why := range map[*chain.BlobID]*da.DroppedError{&gone: nil, &dropped: {Code: da.DropInvalid, Msg: "test"}} {
		if err := layer.Lose(*id, why); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := layer.Get(t.Context(), gone); !errors.Is(err, da.ErrNotFound) {
		t.Errorf("gone: %v", err)
	}
	var why *da.DroppedError
	if _, err := layer.Get(t.Context(), dropped); !errors.As(err, &why) || why.Code != da.DropInvalid {
		t.Errorf("dropped: %v", err)
	}
	if _, err := layer.Get(t.Context(), other); err != nil {
		t.Errorf("other: %v", err)
	}
	for _, id := range []chain.BlobID{gone, nil, {1}} {
		if err := layer.Lose(id, nil); !errors.Is(err, chain.ErrNotFound) {
			t.Errorf("lose %x: %v", id, err)
		}
	}
}
