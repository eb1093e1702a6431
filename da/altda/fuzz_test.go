package altda_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/da/internal/resttest"
)

func fuzzClient(f *testing.F, mode altda.Mode, k *resttest.Case) {
	k.Blob, k.Put400 = []byte("what was put"), da.ErrTooLarge
	resttest.Fuzz(f, k, func(t testing.TB, hc *http.Client) chain.DAClient {
		return open(t, altda.Config{URL: "http://host", Mode: mode, HTTP: hc, MaxBlob: 1 << 16})
	})
}

func FuzzAnswerKeccak(f *testing.F) {
	hash := chain.Keccak256([]byte("what was put"))
	fuzzClient(f, altda.Keccak, &resttest.Case{ID: append([]byte{0}, hash[:]...), Get400: da.ErrNotFound})
}

func FuzzAnswerGeneric(f *testing.F) {
	commitment := []byte{1, 0xff, 42}
	fuzzClient(f, altda.Generic, &resttest.Case{
		ID: da.Bind(commitment, []byte("what was put")), Commitment: commitment, Get400: da.ErrRefused,
		Named: func(c []byte) bool { return len(c) >= 3 && c[0] == 1 },
	})
}

// FuzzRequest: a stranger's request stores what it names, or nothing, and reads what
// was stored, or nothing.
func FuzzRequest(f *testing.F) {
	hash := chain.Keccak256([]byte("blob"))
	f.Add(true, "/put/0x00"+hash.Hex()[2:], []byte("blob"))
	f.Add(true, "/put", []byte("blob"))
	f.Add(false, "/get/0x00"+hash.Hex()[2:], []byte{})
	f.Fuzz(func(t *testing.T, post bool, path string, body []byte) {
		layer := inprocess.New()
		server, err := altda.NewServer(altda.ServerConfig{Client: layer, MaxBlob: 1 << 10})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(map[bool]string{true: "POST", false: "GET"}[post], "/", bytes.NewReader(body))
		r.URL.Path = path
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		hash := chain.Keccak256(body)
		_, err = layer.Get(t.Context(), hash[:])
		stored := err == nil
		if stored != (post && w.Code == http.StatusOK) {
			t.Fatalf("status %d, stored %t", w.Code, stored)
		}
		if !post && w.Code == http.StatusOK && path != "/health" && path != "/health/" {
			t.Fatalf("read %q from an empty layer", w.Body)
		}
	})
}
