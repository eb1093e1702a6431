package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"sync"
	"time"
)

//go:embed page
var files embed.FS

// policy lets the page load from its own origin, its own feed included, and nothing
// from anywhere else; nothing inline; and nobody may put it into a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A Dashboard is the page with its feed. It may serve at several addresses.
type Dashboard struct {
	mux  *http.ServeMux
	feed *feed
	stop func()
	done sync.WaitGroup
}

// New begins to read, four times a second and one call at a time, until Close. What read
// returns is not altered after that, by either side.
func New(read func() Snapshot) *Dashboard { return newDashboard(read, new(window)) }

func newDashboard(read func() Snapshot, past *window) *Dashboard {
	stop, f := make(chan struct{}), newFeed()
	d := &Dashboard{mux: newMux(f), feed: f, stop: sync.OnceFunc(func() { close(stop) })}
	d.done.Go(func() { d.watch(read, past, stop) })
	return d
}

func newMux(live http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page("index.html"))
	for _, name := range []string{"style.css", "script.js", "icon.svg"} {
		mux.Handle("GET /dashboard/"+name, page(name))
	}
	mux.Handle("GET /dashboard/live", live)
	return mux
}

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

// Close stops the reading, ends the feeds and returns when that is done. It may be called
// more than once. The page is still served, and says that it is not connected.
func (d *Dashboard) Close() error {
	d.stop()
	d.done.Wait()
	d.feed.close()
	return nil
}

// watch feeds the viewers.
func (d *Dashboard) watch(read func() Snapshot, w *window, stop <-chan struct{}) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		w.add(time.Now(), read())
		d.feed.send(w.message())
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}

// page serves one of the files.
func page(name string) http.Handler {
	text, err := files.ReadFile(path.Join("page", name))
	if err != nil {
		panic(fmt.Sprintf("dashboard: %v", err)) // it is in the binary
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(text))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // but ask whether it is still the same
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	})
}
