package memory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
)

func open(t testing.TB, config memory.Config) *memory.Layer {
	t.Helper()
	layer, err := memory.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

func set(t testing.TB, layer *memory.Layer, s memory.Settings) {
	t.Helper()
	if err := layer.Set(s); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, layer *memory.Layer, blob []byte) chain.BlobID {
	t.Helper()
	id, err := layer.Put(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDAClient(t *testing.T) {
	chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient { return open(t, memory.Config{}) })
}

func TestRandomCertificates(t *testing.T) {
	layer := open(t, memory.Config{})
	first, second := put(t, layer, []byte("blob")), put(t, layer, []byte("blob"))
	if bytes.Equal(first, second) || first[0] != 0x03 {
		t.Errorf("ids %x and %x", first[:8], second[:8])
	}
	set(t, layer, memory.Settings{CertVersion: 3})
	if id := put(t, layer, nil); id[0] != 0x02 {
		t.Errorf("version byte %d", id[0])
	}
}

// TestKnobs: EigenDA's, with its order and its oddities.
func TestKnobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := open(t, memory.Config{Settings: memory.Settings{PutLatency: time.Second, GetLatency: 2 * time.Second}})
		begin := time.Now()
		id := put(t, layer, []byte("blob"))
		if took := time.Since(begin); took != time.Second {
			t.Errorf("put took %s", took)
		}
		begin = time.Now()
		if _, err := layer.Get(t.Context(), id); err != nil || time.Since(begin) != 2*time.Second {
			t.Errorf("get took %s, %v", time.Since(begin), err)
		}
		// Fail over comes before the latency, and before the size.
		set(t, layer, memory.Settings{PutLatency: time.Hour, PutReturnsFailoverError: true, MaxBlobSizeBytes: 1})
		begin = time.Now()
		if _, err := layer.Put(t.Context(), []byte("blob")); !errors.Is(err, da.ErrFailover) || time.Since(begin) != 0 {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		// So does the size, of the encoded blob.
		set(t, layer, memory.Settings{PutLatency: time.Hour, MaxBlobSizeBytes: 1024})
		if _, err := layer.Put(t.Context(), make([]byte, 31*31)); err != nil {
			t.Error(err)
		}
		begin = time.Now()
		if _, err := layer.Put(t.Context(), make([]byte, 31*31+1)); !errors.Is(err, da.ErrTooLarge) || time.Since(begin) != 0 {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

// TestDropped: a derivation error is stored with the put, and stays after a reset.
func TestDropped(t *testing.T) {
	layer := open(t, memory.Config{})
	before := put(t, layer, []byte("blob"))
	set(t, layer, memory.Settings{Dropped: &da.DroppedError{Code: da.DropInvalid, Msg: "no"}})
	during := put(t, layer, []byte("blob"))
	set(t, layer, memory.Settings{})
	for id, want := range map[string]bool{string(before): false, string(during): true} {
		var dropped *da.DroppedError
		_, err := layer.Get(t.Context(), chain.BlobID(id))
		if errors.As(err, &dropped) != want || want && dropped.Code != da.DropInvalid {
			t.Errorf("%v, dropped is to be %t", err, want)
		}
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := open(t, memory.Config{Settings: memory.Settings{BlobExpiration: time.Minute}})
		id := put(t, layer, []byte("blob"))
		time.Sleep(59 * time.Second)
		if _, err := layer.Get(t.Context(), id); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if _, err := layer.Get(t.Context(), id); !errors.Is(err, da.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
		if stats := layer.Stats(); stats.Blobs != 0 || stats.Bytes != 0 || stats.Puts != 1 || stats.Gets != 2 {
			t.Errorf("%+v", stats)
		}
	})
}

// TestRates: each fault is what it says, for a client in the process.
func TestRates(t *testing.T) {
	blob := []byte("some blob")
	for name, c := range map[string]struct {
		memory.Settings
		put, get error
	}{
		"error":    {memory.Settings{ErrorRate: 1}, da.ErrTransient, da.ErrTransient},
		"busy":     {memory.Settings{BusyRate: 1, RetryAfter: time.Second}, da.ErrBusy, da.ErrBusy},
		"failover": {memory.Settings{FailoverRate: 1}, da.ErrFailover, da.ErrFailover},
		"cut":      {memory.Settings{CutRate: 1}, da.ErrTransient, da.ErrTransient},
		"truncate": {memory.Settings{TruncateRate: 1}, nil, da.ErrCorrupt},
		"empty":    {memory.Settings{EmptyRate: 1}, nil, da.ErrTransient},
		"flip":     {memory.Settings{FlipRate: 1}, nil, da.ErrCorrupt},
		"hang":     {memory.Settings{HangRate: 1}, context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := open(t, memory.Config{Seed: 2})
				id := put(t, layer, blob)
				set(t, layer, c.Settings)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if _, err := layer.Put(ctx, blob); !errors.Is(err, c.put) {
					t.Errorf("put: %v, want %v", err, c.put)
				}
				if _, err := layer.Get(ctx, id); !errors.Is(err, c.get) || da.RetryAfter(err) != c.RetryAfter {
					t.Errorf("get: %v, want %v", err, c.get)
				}
				set(t, layer, memory.Settings{}) // nothing of it stays
				if got, err := layer.Get(t.Context(), id); err != nil || !bytes.Equal(got, blob) {
					t.Errorf("afterwards: %q, %v", got, err)
				}
			})
		})
	}
}

// TestSeed: the same calls are spoiled in the same way, and with another seed in
// another.
func TestSeed(t *testing.T) {
	run := func(seed uint64) (story string) {
		layer := open(t, memory.Config{Seed: seed, Settings: memory.Settings{ErrorRate: 0.3, BusyRate: 0.3}})
		for range 50 {
			id, err := layer.Put(t.Context(), []byte("blob"))
			story += fmt.Sprintf("%x %v\n", id, err)
		}
		return story
	}
	if one, again, two := run(1), run(1), run(2); one != again || one == two {
		t.Error("what is drawn does not follow from the seed")
	}
}

// TestJitter: calls overtake each other.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := open(t, memory.Config{Settings: memory.Settings{PutLatency: time.Second, Jitter: time.Second}})
		var (
			mu    sync.Mutex
			order []int
			wg    sync.WaitGroup
		)
		begin := time.Now()
		for i := range 20 {
			wg.Go(func() {
				put(t, layer, []byte{byte(i)})
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		wg.Wait()
		if took := time.Since(begin); took < time.Second || took > 2*time.Second {
			t.Errorf("took %s", took)
		}
		sorted := true
		for i, n := range order {
			sorted = sorted && i == n
		}
		if sorted {
			t.Error("nobody was overtaken")
		}
	})
}

func TestInvalidSettings(t *testing.T) {
	layer := open(t, memory.Config{Settings: memory.Settings{ErrorRate: 0.5}})
	for _, s := range []memory.Settings{
		{ErrorRate: -0.1}, {ErrorRate: 1.1}, {ErrorRate: 0.6, BusyRate: 0.6}, {CertVersion: 2}, {CertVersion: 5},
		{Dropped: &da.DroppedError{}}, {Dropped: &da.DroppedError{Code: 5}}, {PutLatency: -1}, {BytesPerSecond: -1}, {MissingStatus: 200},
	} {
		if err := layer.Set(s); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	if layer.Settings().ErrorRate != 0.5 {
		t.Error("settings changed")
	}
}

func serve(t testing.TB, layer *memory.Layer) string {
	server := httptest.NewServer(layer)
	t.Cleanup(server.Close)
	return server.URL
}

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

// TestPatch: the JSON of EigenDA's memstore, as its README writes it.
func TestPatch(t *testing.T) {
	layer := open(t, memory.Config{})
	url := serve(t, layer) + "/memstore/config"
	for _, c := range []struct {
		body   string
		status int
		check  func(s memory.Settings) bool
	}{
		{`{"PutLatency": "5s", "GetLatency": "2s"}`, 200, func(s memory.Settings) bool { return s.PutLatency == 5*time.Second && s.GetLatency == 2*time.Second }},
		{`{"PutReturnsFailoverError": true}`, 200, func(s memory.Settings) bool { return s.PutReturnsFailoverError && s.PutLatency == 5*time.Second }},
		{`{"NullableDerivationError": {"StatusCode": 3, "Msg": "test error", "Reset": false}}`, 200, func(s memory.Settings) bool { return s.Dropped.Code == 3 && s.Dropped.Msg == "test error" }},
		{`{"BlobExpiration": "25m0s", "MaxBlobSizeBytes": 1048576}`, 200, func(s memory.Settings) bool {
			return s.BlobExpiration == 25*time.Minute && s.MaxBlobSizeBytes == 1<<20 && s.Dropped != nil
		}},
		{`{"NullableDerivationError": {"Reset": true}}`, 200, func(s memory.Settings) bool { return s.Dropped == nil }},
		{`{"NullableDerivationError": {"StatusCode": 5}}`, 400, func(s memory.Settings) bool { return s.Dropped == nil }},
		{`{"PutLatency": "1s", "GetLatency": "soon"}`, 400, func(s memory.Settings) bool { return s.PutLatency == 5*time.Second }},
		{`{"PutLatnecy": "1s"}`, 400, func(s memory.Settings) bool { return s.PutLatency == 5*time.Second }},
		{`{"FlipRate": 0.5, "MissingStatus": 404, "Jitter": "10ms"}`, 200, func(s memory.Settings) bool {
			return s.FlipRate == 0.5 && s.MissingStatus == 404 && s.Jitter == 10*time.Millisecond
		}},
		{`{"FlipRate": 2}`, 400, func(s memory.Settings) bool { return s.FlipRate == 0.5 }},
		{`[]`, 400, func(s memory.Settings) bool { return s.FlipRate == 0.5 }},
		{strings.Repeat(" ", 100_000) + "{}", 400, func(s memory.Settings) bool { return true }},
	} {
		status, body := ask(t, "PATCH", url, c.body)
		if status != c.status || !c.check(layer.Settings()) {
			t.Errorf("%.100s: %d %s: %+v", c.body, status, body, layer.Settings())
		}
	}
	_, body := ask(t, "GET", url, "")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"MaxBlobSizeBytes": 1048576.0, "BlobExpiration": "25m0s", "PutLatency": "5s", "GetLatency": "2s",
		"PutReturnsFailoverError": true, "OverwritePutWithDerivationError": nil, "CertVersion": 4.0, "FlipRate": 0.5,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
}

// TestRoutes: the proxy's, with its statuses.
func TestRoutes(t *testing.T) {
	layer := open(t, memory.Config{})
	url := serve(t, layer)
	_, standard := ask(t, "POST", url+"/put?commitment_mode=standard", "blob")
	_, generic := ask(t, "POST", url+"/put", "blob")
	hash := chain.Keccak256([]byte("blob"))
	keccak := "0x00" + hash.Hex()[2:]
	if standard[0] != 3 || !strings.HasPrefix(generic, "\x01\x00\x03") {
		t.Fatalf("commitments %x, %x", standard, generic)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", fmt.Sprintf("/get/0x%x?commitment_mode=standard", standard), "", 200, "blob"},
		{"GET", fmt.Sprintf("/get/%x?commitment_mode=standard", standard), "", 200, "blob"},
		{"GET", fmt.Sprintf("/get/0x%x", generic), "", 200, "blob"},
		{"GET", fmt.Sprintf("/get/0x0100%x", standard), "", 200, "blob"}, // one layer, two modes
		{"GET", fmt.Sprintf("/get/0x%xff", generic), "", 500, ""},
		{"GET", "/get/0x00aa?commitment_mode=standard", "", 500, ""},
		{"GET", "/get/0x04aa?commitment_mode=standard", "", 400, ""},
		{"GET", "/get/0x?commitment_mode=standard", "", 400, ""},
		{"GET", "/get/0x02aa", "", 400, ""},
		{"GET", "/get/" + keccak, "", 400, ""}, // not there yet
		{"POST", "/put/" + keccak, "glob", 400, ""},
		{"POST", "/put/" + keccak, "blob", 200, ""},
		{"GET", "/get/" + keccak, "", 200, "blob"},
		{"GET", "/health", "", 200, ""},
		{"GET", "/put", "", 405, ""},
		{"PATCH", "/get/0x", "", 405, ""},
		{"GET", "/", "", 404, ""},
	} {
		status, got := ask(t, c.method, url+c.path, c.body)
		if status != c.status || status == 200 && got != c.answer {
			t.Errorf("%s %.40s: %d %q, want %d %q", c.method, c.path, status, got, c.status, c.answer)
		}
	}
}

// TestSlowBody: the body comes as slowly as was asked for.
func TestSlowBody(t *testing.T) {
	layer := open(t, memory.Config{Settings: memory.Settings{BytesPerSecond: 1000}})
	id := put(t, layer, make([]byte, 300))
	name, _, _ := da.Unbind(id)
	begin := time.Now()
	status, body := ask(t, "GET", serve(t, layer)+fmt.Sprintf("/get/0x%x?commitment_mode=standard", name), "")
	if took := time.Since(begin); status != 200 || len(body) != 300 || took < 200*time.Millisecond {
		t.Errorf("%d, %d bytes after %s", status, len(body), took)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"PutLatency":"5s","NullableDerivationError":{"StatusCode":3,"Msg":"x"},"FlipRate":0.5}`))
	f.Add([]byte(`{"NullableDerivationError":{"Reset":true},"MaxBlobSizeBytes":0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		layer := open(t, memory.Config{})
		before, _ := json.Marshal(layer.Settings())
		w := httptest.NewRecorder()
		layer.ServeHTTP(w, httptest.NewRequest("PATCH", "/memstore/config", bytes.NewReader(body)))
		after := layer.Settings()
		text, err := json.Marshal(after)
		if err != nil || w.Code != 200 && !bytes.Equal(text, before) {
			t.Fatalf("status %d, %v, %s", w.Code, err, text)
		}
		if err := layer.Set(after); err != nil {
			t.Fatalf("took settings that are not valid: %v", err)
		}
	})
}

// FuzzRequest: no request of a stranger does more than fail.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/get/0x03aabb", "commitment_mode=standard", []byte{})
	f.Add("POST", "/put/0x00aa", "", []byte("blob"))
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		layer := open(t, memory.Config{})
		r := httptest.NewRequest("GET", "/", bytes.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		w := httptest.NewRecorder()
		layer.ServeHTTP(w, r)
		if n := layer.Stats().Blobs; n > 1 || n == 1 && (method != "POST" || w.Code != 200) {
			t.Fatalf("%d blobs after status %d", n, w.Code)
		}
	})
}
