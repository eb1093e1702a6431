package eigenda_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/eigenda"
	"github.com/vivace-chain/vivace/da/internal/resttest"
)

func fuzzClient(f *testing.F, mode eigenda.Mode, named func(commitment []byte) bool) {
	blob, c := []byte("what was put"), commitment(mode, 3)
	resttest.Fuzz(f, &resttest.Case{ID: da.Bind(c, blob), Blob: blob, Commitment: c, Named: named, Put400: da.ErrTooLarge, Get400: da.ErrRefused},
		func(t testing.TB, hc *http.Client) chain.DAClient {
			return open(t, eigenda.Config{URL: "http://host", Mode: mode, HTTP: hc, MaxPayload: 1 << 16})
		})
}

func FuzzAnswerStandard(f *testing.F) {
	fuzzClient(f, eigenda.Standard, func(c []byte) bool { return len(c) >= 2 && c[0] <= 3 })
}

func FuzzAnswerOPGeneric(f *testing.F) {
	fuzzClient(f, eigenda.OPGeneric, func(c []byte) bool { return len(c) >= 4 && c[0] == 1 && c[1] == 0 && c[2] <= 3 })
}

// FuzzID: any id is answered by a right blob or a typed error, and never asked for
// when it is of no known form.
func FuzzID(f *testing.F) {
	f.Add(false, []byte(da.Bind(commitment(eigenda.Standard, 3), []byte("blob"))))
	f.Add(true, []byte(da.Bind(commitment(eigenda.OPGeneric, 0), []byte("blob"))))
	f.Fuzz(func(t *testing.T, op bool, id []byte) {
		mode, prefix := eigenda.Standard, 0
		if op {
			mode, prefix = eigenda.OPGeneric, 2
		}
		client := open(t, eigenda.Config{URL: "http://host", Mode: mode, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if len(id) < prefix+2+32 || id[prefix] > 3 || op && (id[0] != 1 || id[1] != 0) {
				t.Errorf("asked for %s", r.URL)
			}
			return &http.Response{StatusCode: 200, ContentLength: 4, Body: io.NopCloser(strings.NewReader("blob"))}, nil
		})}})
		blob, err := client.Get(t.Context(), id)
		if err == nil && string(blob) != "blob" || err != nil && !errors.Is(err, da.ErrNotFound) && !errors.Is(err, da.ErrCorrupt) {
			t.Fatalf("%q, %v", blob, err)
		}
	})
}

func FuzzInfo(f *testing.F) {
	f.Add([]byte(`{"version":"2.4.0","chain_id":"1","max_payload_size_bytes":16252897,"apis_enabled":["standard"],"read_only_mode":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		client := open(t, eigenda.Config{URL: "http://host", HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
		})}})
		info, err := client.Info(t.Context())
		if (info == nil) != (err != nil) || err != nil && !errors.Is(err, da.ErrCorrupt) && !errors.Is(err, da.ErrTooLarge) {
			t.Fatalf("%+v, %v", info, err)
		}
	})
}
