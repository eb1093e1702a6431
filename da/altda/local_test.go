package altda_test

import (
	"errors"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
)

func TestLocal(t *testing.T) {
	chaintest.TestDAClient(t, func(testing.TB) chain.DAClient { return altda.Local(inprocess.New()) })
	if _, err := altda.Local(newLayer(t)).Put(t.Context(), []byte("blob")); !errors.Is(err, chain.ErrMismatch) {
		t.Errorf("over a layer whose names are no hashes: %v", err)
	}
}

// What the owner of a layer puts, others read under the same name, and put nothing.
func TestReadOnly(t *testing.T) {
	layer := inprocess.New()
	own := altda.Local(layer)
	other := open(t, altda.Config{URL: serve(t, altda.ServerConfig{Client: layer, ReadOnly: true})})
	id, err := own.Put(t.Context(), []byte("blob"))
	if err != nil {
		t.Fatal(err)
	}
	if blob, err := other.Get(t.Context(), id); err != nil || string(blob) != "blob" {
		t.Errorf("got %q, %v", blob, err)
	}
	if _, err := other.Put(t.Context(), []byte("junk")); !errors.Is(err, da.ErrRefused) {
		t.Errorf("a stranger puts: %v", err)
	}
}
