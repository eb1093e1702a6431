package memory

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

const (
	bodyMax  = 16 << 20 // of a put, in bytes (api/proxy/common/common.go)
	patchMax = 64 << 10
)

// ServeHTTP serves the proxy's interface (api/proxy/servers/rest/routing.go): put and
// get in its standard, OP generic and OP keccak modes, /health, /config, and
// /memstore/config.
func (l *Layer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var (
		name, isGet  = strings.CutPrefix(r.URL.Path, "/get/")
		known, isPut = strings.CutPrefix(r.URL.Path, "/put/")
	)
	switch route := r.Method + " " + r.URL.Path; {
	case r.Method == http.MethodGet && isGet:
		l.serveGet(w, r, name)
	case r.Method == http.MethodPost && isPut && known != "":
		l.servePutKeccak(w, r, known)
	case r.Method == http.MethodPost && (isPut || r.URL.Path == "/put"):
		l.servePut(w, r)
	case route == "GET /health":
		// 200
	case route == "GET /config":
		writeJSON(w, l.info())
	case route == "GET /memstore/config":
		writeJSON(w, l.Settings())
	case route == "PATCH /memstore/config":
		l.servePatch(w, r)
	case isGet || isPut || r.URL.Path == "/put":
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader left
}

// patch changes what body names, or nothing.
func (l *Layer) patch(body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.settings.patched(body)
	if err != nil {
		return err
	}
	l.settings = s
	return nil
}

// info is what the proxy says of itself (api/proxy/common/compatibility_config.go).
func (l *Layer) info() map[string]any {
	largest := uint64(1) << (bits.Len64(max(l.Settings().MaxBlobSizeBytes, 32)) - 1) // blobs are powers of two
	return map[string]any{
		"version": "vivace-memory", "chain_id": "", "max_payload_size_bytes": largest/32*31 - 31,
		"apis_enabled": []string{"standard", "op-generic", "op-keccak"}, "read_only_mode": false,
	}
}

func (l *Layer) servePatch(w http.ResponseWriter, r *http.Request) {
	body, err := rest.Read(r.Body, r.ContentLength, patchMax)
	if err == nil {
		err = l.patch(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, l.Settings())
}

func isStandard(r *http.Request) bool { return r.URL.Query().Get("commitment_mode") == "standard" }

// opGeneric begins the commitments of that mode, before the version.
var opGeneric = []byte{0x01, 0x00}

func (l *Layer) servePut(w http.ResponseWriter, r *http.Request) {
	payload, ok := readBody(w, r)
	if !ok {
		return
	}
	c := l.begin(false)
	commitment, err := l.put(r.Context(), c, payload)
	if err != nil {
		c.writeError(w, err)
		return
	}
	if !isStandard(r) {
		commitment = append(opGeneric[:2:2], commitment...)
	}
	c.writeBlob(w, r, commitment)
}

func (l *Layer) servePutKeccak(w http.ResponseWriter, r *http.Request, name string) {
	payload, ok := readBody(w, r)
	if !ok {
		return
	}
	hash, ok := parseKeccak(parseHex(name))
	if !ok || chain.Keccak256(payload) != hash {
		http.Error(w, "the commitment is not keccak256 of the body", http.StatusBadRequest)
		return
	}
	c := l.begin(false)
	if err := c.admit(r.Context(), payload); err != nil {
		c.writeError(w, err)
		return
	}
	l.mu.Lock()
	if c.fault != lose {
		l.keccak[hash] = payload
	}
	l.mu.Unlock()
	c.writeBlob(w, r, nil)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := rest.Read(r.Body, r.ContentLength, bodyMax)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return body, err == nil
}

func (l *Layer) serveGet(w http.ResponseWriter, r *http.Request, name string) {
	commitment := parseHex(name)
	if !isStandard(r) {
		if hash, ok := parseKeccak(commitment); ok {
			l.serveGetKeccak(w, r, hash)
			return
		}
		if len(commitment) < 3 || commitment[0] != opGeneric[0] {
			http.Error(w, "unsupported commitment type", http.StatusBadRequest)
			return
		}
		commitment = commitment[2:] // whatever the layer's byte
	}
	if len(commitment) == 0 || commitment[0] > 0x03 {
		http.Error(w, "parsing version byte", http.StatusBadRequest)
		return
	}
	c := l.begin(true)
	payload, err := l.get(r.Context(), c, commitment)
	if err != nil {
		c.writeError(w, err)
		return
	}
	c.writeBlob(w, r, payload)
}

func (l *Layer) serveGetKeccak(w http.ResponseWriter, r *http.Request, hash common.Hash) {
	c := l.begin(true)
	err := c.fail(r.Context())
	if err == nil {
		err = sleep(r.Context(), c.GetLatency+c.jitter)
	}
	if err != nil {
		c.writeError(w, err)
		return
	}
	l.mu.Lock()
	payload, ok := l.keccak[hash]
	l.mu.Unlock()
	if !ok {
		http.Error(w, "keccak key not found", http.StatusBadRequest) // common/proxyerrors/4xx.go
		return
	}
	c.writeBlob(w, r, payload)
}

// writeError answers as the proxy does: too large is 400, not found 500.
func (c *call) writeError(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, da.ErrTooLarge):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, da.ErrNotFound):
		http.Error(w, err.Error(), c.MissingStatus)
	default:
		rest.WriteError(w, err)
	}
}

// writeBlob answers with bytes, spoiled and slowed as was drawn.
func (c *call) writeBlob(w http.ResponseWriter, r *http.Request, blob []byte) {
	spoiled := c.fault.spoil(blob, c.point)
	stated := len(spoiled)
	if c.fault == cut {
		stated = len(blob) + 1 // net/http closes the connection when less comes
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(stated))
	control := http.NewResponseController(w)
	piece := max(len(spoiled), 1)
	if c.BytesPerSecond > 0 {
		piece = max(c.BytesPerSecond/20, 1)
	}
	for len(spoiled) > 0 {
		n := min(piece, len(spoiled))
		if _, err := w.Write(spoiled[:n]); err != nil {
			return // the reader left
		}
		if spoiled = spoiled[n:]; c.BytesPerSecond > 0 && len(spoiled) > 0 {
			_ = control.Flush()
			if sleep(r.Context(), time.Duration(float64(n)/float64(c.BytesPerSecond)*float64(time.Second))) != nil {
				return
			}
		}
	}
}

// parseHex is the bytes of a commitment in a path; nil if it is none. The 0x may be
// missing.
func parseHex(name string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(name, "0x"))
	if err != nil {
		return nil
	}
	return b
}

func parseKeccak(commitment []byte) (common.Hash, bool) {
	if len(commitment) != 1+common.HashLength || commitment[0] != 0x00 {
		return common.Hash{}, false
	}
	return common.Hash(commitment[1:]), true
}
