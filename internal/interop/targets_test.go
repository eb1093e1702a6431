package interop

import (
	"bufio"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/freeport"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

const (
	chainID  = genesis.DevChainID
	gasLimit = 60_000_000
)

// A target is what the clients are run against: a network, of one node or several.
type target struct {
	name string
	// lacking is what its nodes are known not to do, in the words of the scripts.
	lacking []string
	// start runs the network until the end of the test.
	start func(*testing.T) []endpoints
}

// endpoints are where a node answers. Realtime is empty if it has no such path.
type endpoints struct{ name, http, ws, realtime string }

// targets are the networks. go-ethereum and anvil are there to show that the scripts
// ask for nothing special.
func targets() []target {
	return []target{
		{name: "devnet", start: startDevnet},
		{name: "geth", start: startGeth},
		// A storage key with an odd number of digits is an error; ethers does not know
		// its wording of an unknown method.
		{name: "anvil", lacking: []string{"shortKeys", "wording"}, start: startAnvil},
	}
}

// devGenesis is a chain with all forks on which DevAccounts have ether.
func devGenesis() *core.Genesis {
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(chainID)
	g := &core.Genesis{
		Config: &config, GasLimit: gasLimit, Difficulty: common.Big0, Timestamp: 1_700_000_000,
		BaseFee: big.NewInt(params.GWei), Alloc: core.SystemContractAllocs(),
	}
	balance := new(big.Int).Mul(big.NewInt(genesis.DevAccountEther), big.NewInt(params.Ether))
	for _, account := range genesis.DevAccounts() {
		g.Alloc[account.Address] = types.Account{Balance: balance}
	}
	return g
}

func startGeth(t *testing.T) []endpoints {
	n, err := gethdev.Start(gethdev.Config{Genesis: devGenesis(), Auto: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return []endpoints{{name: "geth", http: n.URL(), ws: n.WSURL()}}
}

func startAnvil(t *testing.T) []endpoints {
	port := freePort(t)
	anvil := prepare(t).binary(t, "anvil")
	start(t, exec.Command(anvil, "--port", port, "--chain-id", strconv.Itoa(chainID)), "Listening on ")
	return []endpoints{{name: "anvil", http: "http://127.0.0.1:" + port, ws: "ws://127.0.0.1:" + port}}
}

// startDevnet runs the example with a little load of its own, so that blocks are not
// the clients' alone.
func startDevnet(t *testing.T) []endpoints {
	bin := filepath.Join(t.TempDir(), "devnet")
	require.NoError(t, run(".", "go", "build", "-o", bin, "../../examples/devnet"))
	lines := start(t, exec.Command(bin, "-serve", "-rate=20", "-http.port=0", "-fullnode.http.port=0"), "full node ")
	var nodes []endpoints
	for _, line := range lines {
		name, rest, ok := strings.Cut(line, "  http://")
		if fields := strings.Fields(rest); ok {
			at := fields[0]
			nodes = append(nodes, endpoints{strings.ReplaceAll(name, " ", "-"), "http://" + at, "ws://" + at, "http://" + at + rpc.PathRealtime})
		}
	}
	require.Len(t, nodes, 2, "addresses in:\n%s", strings.Join(lines, "\n"))
	return nodes
}

// start runs a program until the test ends, and returns what it has printed once a
// line begins with ready. What it prints when it is interrupted goes into the test's
// log, if that has failed.
func start(t *testing.T, cmd *exec.Cmd, ready string) []string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())

	begun := make(chan []string, 1)
	all := make(chan []string, 1)
	go func() {
		var lines []string
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines = append(lines, scanner.Text())
			if strings.HasPrefix(scanner.Text(), ready) {
				select {
				case begun <- slices.Clone(lines):
				default: // the first is enough
				}
			}
		}
		all <- lines
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		lines := <-all
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s ended with %v; its last lines:\n%s", cmd.Path, err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
		}
	})
	select {
	case lines := <-begun:
		return lines
	case <-time.After(time.Minute):
		t.Fatalf("%s is not ready after a minute", cmd.Path)
		return nil
	}
}

func freePort(t *testing.T) string {
	port, err := freeport.Find()
	require.NoError(t, err)
	return port
}
