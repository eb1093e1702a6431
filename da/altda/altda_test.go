package altda_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/da/internal/resttest"
	"github.com/vivace-chain/vivace/da/memory"
)

// index is an altda.Index in memory.
type index struct {
	mu     sync.Mutex
	values map[string][]byte
}

func newIndex() *index { return &index{values: make(map[string][]byte)} }

func (x *index) Put(_ context.Context, key, value []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.values[string(key)] = bytes.Clone(value)
	return nil
}

func (x *index) Get(_ context.Context, key []byte) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if value, ok := x.values[string(key)]; ok {
		return value, nil
	}
	return nil, chain.ErrNotFound
}

func newLayer(t testing.TB) *memory.Layer {
	t.Helper()
	layer, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func serve(t testing.TB, config altda.ServerConfig) string {
	t.Helper()
	handler, err := altda.NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func open(t testing.TB, config altda.Config) *altda.Client {
	t.Helper()
	client, err := altda.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestDAClient runs the kit over client and server, in front of a layer whose names
// are hashes and one whose names are random, and over EigenDA's proxy in its OP modes.
func TestDAClient(t *testing.T) {
	for name, c := range map[string]struct {
		mode  altda.Mode
		serve func(t testing.TB) string
	}{
		"keccak/hashes": {altda.Keccak, func(t testing.TB) string {
			return serve(t, altda.ServerConfig{Client: inprocess.New()})
		}},
		"keccak/index": {altda.Keccak, func(t testing.TB) string {
			return serve(t, altda.ServerConfig{Client: newLayer(t), Index: newIndex()})
		}},
		"generic/hashes": {altda.Generic, func(t testing.TB) string {
			return serve(t, altda.ServerConfig{Client: inprocess.New(), Mode: altda.Generic})
		}},
		"generic/names": {altda.Generic, func(t testing.TB) string {
			return serve(t, altda.ServerConfig{Client: newLayer(t), Mode: altda.Generic})
		}},
		"keccak/eigenda": {altda.Keccak, func(t testing.TB) string {
			server := httptest.NewServer(newLayer(t))
			t.Cleanup(server.Close)
			return server.URL
		}},
		"generic/eigenda": {altda.Generic, func(t testing.TB) string {
			layer := newLayer(t)
			if err := layer.Set(memory.Settings{MissingStatus: http.StatusNotFound}); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(layer)
			t.Cleanup(server.Close)
			return server.URL
		}},
	} {
		t.Run(name, func(t *testing.T) {
			chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
				return open(t, altda.Config{URL: c.serve(t), Mode: c.mode})
			})
		})
	}
}

func TestAnswers(t *testing.T) {
	var (
		blob    = []byte("what was put")
		hash    = chain.Keccak256(blob)
		generic = []byte{1, 0xff, 42}
	)
	for _, c := range []resttest.Case{
		{ID: append([]byte{0}, hash[:]...), Get400: da.ErrNotFound},
		{ID: da.Bind(generic, blob), Commitment: generic, Get400: da.ErrRefused},
	} {
		mode := altda.Mode(c.ID[0])
		c.Blob, c.Put400, c.Limit = blob, da.ErrTooLarge, 1<<20
		c.Open = func(t testing.TB, url string, timeout time.Duration) chain.DAClient {
			return open(t, altda.Config{URL: url, Mode: mode, MaxBlob: c.Limit, PutTimeout: timeout, GetTimeout: timeout})
		}
		t.Run(map[altda.Mode]string{altda.Keccak: "keccak", altda.Generic: "generic"}[mode], func(t *testing.T) { resttest.Run(t, &c) })
	}
}

// ask sends one request and returns status and body.
func ask(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

// TestServer spells the interface out: what OP's DAClient sends, and what it must not
// get away with.
func TestServer(t *testing.T) {
	var (
		hash  = chain.Keccak256([]byte("blob"))
		known = "0x00" + hex.EncodeToString(hash[:])
		raw   = "\x00" + string(hash[:])
	)
	for mode, answer := range map[altda.Mode]string{altda.Keccak: raw, altda.Generic: "\x01\xff" + string(hash[:])} {
		url := serve(t, altda.ServerConfig{Client: inprocess.New(), Mode: mode, MaxBlob: 100})
		for _, c := range []struct {
			method, path, body string
			status             int
			answer             string // compared if status is 200
		}{
			{"GET", "/health", "", 200, ""},
			{"GET", "/get/" + known, "", 404, ""},
			{"GET", "/get/0x01ff" + known[4:], "", 404, ""},
			{"POST", "/put/" + known, "blob", 200, ""},
			{"GET", "/get/" + known, "", 200, "blob"},
			{"GET", "/get/" + known + "/", "", 200, "blob"},
			{"GET", "/get/0x01ff" + known[4:], "", 200, "blob"},
			{"GET", "/get/0x0100" + known[4:], "", 404, ""}, // another layer
			{"POST", "/put", "blob", 200, answer},
			{"POST", "/put/", "blob", 200, answer},
			{"POST", "/put/" + known, "another blob", 400, ""},
			{"POST", "/put/0x00deadbeef", "blob", 400, ""},
			{"POST", "/put/0x01ffee", "blob", 400, ""},
			{"POST", "/put/junk", "blob", 400, ""},
			{"GET", "/get/" + known[2:], "", 400, ""}, // no 0x
			{"GET", "/get/0x0", "", 400, ""},
			{"GET", "/get/0x", "", 400, ""},
			{"GET", "/get/0x02aa", "", 400, ""},
			{"GET", "/get/", "", 404, ""},
			{"GET", "/get", "", 404, ""},
			{"GET", "/put", "", 405, ""},
			{"DELETE", "/get/" + known, "", 405, ""},
			{"PUT", "/put", "blob", 405, ""},
			{"GET", "/", "", 404, ""},
			{"POST", "/put", strings.Repeat("x", 101), 413, ""},
			{"POST", "/put/" + known, strings.Repeat("x", 101), 413, ""},
		} {
			status, got := ask(t, c.method, url+c.path, c.body)
			if status != c.status || status == 200 && got != c.answer {
				t.Errorf("mode %d: %s %s: %d %q, want %d %q", mode, c.method, c.path, status, got, c.status, c.answer)
			}
		}
	}
}

// failing is a layer whose every call fails.
type failing struct{ err error }

func (f failing) Put(context.Context, []byte) (chain.BlobID, error) { return nil, f.err }

func (f failing) Get(context.Context, chain.BlobID) ([]byte, error) { return nil, f.err }

// TestErrorsCross: the client sees the error of the layer behind the server.
func TestErrorsCross(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		get  []error
		put  []error
		wait time.Duration
	}{
		"not found": {chain.ErrNotFound, []error{da.ErrNotFound}, []error{da.ErrRefused}, 0},
		"too large": {chain.ErrTooLarge, []error{da.ErrTooLarge}, []error{da.ErrTooLarge}, 0},
		"busy":      {&da.BusyError{RetryAfter: 2500 * time.Millisecond}, []error{da.ErrBusy, da.ErrTransient}, []error{da.ErrBusy, da.ErrTransient}, 3 * time.Second},
		"fail over": {da.ErrFailover, []error{da.ErrFailover}, []error{da.ErrFailover}, 0},
		"dropped":   {&da.DroppedError{Code: da.DropStale, Msg: "old"}, []error{da.ErrDropped}, []error{da.ErrTransient}, 0},
		"transient": {da.ErrTransient, []error{da.ErrTransient}, []error{da.ErrTransient}, 0},
		"corrupt":   {chain.ErrCorrupt, []error{da.ErrTransient}, []error{da.ErrTransient}, 0},
		"unknown":   {errors.New("disk on fire"), []error{da.ErrTransient}, []error{da.ErrTransient}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, altda.Config{URL: serve(t, altda.ServerConfig{Client: failing{c.err}})})
			_, err := client.Put(t.Context(), []byte("blob"))
			resttest.Check(t, err, c.put...)
			_, err = client.Get(t.Context(), make([]byte, 33))
			resttest.Check(t, err, c.get...)
			if got := da.RetryAfter(err); got != c.wait {
				t.Errorf("again in %s, want %s", got, c.wait)
			}
		})
	}
}

