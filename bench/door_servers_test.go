package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/freeport"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// Servers are processes of their own, so that their CPU time is theirs: this test
// binary, run again with doorVariable set, or anvil.
const (
	doorVariable = "VIVACE_BENCH_DOOR" // which server to be
	// AnvilVariable names the anvil binary; without it, PATH does.
	anvilVariable = "VIVACE_ANVIL"
)

const doorGasLimit = 1_000_000_000

// A doorServer is a node in another process.
type doorServer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

var errNoAnvil = errors.New("anvil is neither in PATH nor where " + anvilVariable + " points")

// startDoor starts a server: vivace, vivace-fsync, geth, anvil or echo.
func startDoor(ctx context.Context, impl, dir string) (*doorServer, error) {
	if impl == "anvil" {
		return startAnvil(ctx)
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), doorVariable+"="+impl, "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	return launch(cmd, func(line string) (url string, ok bool) { return strings.CutPrefix(line, "door ") })
}

// launch starts cmd and waits for the line that says where it listens.
func launch(cmd *exec.Cmd, found func(line string) (url string, ok bool)) (*doorServer, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := found(lines.Text()); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // until it ends
			return &doorServer{cmd, stdin, url}, nil
		}
	}
	_ = stdin.Close()
	return nil, fmt.Errorf("%s ended before it listened: %w", cmd.Path, cmd.Wait())
}

// stop ends the server.
func (s *doorServer) stop() error {
	_ = s.stdin.Close()
	if strings.HasSuffix(s.cmd.Path, "anvil") {
		_ = s.cmd.Process.Signal(os.Interrupt)
		_ = s.cmd.Wait() // it says that it was interrupted
		return nil
	}
	return s.cmd.Wait()
}

func anvilPath() (string, error) {
	if path := os.Getenv(anvilVariable); path != "" {
		return path, nil
	}
	path, err := exec.LookPath("anvil")
	if err != nil {
		return "", errNoAnvil
	}
	return path, nil
}

func startAnvil(ctx context.Context) (*doorServer, error) {
	path, err := anvilPath()
	if err != nil {
		return nil, err
	}
	port, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	// A block a second, first come first served, is how it is fastest: by default it
	// goes through all that waits for every block, and 10,000 transactions take minutes.
	cmd := exec.CommandContext(ctx, path, "--port", port, "--chain-id", fmt.Sprint(genesis.DevChainID),
		"--block-time", "1", "--order", "fifo", "--gas-limit", fmt.Sprint(doorGasLimit), "--accounts", "0", "--no-request-size-limit")
	s, err := launch(cmd, func(line string) (string, bool) {
		return "http://127.0.0.1:" + port, strings.HasPrefix(line, "Listening on")
	})
	if err != nil {
		return nil, err
	}
	var calls []rpcCall
	for i, sender := range newDoorSenders() {
		calls = append(calls, rpcCall{"2.0", i, "anvil_setBalance", []any{sender.address, "0x" + doorBalance().Text(16)}})
	}
	_, err = ask[json.RawMessage](ctx, doorClient(1), s.url, calls)
	return s, err
}

func doorBalance() *big.Int { return new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether)) }

// serveDoor is the other process: it serves until standard input ends.
func serveDoor(impl string) error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	switch impl {
	case "vivace":
		return serveVivace(ctx, state.DurabilityNone)
	case "vivace-fsync":
		return serveVivace(ctx, state.DurabilityFsync)
	case "geth":
		return serveGeth(ctx)
	case "echo":
		return serveEcho(ctx)
	}
	return fmt.Errorf("%s=%s is no server", doorVariable, impl)
}

func serveVivace(ctx context.Context, durability state.Durability) error {
	dir, err := os.MkdirTemp("", "vivace-door-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	funded := new(chain.Changes)
	for _, s := range newDoorSenders() {
		funded.Accounts = append(funded.Accounts, chain.AccountChange{
			Address: s.address, Exists: true,
			After: chain.Account{Balance: *uint256.MustFromBig(doorBalance()), CodeHash: chain.EmptyCodeHash},
		})
	}
	spec, err := genesis.Dev(genesis.DevOptions{GasLimit: doorGasLimit, State: funded})
	if err != nil {
		return err
	}
	store, err := history.Open(history.Config{Dir: filepath.Join(dir, "history"), Genesis: spec.Genesis.Header})
	if err != nil {
		return err
	}
	defer store.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: filepath.Join(dir, "sequencer"),
		Durability: durability, DA: inprocess.New(), History: store, Logger: log,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	door, err := rpc.New(rpc.Config{Backend: node.OfSequencer(s, store), Engine: engine, Logger: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("door http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Run(ctx) })
	g.Go(func() error { return door.Serve(ctx, l) })
	return g.Wait()
}

// serveEcho reads every request and has nothing to do: what it takes is the machine's
// and the client's.
func serveEcho(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":null}`)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Printf("door http://%s\n", l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func serveGeth(ctx context.Context) error {
	config, zero := *params.AllDevChainProtocolChanges, uint64(0)
	config.ChainID, config.OsakaTime = big.NewInt(genesis.DevChainID), &zero
	alloc := types.GenesisAlloc{
		params.BeaconRootsAddress:        {Nonce: 1, Code: params.BeaconRootsCode, Balance: common.Big0},
		params.HistoryStorageAddress:     {Nonce: 1, Code: params.HistoryStorageCode, Balance: common.Big0},
		params.WithdrawalQueueAddress:    {Nonce: 1, Code: params.WithdrawalQueueCode, Balance: common.Big0},
		params.ConsolidationQueueAddress: {Nonce: 1, Code: params.ConsolidationQueueCode, Balance: common.Big0},
	}
	for _, s := range newDoorSenders() {
		alloc[s.address] = types.Account{Balance: doorBalance()}
	}
	n, err := gethdev.Start(gethdev.Config{
		Genesis:   &core.Genesis{Config: &config, GasLimit: doorGasLimit, BaseFee: big.NewInt(params.GWei), Difficulty: common.Big0, Alloc: alloc},
		Auto:      true,
		PoolSlots: 1 << 20,
	})
	if err != nil {
		return err
	}
	fmt.Printf("door %s\n", n.URL())
	<-ctx.Done()
	return n.Close()
}
