package links

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// A sighting is a publication as an observer heard it.
type sighting struct {
	Number   uint64        `json:"number"`
	Message  hexutil.Bytes `json:"message"` // the publication, with its ids
	Evidence int           `json:"evidence"`
}

// An observer is a member of the network that writes the publications that it hears to
// its standard output. It keeps them all, and of the feed only what is younger than
// observerKeeps: who comes then can begin to listen, and no more.
const observerKeeps = 2 * time.Second

// observerKey is that of the observer that listens from the beginning, so that others may
// be told where it is.
var observerKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))

// observe is the observer: its arguments are an invitation, the publication to begin with,
// first or oldest, and, if it is to be met, at what address, and whether it has bodies too.
func observe(ctx context.Context, args []string) error {
	var to invitation
	if err := json.Unmarshal([]byte(args[0]), &to); err != nil {
		return err
	}
	from := uint64(1)
	if args[1] == "oldest" {
		from = link.Oldest
	}
	cfg := gossip.Config{
		ChainID: to.ChainID, Genesis: to.Genesis, WithoutBodies: true, Boot: to.Peers,
		Signers: map[common.Address]gossip.Grant{to.Sequencer: {}},
		Limits:  gossip.Limits{KeepFor: observerKeeps},
	}
	if len(args) > 2 {
		cfg.Listen, cfg.Key, cfg.WithoutBodies = args[2:3], observerKey, args[3] != "bodies"
	}
	node, err := gossip.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	if err := node.Await(ctx); err != nil {
		return err
	}
	next, err := node.Subscribe(ctx, link.TopicPublications, from)
	if err != nil {
		return err
	}
	for out := json.NewEncoder(os.Stdout); ; {
		number, msg, err := next(ctx)
		if err != nil {
			return err
		}
		if err := out.Encode(sighting{number, msg, len(node.Evidence())}); err != nil {
			return err
		}
	}
}

// startObserver starts the one that listens from the beginning. It has bodies if somebody
// may come who gets his from it.
func (w *world) startObserver(late bool) {
	w.Helper()
	with := "none"
	if late {
		with = "bodies"
	}
	w.observer = w.machine("observer", atObserver, role(w, "observer", w.invitation, "first", w.observerAddr(), with))
}

func (w *world) observerAddr() string {
	return fmt.Sprintf("/ip4/%s/tcp/%d", w.lab.Node(atObserver).Addr(), p2pPort)
}

// byLayer are the flags of a full node whose only peer is the observer, which has no
// history to give: only the data-availability layer has. Others are added.
func (w *world) byLayer(flags ...string) []string {
	w.Helper()
	id, err := gossip.PeerID(observerKey.Public().(ed25519.PublicKey))
	require.NoError(w, err)
	var deny []string
	for i := range w.lab.Size() {
		if i != atObserver {
			deny = append(deny, w.lab.Node(i).Addr().String()+"/32")
		}
	}
	return append(flags, "-from-snapshot=false", "-p2p.boot", w.observerAddr()+"/p2p/"+id, "-p2p.deny", strings.Join(deny, ","))
}

// sightings are what an observer wrote so far.
func (m *machine) sightings() (out []sighting, err error) {
	text, err := os.ReadFile(m.process.Stdout)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var s sighting
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// heard waits until an observer has heard of a publication, or a later one.
func (m *machine) heard(number uint64) (out []sighting) {
	m.Helper()
	m.await(fmt.Sprintf("publication %d", number), func() (err error) {
		if out, err = m.sightings(); err == nil && (len(out) == 0 || out[len(out)-1].Number < number) {
			err = fmt.Errorf("%d heard", len(out))
		}
		return err
	})
	return out
}
