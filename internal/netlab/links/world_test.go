package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/directory"
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
	layerApart bool
	mini       time.Duration
	lanes      int
	pause      time.Duration // between a client's transactions
}

// newWorld starts the processes and the load. Everything ends with the test.
func newWorld(t testing.TB, o options) *world {
	t.Helper()
	program(t, "sequencer") // built before the clock runs
	w := &world{TB: t, dir: t.TempDir()}
	w.lab = newLab(t, netlab.Options{Nodes: firstFull + o.full + o.late, Seed: 1})
	flags := []string{"-block-interval", "500ms", "-mini-block-interval", o.mini.String()}
	if o.layerApart {
		flags = append(flags, "-da.layer", "altda="+w.layer())
	}
	w.startSequencer(flags...)
	w.startObserver()
	w.prover = w.machine("prover", atProver, netlab.Command{Args: []string{
		program(t, "prover"), "-sequencer", w.sequencerURL(), "-workers", "4",
	}})
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
	key, err := crypto.GenerateKey()
	require.NoError(w, err)
	require.NoError(w, crypto.SaveECDSA(filepath.Join(w.data("sequencer"), "sequencer.key"), key))
	w.signer = crypto.PubkeyToAddress(key.PublicKey)
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
	}, flags...)
	m := w.machine(name, index, netlab.Command{Args: args})
	w.nodes = append(w.nodes, m)
	return m
}

// layer serves a data-availability layer on a node of its own, and is its address.
func (w *world) layer() string {
	w.Helper()
	store, err := directory.Open(directory.Config{Directory: w.data("layer")})
	require.NoError(w, err)
	handler, err := altda.NewServer(altda.ServerConfig{Client: store, Mode: altda.Keccak})
	require.NoError(w, err)
	listener, err := w.lab.Node(atLayer).Listen(w.Context(), "tcp", w.at(atLayer, layerPort))
	require.NoError(w, err)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // it ends by Close
	w.Cleanup(func() {
		require.NoError(w, server.Close())
		serving.Wait()
		require.NoError(w, store.Close())
	})
	return "http://" + w.at(atLayer, layerPort)
}

// alone cuts a node off from all others for a time.
func (w *world) alone(node int, d time.Duration) {
	w.Helper()
	require.NoError(w, w.lab.Partition([]int{node}))
	w.rest(d)
	w.lab.Heal()
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
