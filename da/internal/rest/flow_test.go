package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// TestStall: a body that stands still is given up long before the deadline, and one that
// comes slowly, or after a long time, is not.
func TestStall(t *testing.T) {
	t.Parallel()
	const stall = time.Second // five times what is waited between parts: the machine may be busy
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			time.Sleep(2 * stall)
		}
		for i := range 8 {
			if _, err := w.Write([]byte("part")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			if i == 3 && r.URL.Path == "/stalls" {
				<-r.Context().Done()
				return
			}
			time.Sleep(stall / 5)
		}
	}))
	defer server.Close()
	client, err := rest.New(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	client.Stall(stall)
	get := func(path string) ([]byte, error) {
		return client.Do(t.Context(), rest.Request{Op: "get", Method: http.MethodGet, Path: path, Timeout: time.Minute, Limit: 100})
	}
	for _, path := range []string{"/slow", "/late"} {
		if body, err := get(path); err != nil || string(body) != strings.Repeat("part", 8) {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
	began := time.Now()
	if body, err := get("/stalls"); body != nil || !errors.Is(err, da.ErrTransient) || !strings.Contains(err.Error(), "stands still") {
		t.Errorf("%q, %v", body, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("given up after %s", took)
	}
}
