package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// The nodes of a lab. Full nodes are those from firstFull on.
const (
	atSequencer = iota
	atProver
	atObserver
	atLayer
	firstFull
)

// A world is a chain of processes.
type world struct {
	testing.TB
	lab        *netlab.Lab
	dir        string
	signer     common.Address
	invitation invitation
	sequencer  *machine
	prover     *machine
	observer   *machine
	nodes      []*machine
	others     int // the first node of the lab that is nobody's yet
	flags      []string
	layer      *layer // nil if the sequencer has its own
	load       *load
}

// An invitation is what the sequencer says at /network.
type invitation struct {
	ChainID   uint64         `json:"chainId"`
	Genesis   common.Hash    `json:"genesis"`
	Sequencer common.Address `json:"sequencer"`
	Peers     []string       `json:"peers"`
}

// options say what a world is like.
type options struct {
	full       int // full nodes that run from the beginning
	late       int // and those that join later
	others     int // nodes of the lab for whatever else there is
	fabric     netlab.Fabric
	layerApart bool
	sequencer  []string // further flags
	prover     []string
	node       []string // of full nodes
	mini       time.Duration
	lanes      int
	pause      time.Duration // between a client's transactions
}

// newWorld starts the processes and the load. Everything ends with the test.
func newWorld(t testing.TB, o options) *world {
	t.Helper()
	program(t, "sequencer") // built before the clock runs
	w := &world{TB: t, dir: t.TempDir(), flags: o.node, others: firstFull + o.full + o.late}
	w.lab = newLab(t, netlab.Options{Nodes: w.others + o.others, Fabric: o.fabric, Seed: 1})
	flags := append([]string{"-block-interval", "500ms", "-mini-block-interval", o.mini.String()}, o.sequencer...)
	if o.layerApart {
		w.startLayer()
		flags = append(flags, "-da.layer", "altda=http://"+w.at(atLayer, layerPort))
	}
	w.startSequencer(flags...)
	w.startObserver(o.late > 0)
	w.prover = w.proveWith("prover", atProver, o.prover...)
	for range o.full {
		w.join()
	}
	for _, n := range w.nodes {
		n.reaches("latest", 1)
	}
	w.load = w.newLoad(o.lanes, o.pause)
	return w
}

// ordinary is a small chain with two full nodes.
var ordinary = options{full: 2, mini: 20 * time.Millisecond, lanes: 4, pause: 10 * time.Millisecond}

// data is the directory of a process.
func (w *world) data(name string) string { return filepath.Join(w.dir, name) }

// at is the address of a port of a node.
func (w *world) at(node, port int) string { return fmt.Sprintf("%s:%d", w.lab.Node(node).Addr(), port) }

func (w *world) sequencerURL() string { return "http://" + w.at(atSequencer, doorPort) }

// startSequencer starts it with a key that the others are told of: an invitation from
// another machine is not believed in that.
func (w *world) startSequencer(flags ...string) {
	w.Helper()
	require.NoError(w, os.MkdirAll(w.data("sequencer"), 0o700))
	w.signer = newKey(w, w.sequencerKey())
	addr := w.lab.Node(atSequencer).Addr().String()
	args := append([]string{
		program(w, "sequencer"), "-datadir", w.data("sequencer"),
		"-http.addr", "0.0.0.0", "-http.port", fmt.Sprint(doorPort),
		"-p2p.addr", addr, "-p2p.port", fmt.Sprint(p2pPort),
		"-da.addr", addr, "-da.port", fmt.Sprint(layerPort),
		"-snapshot-blocks", "8", "-base-fee", "1000000000",
	}, flags...)
	w.sequencer = w.machine("sequencer", atSequencer, netlab.Command{Args: args})
	w.sequencer.await("invitation", w.invite)
	require.Equal(w, w.signer, w.invitation.Sequencer)
}

func (w *world) sequencerKey() string { return filepath.Join(w.data("sequencer"), "sequencer.key") }

// newKey makes a file with a key, and is its address.
func newKey(t testing.TB, file string) common.Address {
	t.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	require.NoError(t, crypto.SaveECDSA(file, key))
	return crypto.PubkeyToAddress(key.PublicKey)
}

// secret is the key in a file.
func secret(t testing.TB, file string) []byte {
	t.Helper()
	key, err := crypto.LoadECDSA(file)
	require.NoError(t, err)
	return crypto.FromECDSA(key)
}

// other is the next node of the lab that is nobody's yet.
func (w *world) other() int {
	w.others++
	return w.others - 1
}

// invite reads the sequencer's invitation.
func (w *world) invite() error {
	answer, err := w.sequencer.http.Get(url + "/network")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(&w.invitation)
}

// join starts one more full node, on the next node of the lab.
func (w *world) join(flags ...string) *machine {
	w.Helper()
	index := firstFull + len(w.nodes)
	name := fmt.Sprintf("full node %d", len(w.nodes)+1)
	args := append([]string{
		program(w, "fullnode"), "-datadir", w.data(name), "-print-interval", "0",
		"-http.addr", "0.0.0.0", "-http.port", fmt.Sprint(doorPort),
		"-p2p.addr", w.lab.Node(index).Addr().String(), "-p2p.port", fmt.Sprint(p2pPort),
		"-sequencer", w.sequencerURL(), "-signer", w.signer.Hex(),
	}, slices.Concat(w.flags, flags)...)
	m := w.machine(name, index, netlab.Command{Args: args})
	w.nodes = append(w.nodes, m)
	return m
}

// proveWith starts a prover.
func (w *world) proveWith(name string, index int, flags ...string) *machine {
	w.Helper()
	args := append([]string{program(w, "prover"), "-sequencer", w.sequencerURL(), "-workers", "4"}, flags...)
	return w.machine(name, index, netlab.Command{Args: args})
}

// conditions sets those of all links of a node.
func (w *world) conditions(node int, c netlab.Conditions) {
	w.Helper()
	for i := range w.lab.Size() {
		if i != node {
			require.NoError(w, w.lab.Link(node, i).Set(c))
		}
	}
}

// rest lets time go by.
func (w *world) rest(d time.Duration) {
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	<-ctx.Done()
}
