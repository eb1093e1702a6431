package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/freeport"
)

// build compiles the programs, once for all tests.
func build(t *testing.T) (dir string) {
	dir, err := programs()
	require.NoError(t, err)
	return dir
}

var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return "", err
	}
	forget = func() { os.RemoveAll(dir) }
	out, err := exec.Command("go", "build", "-o", dir, ".", "../fullnode", "../prover", "../devnet").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return dir, err
})

// forget removes what programs made.
var forget = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	forget()
	os.Exit(code)
}

// freePort is a port that a program can be started at again.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	require.NoError(t, err)
	return port
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
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // of a test that failed; else it has ended
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
// remembers the receipts that it got and the nonce that each account must have.
type client struct {
	url      string
	lane     *datagen.Lane
	pending  *datagen.Tx // sent, not acknowledged
	nonces   map[common.Address]uint64
	receipts []receipt
	refused  error // an answer that was neither a receipt nor a lost connection
}

// A receipt is everything in it that is known at the acknowledgement.
type receipt struct {
	TransactionHash   common.Hash     `json:"transactionHash"`
	BlockNumber       hexutil.Uint64  `json:"blockNumber"`
	TransactionIndex  hexutil.Uint64  `json:"transactionIndex"`
	From              common.Address  `json:"from"`
	To                *common.Address `json:"to"`
	Type              hexutil.Uint64  `json:"type"`
	Status            hexutil.Uint64  `json:"status"`
	GasUsed           hexutil.Uint64  `json:"gasUsed"`
	CumulativeGasUsed hexutil.Uint64  `json:"cumulativeGasUsed"`
	EffectiveGasPrice *hexutil.Big    `json:"effectiveGasPrice"`
	ContractAddress   *common.Address `json:"contractAddress"`
	LogsBloom         hexutil.Bytes   `json:"logsBloom"`
	Logs              []struct {
		Address  common.Address `json:"address"`
		Topics   []common.Hash  `json:"topics"`
		Data     hexutil.Bytes  `json:"data"`
		LogIndex hexutil.Uint64 `json:"logIndex"`
	} `json:"logs"`
}

func (c *client) run(ctx context.Context) {
	door, err := rpc.Dial(c.url + "/realtime")
	if err != nil {
		return
	}
	defer door.Close()
	for ctx.Err() == nil {
		if c.pending == nil {
			tx := c.lane.Next()
			c.pending = &tx
		}
		if !c.send(ctx, door) {
			return
		}
		c.nonces[c.pending.From] = c.pending.Nonce + 1
		c.pending = nil
	}
}

// send reports whether there was a receipt. A transaction that was logged but not
// answered before a kill has one too, when it is sent again.
func (c *client) send(ctx context.Context, door *rpc.Client) bool {
	var r receipt
	err := door.CallContext(ctx, &r, "realtime_sendRawTransaction", hexutil.Bytes(c.pending.Raw))
	if coded := rpc.Error(nil); errors.As(err, &coded) {
		c.refused = err
	}
	if err != nil {
		return false
	}
	c.receipts = append(c.receipts, r)
	return true
}

// kills is how often the sequencer is killed: VIVACE_KILLS, by default 20, or 3 with
// -short.
func kills(t *testing.T) int {
	if text := os.Getenv("VIVACE_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, "VIVACE_KILLS")
		return n
	}
	if testing.Short() {
		return 3
	}
	return 20
}

