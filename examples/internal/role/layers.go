package role

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/rpc"
)

const layersUsage = p2p.LayerUsage + "; of several, comma-separated, blobs go to the first that is not down"

// ownLayer, as one of the sequencer's -da.layer, is a directory that it serves itself.
const ownLayer = "own"

// checkLayers finds a list of layers that makes no sense; the error matches cli.ErrUsage.
func checkLayers(list string) error {
	for _, spec := range cli.List(list) {
		if err := p2p.CheckLayer(spec); err != nil {
			return err
		}
	}
	return nil
}

// layerOptions are the flags of the sequencer's layers.
type layerOptions struct {
	list     string
	cooldown time.Duration
	address  string
	port     int
	bytes    int64
}

// Flags declares them.
func (o *layerOptions) Flags(f *flag.FlagSet) {
	f.StringVar(&o.list, "da.layer", ownLayer, layersUsage+"; own is a directory of our own, served as altda")
	f.DurationVar(&o.cooldown, "da.cooldown", 5*time.Minute, "how long blobs go to another of several layers until the first is tried again")
	f.StringVar(&o.address, "da.addr", "127.0.0.1", "`address` to serve the layer of our own at")
	f.IntVar(&o.port, "da.port", 8548, "its `port`; 0 is any free one")
	f.Int64Var(&o.bytes, "da-bytes", 0, "`bytes` of it that are kept, beside those of the last ten minutes; 0 keeps all")
}

// specs are the layers that the flags name: the own, if they name none.
func (o *layerOptions) specs() []string {
	if specs := cli.List(o.list); len(specs) > 0 {
		return specs
	}
	return []string{ownLayer}
}

// check finds flags that make no sense.
func (o *layerOptions) check() error {
	own := 0
	others := slices.DeleteFunc(o.specs(), func(spec string) bool {
		if spec == ownLayer {
			own++
		}
		return spec == ownLayer
	})
	switch {
	case own > 1:
		return fmt.Errorf("%w: -da.layer: there is one layer of our own", cli.ErrUsage)
	case o.cooldown <= 0:
		return fmt.Errorf("%w: -da.cooldown must be positive", cli.ErrUsage)
	case o.bytes < 0:
		return fmt.Errorf("%w: -da-bytes must not be negative", cli.ErrUsage)
	}
	return checkLayers(strings.Join(others, ","))
}

// layers are the data-availability layers at work.
type layers struct {
	client chain.DAClient
	specs  []string
	own    *p2p.OwnLayer // nil if there is none
	active func() int    // position of the one that blobs go to
	close  func()
}

// open opens the layers. One of our own, in dir, is served from now on until they are
// closed, for all others to read.
func (o *layerOptions) open(ctx context.Context, dir string, log *slog.Logger) (*layers, error) {
	l := &layers{specs: o.specs(), active: func() int { return 0 }, close: func() {}}
	var clients []chain.DAClient
	for _, spec := range l.specs {
		client, err := o.client(spec, dir, l)
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	if l.client = clients[0]; len(clients) > 1 {
		several, err := da.NewFailover(da.FailoverConfig{Layers: clients, Cooldown: o.cooldown})
		if err != nil {
			return nil, fmt.Errorf("%w: -da.layer: %w", cli.ErrUsage, err)
		}
		l.client, l.active = &told{Failover: several, name: l.name, log: log}, several.Active
	}
	if l.own != nil {
		l.close = serveOwn(ctx, l.own, log)
	}
	return l, nil
}

// client opens one of the layers.
func (o *layerOptions) client(spec, dir string, l *layers) (chain.DAClient, error) {
	if spec != ownLayer {
		return p2p.Layer(spec)
	}
	var err error
	if l.own, err = p2p.OpenLayer(dir, o.address, o.port); err != nil {
		return nil, err
	}
	return l.own.Client(), nil
}

// serveOwn serves a layer of our own until close is called, which closes it.
func serveOwn(ctx context.Context, own *p2p.OwnLayer, log *slog.Logger) (close func()) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		err := own.Run(serving)
		if err != nil {
			log.Error("the data-availability layer is not served any more", "err", err)
		}
		ended <- err
	}()
	return func() {
		stop()
		<-ended
		if err := own.Close(); err != nil {
			log.Error("the data-availability layer cannot be closed", "err", err)
		}
	}
}

// specAt is what one who reaches this machine at a host gives as -da.layer for layer i.
func (l *layers) specAt(i int, host string) string {
	if l.specs[i] == ownLayer {
		return l.own.Spec(host)
	}
	return l.specs[i]
}

// listAt is what he gives for all of them.
func (l *layers) listAt(host string) string {
	all := make([]string, len(l.specs))
	for i := range l.specs {
		all[i] = l.specAt(i, host)
	}
	return strings.Join(all, ",")
}

// activeAt is what he would give for the one that blobs go to.
func (l *layers) activeAt(host string) string { return l.specAt(l.active(), host) }

// name is what people are told of layer i: without what its URL may keep secret.
func (l *layers) name(i int) string {
	kind, address, _ := strings.Cut(l.specs[i], "=")
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		kind += "=" + u.Scheme + "://" + u.Host
	}
	return kind
}

// names are those of all.
func (l *layers) names() (out []string) {
	for i := range l.specs {
		out = append(out, l.name(i))
	}
	return out
}

// named adds to reasons that are about the layers which of them blobs go to.
func (l *layers) named(ready func() []rpc.Reason) func() []rpc.Reason {
	return func() []rpc.Reason {
		reasons := ready()
		for i := range reasons {
			if reasons[i].Check == serve.AboutLayer {
				reasons[i].Detail += ", which is " + l.name(l.active())
			}
		}
		return reasons
	}
}

// told is a Failover that tells when blobs begin to go elsewhere.
type told struct {
	*da.Failover
	name   func(int) string
	log    *slog.Logger
	before atomic.Int64 // where they went
}

// Put implements chain.DAClient.
func (t *told) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := t.Failover.Put(ctx, blob)
	now := int64(t.Active())
	if before := t.before.Swap(now); before != now {
		t.log.Warn("blobs go to another data-availability layer", "before", t.name(int(before)), "now", t.name(int(now)))
	}
	return id, err
}
