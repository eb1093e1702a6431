package altda

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// An Index remembers under which BlobID the blob of a keccak commitment is. It may be
// called concurrently.
type Index interface {
	// Put is durable when it returns. The same key may be put again.
	Put(ctx context.Context, key, value []byte) error
	// Get fails with ErrNotFound when there is no such key.
	Get(ctx context.Context, key []byte) ([]byte, error)
}

// ServerConfig is the Config of a Server. Client is required.
type ServerConfig struct {
	// Client is the layer that is served.
	Client chain.DAClient
	// Mode is which commitment POST /put answers with. Both kinds are read.
	Mode Mode
	// Index is needed for keccak commitments unless the Client's BlobID of every blob
	// is its keccak256.
	Index Index
	// MaxBlob is the largest blob in bytes that is taken. Default 128 MiB.
	MaxBlob int
	// Concurrent is how many requests are served at once, each of which may hold one
	// blob in memory; others are told to come back. Default 16.
	Concurrent int
	// Timeout is how long a client may take to send a blob, and to take one. Default
	// 1 minute.
	Timeout time.Duration
	// ReadOnly: nothing is put by way of the server. Whoever reaches one that is not may
	// fill the layer.
	ReadOnly bool
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.MaxBlob <= 0 {
		c.MaxBlob = maxBlobDefault
	}
	if c.Concurrent <= 0 {
		c.Concurrent = 16
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	return c
}

// A Server is an http.Handler that serves a chain.DAClient as OP's da-server does. It
// has no access control; see ServerConfig.ReadOnly.
type Server struct {
	config ServerConfig
	slots  chan struct{}
}

var _ http.Handler = (*Server)(nil)

// NewServer returns a handler for the root of a server.
func NewServer(config ServerConfig) (*Server, error) {
	if config.Client == nil || !config.Mode.known() {
		return nil, fmt.Errorf("altda: a server needs a Client, and mode %d to be known", config.Mode)
	}
	config = config.withDefaults()
	return &Server{config: config, slots: make(chan struct{}, config.Concurrent)}, nil
}

// ServeHTTP implements http.Handler. It may be called concurrently.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	name, isGet := strings.CutPrefix(path, "/get/")
	known, isPut := strings.CutPrefix(path, "/put/")
	switch {
	case path == "/health" && r.Method == http.MethodGet:
		return // 200
	case isGet && r.Method == http.MethodGet:
		s.serve(w, func() error { return s.get(w, r, name) })
	case s.config.ReadOnly && (isPut || path == "/put"):
		http.Error(w, "this server only reads", http.StatusForbidden)
	case path == "/put" && r.Method == http.MethodPost:
		s.serve(w, func() error { return s.put(w, r, "") })
	case isPut && r.Method == http.MethodPost:
		s.serve(w, func() error { return s.put(w, r, known) })
	case isGet || isPut || path == "/put" || path == "/health":
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

// errBadRequest is a request that makes no sense: status 400.
var errBadRequest = errors.New("bad request")

func (s *Server) serve(w http.ResponseWriter, f func() error) {
	// The deadline is of this request: net/http sets it anew for the next one. It also
	// ends the reading of a body that nobody wants.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.config.Timeout))
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		rest.WriteError(w, &da.BusyError{RetryAfter: time.Second, Msg: "too many requests at once"})
		return
	}
	switch err := f(); {
	case errors.Is(err, errBadRequest):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		rest.WriteError(w, err)
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, name string) error {
	var known []byte
	if name != "" {
		var err error
		if known, err = parseHex(name); err != nil {
			return err
		}
		if _, ok := parseKeccak(known); !ok {
			return fmt.Errorf("%w: 0x%s is not a keccak commitment; others are made here", errBadRequest, name)
		}
	}
	blob, err := rest.Read(r.Body, r.ContentLength, s.config.MaxBlob)
	switch {
	case errors.Is(err, da.ErrTooLarge):
		return err
	case err != nil:
		return fmt.Errorf("%w: body: %v", errBadRequest, err)
	case known != nil && !bytes.Equal(known, appendKeccak(nil, blob)):
		return fmt.Errorf("%w: the body has another hash than its commitment", errBadRequest)
	}
	id, err := s.config.Client.Put(r.Context(), blob)
	if err != nil {
		return err
	}
	if known == nil && s.config.Mode == Generic {
		return rest.WriteBlob(w, append([]byte{byte(Generic), layerByte}, id...))
	}
	if err := s.remember(r.Context(), chain.Keccak256(blob), id); err != nil {
		return err
	}
	if known == nil {
		return rest.WriteBlob(w, appendKeccak(nil, blob))
	}
	return nil // 200
}

// remember makes sure that get will find the id.
func (s *Server) remember(ctx context.Context, hash common.Hash, id chain.BlobID) error {
	switch {
	case s.config.Index != nil:
		return s.config.Index.Put(ctx, hash[:], id)
	case !bytes.Equal(id, hash[:]):
		return errors.New("this layer's names are no hashes, and no index is configured for keccak commitments")
	}
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, name string) error {
	commitment, err := parseHex(name)
	if err != nil {
		return err
	}
	blob, err := s.read(r.Context(), commitment)
	if err != nil {
		return err
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.config.Timeout))
	if err := rest.WriteBlob(w, blob); err != nil {
		return nil // the reader left
	}
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{}) // unlike the other one, this stays
	return nil
}

func (s *Server) read(ctx context.Context, commitment []byte) ([]byte, error) {
	if hash, ok := parseKeccak(commitment); ok {
		return s.readKeccak(ctx, hash)
	}
	if err := checkGeneric(commitment); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	if commitment[1] != layerByte {
		return nil, fmt.Errorf("%w: layer 0x%02x is not served here", chain.ErrNotFound, commitment[1])
	}
	return s.config.Client.Get(ctx, commitment[2:])
}

func (s *Server) readKeccak(ctx context.Context, hash common.Hash) ([]byte, error) {
	id := hash[:]
	if s.config.Index != nil {
		var err error
		if id, err = s.config.Index.Get(ctx, hash[:]); err != nil {
			return nil, err
		}
	}
	blob, err := s.config.Client.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return blob, da.CheckBlob(blob, hash)
}

func parseHex(name string) ([]byte, error) {
	digits, ok := strings.CutPrefix(name, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return nil, fmt.Errorf("%w: commitment is not hex after 0x", errBadRequest)
	}
	return b, nil
}
