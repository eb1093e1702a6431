package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/vivace-chain/vivace/internal/sched"
)

const (
	headerPatience = 5 * time.Second
	idlePatience   = 2 * time.Minute
	drainPatience  = 5 * time.Second
	// lingerTime is how long clients may send one more request over the connections that
	// they have, as rpc.Server lets them.
	lingerTime = time.Second
)

// HTTP serves until ctx ends. Then it takes no more connections, answers what is in flight
// and what still comes over connections that it has, and tells who sent that to send no
// other. What http.Server.Shutdown does by itself, to close connections that seem idle, loses
// the requests that were sent and not read. Who takes longer than drainPatience is cut off.
// HTTP closes the listener.
func HTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	var (
		open     atomic.Int64 // connections
		draining atomic.Bool
	)
	server := &http.Server{
		ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if draining.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	err := listener.Close()
	<-failed // else Shutdown would close the listener again
	draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainPatience)
	defer cancel()
	for end := time.Now().Add(lingerTime); open.Load() > 0 && time.Now().Before(end); {
		_ = sched.Sleep(drain, time.Millisecond)
	}
	if cut := server.Shutdown(drain); cut != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}
