package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/internal/datagen"
)

// build compiles the three programs once.
func build(t *testing.T) (dir string) {
	dir = t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir, ".", "../fullnode", "../prover").CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// A process is one of the programs, running.
type process struct {
	cmd   *exec.Cmd
	lines chan string
	ended chan struct{} // closed when its output has ended
}

func start(t *testing.T, program string, args ...string) *process {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd, make(chan string, 1000), make(chan struct{})}
	go func() {
		defer close(p.ended)
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody reads any more
			}
		}
	}()
	return p
}

// line waits for a line of output that contains text.
func (p *process) line(t *testing.T, text string) string {
	deadline := time.After(30 * time.Second)
	for {
		select {
		case l, ok := <-p.lines:
			require.True(t, ok, "the process ended before it printed %q", text)
			if strings.Contains(l, text) {
				return l
			}
		case <-deadline:
			t.Fatalf("no line with %q", text)
		}
	}
}

func (p *process) kill(t *testing.T) {
	require.NoError(t, p.cmd.Process.Kill()) // SIGKILL
	_ = p.cmd.Wait()                         // it says that it was killed
}

// A client sends its lane's transactions one after the other, over restarts, and
// remembers the nonce that each account must have.
type client struct {
	url     string
	lane    *datagen.Lane
	pending *datagen.Tx // sent, not acknowledged
	acked   map[common.Address]uint64
	count   int
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if c.pending == nil {
			tx := c.lane.Next()
			c.pending = &tx
		}
		if !c.send(ctx) {
			return
		}
		c.acked[c.pending.From] = c.pending.Nonce + 1
		c.count++
		c.pending = nil
	}
}

// send reports whether the transaction was acknowledged. One that was logged but
// not answered before a kill is refused now, as too low a nonce: that is fine.
func (c *client) send(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.pending.Raw))
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return false
	}
	return res.StatusCode == http.StatusOK || strings.Contains(string(body), "nonce too low")
}

func nonce(t *testing.T, url string, addr common.Address) (n uint64) {
	res, err := http.Get(url + "/nonce/" + addr.Hex())
	require.NoError(t, err)
	defer res.Body.Close()
	require.NoError(t, json.NewDecoder(res.Body).Decode(&n))
	return n
}

// The sequencer is killed with SIGKILL under load, twenty times, and loses no
// acknowledged transaction; a full node and a prover follow through all of it.
func TestKill(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 3
	}
	var (
		bin     = build(t)
		network = t.TempDir()
		address = freeAddress(t)
		url     = "http://" + address
		keyFile = filepath.Join(t.TempDir(), "key")
	)
	key, err := cli.Key(keyFile)
	require.NoError(t, err)
	args := []string{"-network", network, "-datadir", t.TempDir(), "-listen", address,
		"-block-interval", "200ms", "-snapshot-blocks", "8", "-base-fee", "1000000000",
		"-provers", crypto.PubkeyToAddress(key.PublicKey).Hex()}
	load, err := cli.DevLoad()
	require.NoError(t, err)
	var clients []*client
	for _, lane := range load.Lanes(8) {
		clients = append(clients, &client{url: url, lane: lane, acked: make(map[common.Address]uint64)})
	}

	s := start(t, filepath.Join(bin, "sequencer"), args...)
	s.line(t, "sequencer of chain")
	node := start(t, filepath.Join(bin, "fullnode"), "-network", network, "-print-interval", "100ms")
	prove := start(t, filepath.Join(bin, "prover"), "-network", network, "-key", keyFile)
	rng := rand.New(rand.NewPCG(1, 2))
	for range kills {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() { c.run(ctx) })
		}
		time.Sleep(time.Duration(100+rng.IntN(500)) * time.Millisecond)
		s.kill(t)
		cancel()
		wg.Wait()
		s = start(t, filepath.Join(bin, "sequencer"), args...)
		s.line(t, "sequencer of chain")
		checkNothingLost(t, url, clients)
	}
	total := 0
	for _, c := range clients {
		total += c.count
	}
	require.Greater(t, total, 50*kills, "transactions acknowledged")
	t.Logf("%d kills, %d transactions acknowledged, none lost", kills, total)

	// The followers caught up with what is sealed now, and all of it gets proven.
	checkProven(t, s, node, filepath.Join(bin, "sequencer"), args)
	require.True(t, node.running())
	require.True(t, prove.running())
	node.kill(t)
	prove.kill(t)
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func checkNothingLost(t *testing.T, url string, clients []*client) {
	t.Helper()
	for _, c := range clients {
		for addr, want := range c.acked {
			// What was in the open mini-block is shown as soon as that is logged.
			deadline := time.Now().Add(10 * time.Second)
			for nonce(t, url, addr) < want {
				if time.Now().After(deadline) {
					t.Fatalf("lost: %s has nonce %d, %d was acknowledged", addr, nonce(t, url, addr), want)
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// checkProven lets the chain rest and restarts it: it must then say that blocks
// sealed under load are proven.
func checkProven(t *testing.T, s, node *process, program string, args []string) {
	t.Helper()
	for range 20 {
		time.Sleep(2 * time.Second)
		s.kill(t)
		s = start(t, program, args...)
		var chainID, sealed, proven uint64
		var address string
		_, err := fmt.Sscanf(s.line(t, "sequencer of chain"), "sequencer of chain %d at %s block %d sealed, %d proven", &chainID, &address, &sealed, &proven)
		require.NoError(t, err)
		if proven > 10 && proven+10 >= sealed {
			s.kill(t)
			checkFollowed(t, node, sealed)
			return
		}
		t.Logf("block %d sealed, %d proven", sealed, proven)
	}
	t.Fatal("the proven head does not follow")
}

// checkFollowed waits until the full node says that it checked the root of a block,
// or of a later one.
func checkFollowed(t *testing.T, node *process, sealed uint64) {
	t.Helper()
	for {
		var number, root, mini uint64
		_, err := fmt.Sscanf(node.line(t, "root checked"), "mini-block %d/%d, root checked %d", &number, &mini, &root)
		require.NoError(t, err)
		if root >= sealed {
			return
		}
	}
}