// lying returns other bytes than were asked for.
type lying struct{ chain.DAClient }

func (l lying) Get(context.Context, chain.BlobID) ([]byte, error) { return []byte("a lie"), nil }

// TestLies: a layer that lies is seen by the server in keccak mode, and by the client
// in both.
func TestLies(t *testing.T) {
	for _, mode := range []altda.Mode{altda.Keccak, altda.Generic} {
		client := open(t, altda.Config{URL: serve(t, altda.ServerConfig{Client: lying{inprocess.New()}, Mode: mode}), Mode: mode})
		id, err := client.Put(t.Context(), []byte("the truth"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Get(t.Context(), id)
		resttest.Check(t, err, map[altda.Mode]error{altda.Keccak: da.ErrTransient, altda.Generic: da.ErrCorrupt}[mode])
	}
}

func TestIndexIsNeeded(t *testing.T) {
	url := serve(t, altda.ServerConfig{Client: newLayer(t)})
	if status, body := ask(t, "POST", url+"/put", "blob"); status != 500 || !strings.Contains(body, "no index") {
		t.Errorf("%d %s", status, body)
	}
}

// TestConcurrent: above the limit of requests the server takes nothing, and says when
// to come back.
func TestConcurrent(t *testing.T) {
	url := serve(t, altda.ServerConfig{Client: inprocess.New(), Concurrent: 1})
	slow, w := io.Pipe()
	done := make(chan error)
	go func() {
		resp, err := http.Post(url+"/put", "", slow)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	if _, err := w.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	client := open(t, altda.Config{URL: url})
	var err error
	for range 500 { // until the first is there
		if _, err = client.Put(t.Context(), []byte("blob")); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	resttest.Check(t, err, da.ErrBusy, da.ErrTransient)
	if da.RetryAfter(err) != time.Second {
		t.Errorf("%v", err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := client.Put(t.Context(), []byte("blob")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTrickle: who sends too slowly does not keep a place for ever.
func TestTrickle(t *testing.T) {
	url := serve(t, altda.ServerConfig{Client: inprocess.New(), Timeout: 50 * time.Millisecond})
	slow, w := io.Pipe()
	defer w.Close()
	resp, err := http.Post(url+"/put", "", slow)
	if err != nil {
		return // cut off: good
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
}

func TestSizes(t *testing.T) {
	client := open(t, altda.Config{URL: serve(t, altda.ServerConfig{Client: inprocess.New(), MaxBlob: 10}), MaxBlob: 20})
	_, err := client.Put(t.Context(), make([]byte, 21))
	resttest.Check(t, err, da.ErrTooLarge)
	_, err = client.Put(t.Context(), make([]byte, 11))
	resttest.Check(t, err, da.ErrTooLarge)
	if _, err = client.Put(t.Context(), make([]byte, 10)); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for _, config := range []altda.Config{{}, {URL: "host:1"}, {URL: "http://host", Mode: 2}} {
		if _, err := altda.New(config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
	for _, config := range []altda.ServerConfig{{}, {Client: inprocess.New(), Mode: 2}} {
		if _, err := altda.NewServer(config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}
