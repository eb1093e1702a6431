package serve

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/rpc"
)

// Options are the flags of what a program serves.
type Options struct {
	Address string
	Port    int
	Hosts   string
	Origins string
	API     string
	Admin   bool
	Secret  string
	Profile bool
}

// Flags declares them; port is the default one.
func (o *Options) Flags(f *flag.FlagSet, port int) {
	f.StringVar(&o.Address, "http.addr", "127.0.0.1", "`address` to serve HTTP and WebSocket at")
	f.IntVar(&o.Port, "http.port", port, "`port` to serve HTTP and WebSocket at; 0 is any free one")
	f.StringVar(&o.Hosts, "http.vhosts", "localhost", "comma-separated host `names` that clients may use; * is any")
	f.StringVar(&o.Origins, "http.corsdomain", strings.Join(rpc.DefaultOrigins(), ","), "comma-separated `origins` of web pages that may use the door, of which scheme and port may be left out; * is any")
	f.StringVar(&o.API, "http.api", strings.Join(rpc.DefaultNamespaces(), ","), "comma-separated `namespaces` to serve")
	f.BoolVar(&o.Admin, "admin.enable", false, "serve namespace admin at /admin, to holders of a token")
	f.StringVar(&o.Secret, "admin.jwtsecret", "", "`file` with the secret of these tokens, made if it is missing (default jwt.hex in the data directory)")
	f.BoolVar(&o.Profile, "pprof", false, "serve profiles at /debug/pprof/")
}

// Namespaces are all that Options.API may name.
func Namespaces() []string { return append(rpc.DefaultNamespaces(), "testing") }

// A Door is an open address, and what its Options say of it.
type Door struct {
	options  Options
	listener net.Listener
	secret   []byte
}

// Open finds out what makes no sense, which matches cli.ErrUsage, and opens the address,
// before the program prints or opens anything else. dir is where the secret is by default.
func (o *Options) Open(dir string) (*Door, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d := &Door{options: *o}
	if o.Admin {
		file := o.Secret
		if file == "" {
			file = filepath.Join(dir, "jwt.hex")
		}
		var err error
		if err = cli.CheckOwner(file); err != nil {
			return nil, fmt.Errorf("%w: -admin.jwtsecret: %w", cli.ErrUsage, err)
		}
		if d.secret, err = rpc.LoadSecret(file); err != nil {
			return nil, fmt.Errorf("%w: -admin.jwtsecret: %w", cli.ErrUsage, err)
		}
	}
	var err error
	if d.listener, err = listen(o.Address, o.Port); err != nil {
		return nil, err
	}
	return d, nil
}

// check finds values that make no sense.
func (o *Options) check() error {
	if err := checkPort(o.Port); err != nil {
		return err
	}
	names := cli.List(o.API)
	for _, name := range names {
		switch {
		case name == "admin":
			return fmt.Errorf("%w: -http.api: admin has a path of its own: see -admin.enable", cli.ErrUsage)
		case !slices.Contains(Namespaces(), name):
			return fmt.Errorf("%w: -http.api: there is no namespace %q; there are %s", cli.ErrUsage, name, strings.Join(Namespaces(), ", "))
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: -http.api: no namespace", cli.ErrUsage)
	}
	return nil
}

// Addr is the address.
func (d *Door) Addr() net.Addr { return d.listener.Addr() }

// Close closes the address, if Service.Run did not.
func (d *Door) Close() error {
	if err := d.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
