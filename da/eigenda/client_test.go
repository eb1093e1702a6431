package eigenda_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/eigenda"
	"github.com/vivace-chain/vivace/da/internal/resttest"
	"github.com/vivace-chain/vivace/da/memory"
)

var modes = map[string]eigenda.Mode{"standard": eigenda.Standard, "op": eigenda.OPGeneric}

func open(t testing.TB, config eigenda.Config) *eigenda.Client {
	t.Helper()
	client, err := eigenda.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// proxy starts a memory layer behind HTTP.
func proxy(t testing.TB, s memory.Settings) (*memory.Layer, string) {
	t.Helper()
	layer, err := memory.New(memory.Config{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(layer)
	t.Cleanup(server.Close)
	return layer, server.URL
}

// TestDAClient: the kit wants ErrNotFound for what is not there, which needs a proxy
// that can say so; see TestMissing for EigenDA's.
func TestDAClient(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
				_, url := proxy(t, memory.Settings{MissingStatus: http.StatusNotFound})
				return open(t, eigenda.Config{URL: url, Mode: mode})
			})
		})
	}
}

func TestMissing(t *testing.T) {
	_, url := proxy(t, memory.Settings{BlobExpiration: time.Nanosecond})
	client := open(t, eigenda.Config{URL: url})
	id, err := client.Put(t.Context(), []byte("soon gone"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond) // the layer prunes at intervals
	_, err = client.Get(t.Context(), id)
	resttest.Check(t, err, da.ErrTransient)
	var status *da.StatusError
	if !errors.As(err, &status) || status.Code != 500 || !strings.Contains(status.Body, "not found") || da.Final(err) {
		t.Errorf("got %v", err)
	}
}

// commitment of a mode, with a version.
func commitment(mode eigenda.Mode, version byte) []byte {
	c := []byte{version, 'c', 'e', 'r', 't'}
	if mode == eigenda.OPGeneric {
		c = append([]byte{1, 0}, c...)
	}
	return c
}

func TestAnswers(t *testing.T) {
	blob := []byte("what was put")
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			c := commitment(mode, 3)
			resttest.Run(t, &resttest.Case{
				Open: func(t testing.TB, url string, timeout time.Duration) chain.DAClient {
					return open(t, eigenda.Config{URL: url, Mode: mode, MaxPayload: 1 << 20, PutTimeout: timeout, GetTimeout: timeout})
				},
				ID: da.Bind(c, blob), Blob: blob, Commitment: c,
				Put400: da.ErrTooLarge, Get400: da.ErrRefused, Limit: 1 << 20,
			})
		})
	}
}

// TestRequests spells out what goes over the wire: it is the proxy's interface
// (servers/rest/routing.go).
func TestRequests(t *testing.T) {
	blob := []byte("blob")
	for mode, want := range map[eigenda.Mode][]string{
		eigenda.Standard: {
			"POST /proxy/put?commitment_mode=standard application/octet-stream blob",
			"GET /proxy/get/0x0263657274?commitment_mode=standard  ",
			"GET /proxy/health  ",
		},
		eigenda.OPGeneric: {
			"POST /proxy/put application/octet-stream blob",
			"GET /proxy/get/0x01000263657274  ",
			"GET /proxy/health  ",
		},
	} {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			got = append(got, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Content-Type"), body.String()}, " "))
			if r.Method == http.MethodPost {
				_, _ = w.Write(commitment(mode, 2))
			} else {
				_, _ = w.Write(blob)
			}
		}))
		client := open(t, eigenda.Config{URL: server.URL + "/proxy/", Mode: mode})
		id, err := client.Put(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		if name, hash, ok := da.Unbind(id); !ok || !bytes.Equal(name, commitment(mode, 2)) || hash != chain.Keccak256(blob) {
			t.Errorf("id is %x", id)
		}
		if _, err := client.Get(t.Context(), id); err != nil {
			t.Error(err)
		}
		if err := client.Health(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
		if !slices.Equal(got, want) {
			t.Errorf("asked\n%q, want\n%q", got, want)
		}
	}
}

// TestVersions: the four version bytes are taken in both directions, others are not.
func TestVersions(t *testing.T) {
	blob := []byte("blob")
	for mode := eigenda.Standard; mode <= eigenda.OPGeneric; mode++ {
		for version := range 256 {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if r.Method == http.MethodPost {
					_, _ = w.Write(commitment(mode, byte(version)))
				} else {
					_, _ = w.Write(blob)
				}
			}))
			client := open(t, eigenda.Config{URL: server.URL, Mode: mode})
			_, putErr := client.Put(t.Context(), blob)
			_, getErr := client.Get(t.Context(), da.Bind(commitment(mode, byte(version)), blob))
			server.Close()
			if version <= 3 {
				resttest.Check(t, putErr)
				resttest.Check(t, getErr)
				continue
			}
			resttest.Check(t, putErr, da.ErrCorrupt)
			resttest.Check(t, getErr, da.ErrNotFound)
			if asked != 1 {
				t.Errorf("version %d: the proxy was asked for what cannot be there", version)
			}
		}
	}
}

