package rpc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
)

// Admin turns the namespace admin on: POST to /admin, with a token (HS256, issued at
// most 60 s ago) in the header Authorization.
type Admin struct {
	// Secret signs the tokens; see LoadSecret. Required, SecretSize bytes.
	Secret []byte
	// LogLevel is what admin_setLogLevel sets. Default: the method fails.
	LogLevel *slog.LevelVar
	// Drain is what admin_drain calls, in a goroutine of its own: it makes the process
	// stop as a signal would. Default: the method fails.
	Drain func()
}

func (a *Admin) validate() error {
	if len(a.Secret) != SecretSize {
		return fmt.Errorf("rpc: Admin.Secret has %d bytes, must have %d", len(a.Secret), SecretSize)
	}
	return nil
}

// guard lets requests with a token through.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authorize(r, s.cfg.Admin.Secret, time.Now()); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, http.StatusUnauthorized, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// adminAPI is the namespace admin.
type adminAPI struct{ door *Server }

// A Status is what admin_status answers.
type Status struct {
	Version       string    `json:"version"`
	Sealed        headID    `json:"sealed"`
	Published     headID    `json:"published"`
	Proven        headID    `json:"proven"`
	Ready         bool      `json:"ready"`
	Reasons       []Reason  `json:"reasons"`
	Connections   int       `json:"connections"`
	WebSockets    int       `json:"webSockets"`
	Subscriptions int       `json:"subscriptions"`
	Refused       uint64    `json:"refused"`
	Since         time.Time `json:"since"`
}

type headID struct {
	Number hexutil.Uint64 `json:"number"`
	Hash   common.Hash    `json:"hash"`
}

func newHeadID(id chain.BlockID) headID { return headID{hexutil.Uint64(id.Number), id.Hash} }

// Status is admin_status.
func (a *adminAPI) Status() *Status {
	var (
		heads   = a.door.cfg.Backend.Heads()
		stats   = a.door.Stats()
		reasons = a.door.cfg.Ready()
	)
	return &Status{
		Version: a.door.cfg.Version,
		Sealed:  newHeadID(heads.Sealed), Published: newHeadID(heads.Published), Proven: newHeadID(heads.Proven),
		Ready: len(reasons) == 0, Reasons: append([]Reason{}, reasons...),
		Connections: stats.Connections, WebSockets: stats.WebSockets, Subscriptions: stats.Subscriptions,
		Refused: stats.Refused, Since: a.door.since,
	}
}

// LogLevel is admin_logLevel.
func (a *adminAPI) LogLevel() (string, error) {
	if a.door.cfg.Admin.LogLevel == nil {
		return "", errNotOffered
	}
	return a.door.cfg.Admin.LogLevel.Level().String(), nil
}

// SetLogLevel is admin_setLogLevel: DEBUG, INFO, WARN or ERROR.
func (a *adminAPI) SetLogLevel(level string) (bool, error) {
	if a.door.cfg.Admin.LogLevel == nil {
		return false, errNotOffered
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return false, err
	}
	a.door.cfg.Admin.LogLevel.Set(l)
	a.door.cfg.Logger.Info("log level set", "level", l)
	return true, nil
}

// Drain is admin_drain: the process stops once requests in flight are answered.
func (a *adminAPI) Drain() (bool, error) {
	if a.door.cfg.Admin.Drain == nil {
		return false, errNotOffered
	}
	a.door.cfg.Logger.Info("asked to drain")
	go a.door.cfg.Admin.Drain()
	return true, nil
}

var errNotOffered = errors.New("this node does not offer that")
