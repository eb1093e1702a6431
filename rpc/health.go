package rpc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A Reason is why a node should not get traffic.
type Reason struct {
	Check  string `json:"check"`  // what was looked at, in a word: "head"
	Detail string `json:"detail"` // what is wrong, for people
}

// health is what the health paths answer as JSON.
type health struct {
	Status  string   `json:"status"` // "ok" or "unavailable"
	Reasons []Reason `json:"reasons"`
}

// serveLive says that the process serves.
func serveLive(w http.ResponseWriter, r *http.Request) { AnswerHealth(w, r, nil) }

// serveReady says whether the node should get traffic.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	reasons := s.cfg.Ready()
	if s.draining.Load() {
		reasons = append([]Reason{{"drain", "the node is stopping"}}, reasons...)
	}
	AnswerHealth(w, r, reasons)
}

// AnswerHealth answers as the health paths do, for programs that have no Server: 200
// without reasons, 503 with them; in plain text to people who ask with a browser or a
// shell, and in JSON to whoever accepts that.
func AnswerHealth(w http.ResponseWriter, r *http.Request, reasons []Reason) {
	status, h := http.StatusOK, health{"ok", []Reason{}}
	if len(reasons) > 0 {
		status, h = http.StatusServiceUnavailable, health{"unavailable", reasons}
	}
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "json") || r.URL.Query().Get("format") == "json" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(h) // a client that is gone needs no answer
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, h.Status)
	for _, reason := range h.Reasons {
		fmt.Fprintf(w, "%s: %s\n", reason.Check, reason.Detail)
	}
}

// plainPage is what stands at / for people.
func plainPage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "JSON-RPC of a Vivace node: POST, or a WebSocket. See also /healthz/ready.")
}
