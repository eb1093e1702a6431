package gossip

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/vivace-chain/vivace/internal/envelope"
)

// Config says what a Node is part of. ChainID, Genesis and Signers are required.
type Config struct {
	ChainID uint64
	Genesis common.Hash // hash of block 0
	// Signers are the keys that are believed, and in what: the sequencer's in all, or
	// a prover's in envelope.KindAttestation only.
	Signers map[common.Address]envelope.Grant
	// Recover finds who signed; default: in Go alone. Of what a message costs, it is
	// most: a binary that may have a C compiler gives the faster one.
	Recover envelope.Recover

	// Signer seals what is published here. It must be one of Signers. Without it the
	// node relays, serves and reads, and Publish is an error.
	Signer envelope.Signer
	// Term is the Signer's, for what names none of its own and comes before the first
	// frame that does.
	Term uint64

	// Key is the node's identity in the network; default: a new one.
	Key ed25519.PrivateKey
	// Listen are multiaddresses; default: none, so that the node only dials.
	Listen []string
	// Boot are multiaddresses that end in /p2p/<peer id>: dialled until they answer,
	// and again whenever they are lost. They are not pruned, whoever else there is.
	Boot []string
	// Allow, if not empty, are the only peers: peer ids, or address ranges in CIDR
	// notation. Deny are never peers, and count before Allow. Boot nodes are allowed.
	Allow, Deny []string
	// PeersWanted: with fewer, the node asks its peers for others and dials those;
	// default 8. PeersMax: with so many, nobody else may connect; default 64.
	PeersWanted, PeersMax int

	// WithoutBodies leaves out transactions and receipts: what follows the state alone
	// does not need them, and they are most of the bytes.
	WithoutBodies bool
	// SnapshotDir is where the contents of two snapshots are kept for peers who join, if
	// they came through Layer; default: none are. SnapshotMax is how large those are that
	// are kept, or taken from peers, in bytes; default 1 GiB. While a third is written, the
	// directory holds three; one that is taken from peers is in memory.
	SnapshotDir string
	SnapshotMax int
	// Limits bound what is held for its turn, and what is kept for others. KeepBytes
	// and KeepFor hold for bodies too, by themselves.
	Limits Limits
	// Sizes bound single messages, where they are above DefaultSizes, as those of all
	// nodes of the network must be then. What the others take is taken: whoever relays it
	// would be thrown out for it.
	Sizes *Sizes

	Logger *slog.Logger // default: discards
	// Transport, if not nil, makes the one transport that is used in place of TCP, for
	// simulations. Its addresses must look like TCP's.
	Transport func(transport.Upgrader, network.ResourceManager) (transport.Transport, error)
}

// settings are a Config with everything parsed and filled in.
type settings struct {
	Config
	key    crypto.PrivKey
	id     peer.ID
	listen []ma.Multiaddr
	boot   []peer.AddrInfo
	gate   *gate
}

func (c Config) withDefaults() (*settings, error) {
	s := &settings{Config: c}
	if len(c.Signers) == 0 {
		return nil, errors.New("gossip: Config.Signers is empty: nothing would ever be believed")
	}
	s.Signers = maps.Clone(c.Signers)
	if c.Signer != nil {
		if _, ok := c.Signers[c.Signer.Address()]; !ok {
			return nil, fmt.Errorf("gossip: Config.Signer %s is not one of Signers: nobody would believe it", c.Signer.Address())
		}
	}
	orDefault(&s.PeersWanted, 8)
	orDefault(&s.PeersMax, 64)
	orDefault(&s.SnapshotMax, 1<<30)
	s.Limits = c.Limits.withDefaults()
	s.Sizes = sizesOf(c.Sizes)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s, errors.Join(s.identify(), s.parseAddresses())
}

// sizesOf is DefaultSizes, and larger ones where l has them.
func sizesOf(l *Sizes) *Sizes {
	sizes := DefaultSizes()
	if l != nil {
		for kind := range sizes {
			sizes[kind].Sent = max(sizes[kind].Sent, l[kind].Sent)
			sizes[kind].Decoded = max(sizes[kind].Decoded, l[kind].Decoded)
		}
	}
	return sizes
}

func (s *settings) identify() (err error) {
	if s.Key == nil {
		if _, s.Key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return fmt.Errorf("gossip: %w", err)
		}
	}
	if s.key, err = crypto.UnmarshalEd25519PrivateKey(s.Key); err != nil {
		return fmt.Errorf("gossip: Config.Key: %w", err)
	}
	s.id, err = peer.IDFromPrivateKey(s.key)
	return err
}

// PeerID is how the node with this key is called in addresses: /ip4/…/tcp/…/p2p/<id>.
func PeerID(key ed25519.PublicKey) (string, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(key)
	if err != nil {
		return "", fmt.Errorf("gossip: %w", err)
	}
	id, err := peer.IDFromPublicKey(pub)
	return id.String(), err
}

func (s *settings) parseAddresses() (err error) {
	for _, text := range s.Listen {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return fmt.Errorf("gossip: Config.Listen: %q: %w", text, err)
		}
		s.listen = append(s.listen, a)
	}
	for _, text := range s.Boot {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return fmt.Errorf("gossip: Config.Boot: %q: %w", text, err)
		}
		if info.ID != s.id {
			s.boot = append(s.boot, *info)
		}
	}
	s.gate, err = newGate(s)
	return err
}

func (s *settings) isBoot(id peer.ID) bool {
	return slices.ContainsFunc(s.boot, func(b peer.AddrInfo) bool { return b.ID == id })
}

// network is what tells chains apart in the names of topics and protocols. Two
// development networks share an id, so the genesis block counts too.
func (s *settings) network() string {
	return fmt.Sprintf("/vivace/%d-%s", s.ChainID, hex.EncodeToString(s.Genesis[:4]))
}