// TestV1: a proxy of today has nothing of EigenDA V1, and says so with 500.
func TestV1(t *testing.T) {
	for mode, version := range map[eigenda.Mode]byte{eigenda.Standard: 0, eigenda.OPGeneric: 0} {
		_, url := proxy(t, memory.Settings{})
		_, err := open(t, eigenda.Config{URL: url, Mode: mode}).Get(t.Context(), da.Bind(commitment(mode, version), []byte("old")))
		resttest.Check(t, err, da.ErrNotFound)
		if err == nil || !strings.Contains(err.Error(), "V1 is gone") {
			t.Errorf("got %v", err)
		}
	}
}

// TestOtherMode: an id of the other mode names nothing here.
func TestOtherMode(t *testing.T) {
	_, url := proxy(t, memory.Settings{})
	id := da.Bind(commitment(eigenda.Standard, 3), []byte("blob"))
	_, err := open(t, eigenda.Config{URL: url, Mode: eigenda.OPGeneric}).Get(t.Context(), id)
	resttest.Check(t, err, da.ErrNotFound)
}

func TestSizes(t *testing.T) {
	_, url := proxy(t, memory.Settings{})
	client := open(t, eigenda.Config{URL: url})
	largest := make([]byte, eigenda.MaxPayload)
	id, err := client.Put(t.Context(), largest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Get(t.Context(), id); err != nil || !bytes.Equal(got, largest) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	_, err = client.Put(t.Context(), append(largest, 0))
	resttest.Check(t, err, da.ErrTooLarge)
	// A proxy that takes less says so with 400.
	_, url = proxy(t, memory.Settings{MaxBlobSizeBytes: 1 << 20})
	client = open(t, eigenda.Config{URL: url})
	_, err = client.Put(t.Context(), make([]byte, 1<<20))
	resttest.Check(t, err, da.ErrTooLarge)
	info, err := client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.Put(t.Context(), make([]byte, info.MaxPayload)); err != nil {
		t.Error(err)
	}
	_, err = client.Put(t.Context(), make([]byte, info.MaxPayload+1))
	resttest.Check(t, err, da.ErrTooLarge)
}

// TestFaults: whatever the proxy does, a Get is right or an error, and a Put that
// returns is there.
func TestFaults(t *testing.T) {
	layer, url := proxy(t, memory.Settings{
		ErrorRate: 0.1, BusyRate: 0.1, FailoverRate: 0.1, CutRate: 0.1, TruncateRate: 0.1, EmptyRate: 0.1, FlipRate: 0.1,
	})
	client := open(t, eigenda.Config{URL: url})
	blob := bytes.Repeat([]byte("some blob "), 1000)
	again := func(f func() error) {
		for range 100 {
			err := f()
			if err == nil {
				return
			}
			if da.Final(err) || errors.Is(err, da.ErrNotFound) || errors.Is(err, da.ErrRefused) {
				t.Fatalf("no later try can go better: %v", err)
			}
		}
		t.Fatal("a hundred tries failed")
	}
	for range 50 {
		var id chain.BlobID
		again(func() (err error) { id, err = client.Put(t.Context(), blob); return err })
		again(func() error {
			got, err := client.Get(t.Context(), id)
			if err == nil && !bytes.Equal(got, blob) {
				t.Fatal("got other bytes than were put")
			}
			return err
		})
	}
	if stats := layer.Stats(); stats.Faults < 50 {
		t.Errorf("%+v: too few faults for this to prove anything", stats)
	}
}

func TestInfo(t *testing.T) {
	_, url := proxy(t, memory.Settings{})
	client := open(t, eigenda.Config{URL: url})
	info, err := client.Info(t.Context())
	if err != nil || info.MaxPayload != eigenda.MaxPayload || info.ReadOnly || !slices.Contains(info.APIs, "op-generic") {
		t.Errorf("%+v, %v", info, err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer server.Close()
	_, err = open(t, eigenda.Config{URL: server.URL}).Info(t.Context())
	resttest.Check(t, err, da.ErrCorrupt)
	server.Close()
	resttest.Check(t, open(t, eigenda.Config{URL: server.URL}).Health(t.Context()), da.ErrTransient)
}

func TestConfig(t *testing.T) {
	for _, config := range []eigenda.Config{
		{}, {URL: "127.0.0.1:3100"}, {URL: "ftp://host"}, {URL: "http://"}, {URL: "http://host?x=1"}, {URL: "http://host#x"},
		{URL: "http://host", Mode: 2}, {URL: "http://a b"},
	} {
		if _, err := eigenda.New(config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}

// A client of the user's own is used, but does not bring redirects back.
func TestOwnHTTP(t *testing.T) {
	used := 0
	hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		used++
		return &http.Response{StatusCode: 303, Header: http.Header{"Location": {"http://elsewhere/"}}, Body: http.NoBody}, nil
	})}
	_, err := open(t, eigenda.Config{URL: "http://host", HTTP: hc}).Put(t.Context(), []byte("blob"))
	resttest.Check(t, err, da.ErrRefused)
	if used != 1 || hc.CheckRedirect != nil {
		t.Errorf("used %d times; altered %t", used, hc.CheckRedirect != nil)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
