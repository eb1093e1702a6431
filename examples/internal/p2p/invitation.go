package p2p

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/vivace-chain/vivace/chain"
)

// An Invitation is what a sequencer tells those who want to follow its chain.
type Invitation struct {
	ChainID   uint64         `json:"chainId"`
	Genesis   common.Hash    `json:"genesis"`   // hash of block 0
	GenesisAt string         `json:"genesisAt"` // path of genesis.json, at the same door
	Sequencer common.Address `json:"sequencer"` // whose signature counts
	Peers     []string       `json:"peers"`     // multiaddresses with peer ids
	Layer     string         `json:"da"`        // as -da.layer has it: of several layers, a list
	Active    string         `json:"daActive"`  // the one of them that blobs go to now
	// Provers are those whose attestations count, if Threshold of them agree, under one of
	// Programs, or any if there are none.
	Provers   []common.Address `json:"provers"`
	Threshold int              `json:"proverThreshold"`
	Programs  []common.Hash    `json:"proverPrograms,omitempty"`
	// LayerAt, if set, is Layer for who reaches this machine at a host.
	LayerAt func(host string) string `json:"-"`
	// ActiveAt, if set, is Active for him.
	ActiveAt func(host string) string `json:"-"`
}

// ServeHTTP answers with the invitation.
func (i *Invitation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, host := *i, (&url.URL{Host: r.Host}).Hostname()
	if i.LayerAt != nil {
		answer.Layer = i.LayerAt(host)
	}
	if i.ActiveAt != nil {
		answer.Active = i.ActiveAt(host)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(&answer)
}

const (
	invitationMax  = 64 << 10 // bytes
	askTimeout     = 5 * time.Second
	askAgain       = 200 * time.Millisecond
	askAgainMax    = 5 * time.Second
	remindEvery    = 10 * time.Second
	invitationPath = "/network"
)

// Ask gets the invitation of the sequencer at door, an address such as
// http://127.0.0.1:8545. It asks until there is an answer, or ctx ends: the programs of
// a chain may be started in any order. An invitation that makes no sense is no answer: who
// gave it may be another, behind the same address, or be mended. One to another chain than
// genesis is an error that matches chain.ErrMismatch.
func Ask(ctx context.Context, door string, genesis *chain.Genesis, log *slog.Logger) (*Invitation, error) {
	address, err := invitationURL(door)
	if err != nil {
		return nil, err
	}
	began, reminded := time.Now(), time.Now()
	for wait := askAgain; ; wait = min(2*wait, askAgainMax) {
		i, err := askOnce(ctx, address)
		if err == nil {
			return i, i.check(genesis)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Since(reminded) > remindEvery || wait == askAgain {
			reminded = time.Now()
			log.Warn("waiting for the sequencer", "at", address, "since", time.Since(began).Round(time.Second), "err", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func invitationURL(door string) (string, error) {
	u, err := url.Parse(door)
	if err != nil {
		return "", err
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	u.Path, u.RawQuery, u.Fragment = invitationPath, "", ""
	return u.String(), nil
}

func askOnce(ctx context.Context, address string) (*Invitation, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	i, err := readInvitation(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return i, nil
}

// readInvitation reads what a sequencer says at /network. The error is src's, or matches
// chain.ErrTooLarge or chain.ErrCorrupt.
func readInvitation(src io.Reader) (*Invitation, error) {
	raw, err := io.ReadAll(io.LimitReader(src, invitationMax+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > invitationMax:
		return nil, fmt.Errorf("%w: invitation of more than %d bytes", chain.ErrTooLarge, invitationMax)
	}
	i := new(Invitation)
	if err = json.Unmarshal(raw, i); err == nil {
		err = i.validate()
	}
	if err != nil {
		return nil, &chain.CorruptError{What: "invitation", Offset: -1, Err: err}
	}
	return i, nil
}

// validate finds what no sequencer means. The layer is its reader's affair, who may have
// another.
func (i *Invitation) validate() error {
	for _, text := range i.Peers {
		if _, err := peer.AddrInfoFromString(text); err != nil {
			return fmt.Errorf("peer %q: %w", text, err)
		}
	}
	if n := len(i.Provers); n > 0 && (i.Threshold < 1 || i.Threshold > n) {
		return fmt.Errorf("%d of %d provers must agree", i.Threshold, n)
	}
	return nil
}

// Client reads from the layers that the invitation names. The error matches
// chain.ErrCorrupt.
func (i *Invitation) Client() (chain.DAClient, error) {
	client, err := newClients(i.Layer)
	if err != nil {
		return nil, &chain.CorruptError{What: "invitation", Offset: -1, Err: fmt.Errorf("layer: %w", err)}
	}
	return client, nil
}

func (i *Invitation) check(genesis *chain.Genesis) error {
	const other = "the sequencer is of another chain than -genesis"
	if i.ChainID != genesis.ChainID {
		return fmt.Errorf("%w: %s: chain id %d, want %d", chain.ErrMismatch, other, i.ChainID, genesis.ChainID)
	}
	if want := genesis.Header.Hash(); i.Genesis != want {
		return fmt.Errorf("%w: %s: block 0 is %s, want %s", chain.ErrMismatch, other, i.Genesis, want)
	}
	return nil
}

// ErrStranger says that an invitation comes from another machine, and names a key that
// nobody vouches for.
var ErrStranger = errors.New("the sequencer is not on this machine: name its key")

// Signer is whose word counts: known, if it is not zero, else what the invitation from
// door says, if that is on this machine.
func (i *Invitation) Signer(door string, known common.Address) (common.Address, error) {
	if known != (common.Address{}) {
		return known, nil
	}
	if !OnThisMachine(door) {
		return common.Address{}, fmt.Errorf("%w; it says that it is %s", ErrStranger, i.Sequencer)
	}
	return i.Sequencer, nil
}

// OnThisMachine reports whether a door is on the loopback interface: what it says of whom
// to believe is its owner's word.
func OnThisMachine(door string) bool {
	u, err := url.Parse(door)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
