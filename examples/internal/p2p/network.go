package p2p

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// Options are the flags of a program's place in the network.
type Options struct {
	Address string
	Port    int
	Boot    string
	Allow   string
	Deny    string
	Peers   int
}

// Flags declares them; port is the default one.
func (o *Options) Flags(f *flag.FlagSet, port int) {
	f.StringVar(&o.Address, "p2p.addr", "127.0.0.1", "IP `address` to meet peers at")
	f.IntVar(&o.Port, "p2p.port", port, "`port` to meet peers at; 0 is any free one")
	f.StringVar(&o.Boot, "p2p.boot", "", "comma-separated `multiaddresses` of peers to begin with, such as /ip4/192.0.2.1/tcp/9545/p2p/12D3...")
	f.StringVar(&o.Allow, "p2p.allow", "", "comma-separated peer ids or address `ranges` (CIDR) that may be peers; all, if empty")
	f.StringVar(&o.Deny, "p2p.deny", "", "comma-separated peer ids or address `ranges` that may not")
	f.IntVar(&o.Peers, "p2p.maxpeers", 64, "how `many` peers there are at most")
}

// Check finds flags that make no sense; the error matches cli.ErrUsage.
func (o *Options) Check() error {
	if net.ParseIP(o.Address) == nil {
		return fmt.Errorf("%w: -p2p.addr: %q is no IP address", cli.ErrUsage, o.Address)
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("%w: -p2p.port: %d is no port", cli.ErrUsage, o.Port)
	}
	return nil
}

// Open makes the node, with what cfg says of the chain and of who is believed. Its
// identity is in the file p2p.key of dir, and what it keeps of snapshots in snapshots. The node's peers are those of -p2p.boot, and
// boot.
func (o *Options) Open(cfg gossip.Config, dir string, boot []string) (*gossip.Node, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	key, err := identity(filepath.Join(dir, "p2p.key"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	family := "ip4"
	if net.ParseIP(o.Address).To4() == nil {
		family = "ip6"
	}
	cfg.Key, cfg.Recover, cfg.SnapshotDir = key, Recover, filepath.Join(dir, "snapshots")
	cfg.Listen = []string{fmt.Sprintf("/%s/%s/tcp/%d", family, o.Address, o.Port)}
	cfg.Boot = append(cli.List(o.Boot), boot...)
	cfg.Allow, cfg.Deny, cfg.PeersMax = cli.List(o.Allow), cli.List(o.Deny), o.Peers
	return gossip.New(cfg)
}

// identity reads an ed25519 key from a file, and makes one if there is none.
func identity(path string) (ed25519.PrivateKey, error) {
	if err := cli.CheckOwner(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return key, os.WriteFile(path, []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600)
	case err != nil:
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is not a key: %d hexadecimal digits are expected", path, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// Recover is who signed hash, by libsecp256k1 where the program has a C compiler's help.
func Recover(hash common.Hash, sig *[65]byte) (common.Address, error) {
	public, err := crypto.Ecrecover(hash[:], sig[:])
	if err != nil {
		return common.Address{}, err
	}
	return common.BytesToAddress(crypto.Keccak256(public[1:])[12:]), nil
}