// The sequencer is killed with SIGKILL under load, again and again, and loses no
// transaction whose receipt a client got; a full node and a prover follow through all
// of it.
func TestKill(t *testing.T) {
	var (
		bin     = build(t)
		port    = freePort(t)
		url     = "http://127.0.0.1:" + port
		keyFile = filepath.Join(t.TempDir(), "key")
	)
	key, err := cli.Key(keyFile)
	require.NoError(t, err)
	args := append(places(t), "-http.port", port,
		"-block-interval", "200ms", "-snapshot-blocks", "8", "-base-fee", "1000000000",
		"-provers", crypto.PubkeyToAddress(key.PublicKey).Hex())
	load, err := cli.DevLoad()
	require.NoError(t, err)
	var clients []*client
	for _, lane := range load.Lanes(8) {
		clients = append(clients, &client{url: url, lane: lane, nonces: make(map[common.Address]uint64)})
	}

	s := start(t, filepath.Join(bin, "sequencer"), args...)
	s.line(t, "sequencer of chain")
	node := start(t, filepath.Join(bin, "fullnode"), "-datadir", t.TempDir(),
		"-sequencer", url, "-http.port", "0", "-p2p.port", "0", "-print-interval", "100ms")
	prove := start(t, filepath.Join(bin, "prover"), "-sequencer", url, "-key", keyFile)
	var (
		rng   = rand.New(rand.NewPCG(1, 2))
		since = make([]int, len(clients)) // receipts that the last check asked for
		count = kills(t)
	)
	for range count {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i, c := range clients {
			since[i] = len(c.receipts)
			wg.Go(func() { c.run(ctx) })
		}
		time.Sleep(time.Duration(100+rng.IntN(500)) * time.Millisecond)
		s.kill(t)
		cancel()
		wg.Wait()
		s = start(t, filepath.Join(bin, "sequencer"), args...)
		s.line(t, "sequencer of chain")
		checkNothingLost(t, url, clients, since)
	}
	clear(since)
	checkNothingLost(t, url, clients, since)
	total := 0
	for _, c := range clients {
		total += len(c.receipts)
	}
	require.Greater(t, total, 50*count, "receipts")
	t.Logf("%d kills, %d receipts, 0 lost", count, total)

	// The followers caught up with what is sealed now, and all of it gets proven.
	checkProven(t, s, node, filepath.Join(bin, "sequencer"), args)
	require.True(t, node.running())
	require.True(t, prove.running())
	node.kill(t)
	prove.kill(t)
}

// places are flags that say where a sequencer is, the same when it is started again.
func places(t *testing.T) []string {
	t.Helper()
	flags := []string{"-datadir", t.TempDir()}
	for _, name := range []string{"-p2p.port", "-da.port"} {
		flags = append(flags, name, freePort(t))
	}
	return flags
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// checkNothingLost asks for what was acknowledged: the nonce of every account, and the
// receipt of every transaction that clients got one for, from number since on.
func checkNothingLost(t *testing.T, url string, clients []*client, since []int) {
	t.Helper()
	door, err := rpc.Dial(url + "/realtime")
	require.NoError(t, err)
	defer door.Close()
	for i, c := range clients {
		for addr, want := range c.nonces {
			var got hexutil.Uint64
			require.NoError(t, door.Call(&got, "eth_getTransactionCount", addr, "latest"))
			require.GreaterOrEqual(t, uint64(got), want, "nonce of %s", addr)
		}
		require.NoError(t, c.refused)
		for kept := range slices.Chunk(c.receipts[since[i]:], 500) {
			batch := make([]rpc.BatchElem, len(kept))
			for j := range kept {
				batch[j] = rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{kept[j].TransactionHash}, Result: new(*receipt)}
			}
			require.NoError(t, door.BatchCall(batch))
			for j := range kept {
				require.NoError(t, batch[j].Error)
				now := *batch[j].Result.(**receipt)
				require.NotNil(t, now, "lost: transaction %s", kept[j].TransactionHash)
				require.Equal(t, kept[j], *now)
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
			checkFollowed(t, node, sealed)
			s.kill(t)
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
	for began := time.Now(); time.Since(began) < time.Minute; {
		var number, root, mini uint64
		_, err := fmt.Sscanf(node.line(t, "root checked"), "mini-block %d/%d, root checked %d", &number, &mini, &root)
		require.NoError(t, err)
		if root >= sealed {
			return
		}
	}
	t.Fatalf("the full node does not come to block %d", sealed)
}
