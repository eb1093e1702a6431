package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/role"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// roles are the programs that this one is when it is started by itself, by its first
// argument.
var roles = map[string]func([]string) int{
	"role-sequencer": role.Sequencer,
	"role-fullnode":  role.Fullnode,
	"role-prover":    role.Prover,
}

// A processes is the chain as processes: who they are, and how to ask them.
type processes struct {
	dir       string
	children  []*child
	sequencer *rpc.Client
	door      string // the sequencer's
	nodes     []*rpc.Client
}

// A child is a process, its output in files of the directory.
type child struct {
	name  string
	cmd   *exec.Cmd
	lines chan string // of standard output, until it ends or nobody reads
	ended chan struct{}
	err   error // when ended
}

const (
	// startPatience is how long a program may take to say where it is.
	startPatience = 30 * time.Second
	// stopPatience is how long one may take to end when it is asked to.
	stopPatience = 30 * time.Second
)

// start starts a role by running this program again.
func (p *processes) start(name, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &child{name: name, lines: make(chan string, 1000), ended: make(chan struct{})}
	c.cmd = exec.Command(self, append([]string{role}, args...)...)
	c.cmd.Stderr = log
	// Ctrl-C is for this program, which asks its children to end.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	p.children = append(p.children, c)
	go func() {
		defer close(c.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case c.lines <- lines.Text():
			default:
			}
		}
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// says waits for a line that begins so, and returns it.
func (c *child) says(ctx context.Context, prefix string) (string, error) {
	patience := time.After(startPatience)
	for {
		select {
		case line := <-c.lines:
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		case <-c.ended:
			return "", fmt.Errorf("%s: ended: %w", c.name, errors.Join(c.err, errors.New("see its log")))
		case <-patience:
			return "", fmt.Errorf("%s: said nothing for %s", c.name, startPatience)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// address is the door that a program says it has.
func (c *child) address(ctx context.Context, prefix string) (string, error) {
	line, err := c.says(ctx, prefix)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(line, "http://")
	at, _, _ := strings.Cut(rest, " ")
	return "http://" + strings.TrimSuffix(at, ","), nil
}

// startProcesses starts the roles, each on ports of its own, and connects to those that
// have a door.
func startProcesses(ctx context.Context, o *options, dir string) (_ *processes, err error) {
	p := &processes{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	var addresses []string
	for i := range provers {
		key, err := cli.Key(filepath.Join(dir, fmt.Sprintf("prover-%d.key", i+1)))
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, crypto.PubkeyToAddress(key.PublicKey).Hex())
	}
	anywhere := []string{"-http.port=0", "-p2p.port=0"}
	s, err := p.start("sequencer", "role-sequencer", append(anywhere, "-da.port=0",
		"-datadir="+filepath.Join(dir, "sequencer"), "-durability="+o.durability.String(),
		"-mini-block-interval="+o.miniBlock.String(), "-block-interval="+o.block.String(),
		fmt.Sprintf("-base-fee=%d", uint64(genesis.DevBaseFee)),
		"-provers="+strings.Join(addresses, ","), fmt.Sprintf("-prover-threshold=%d", provers))...)
	if err != nil {
		return nil, err
	}
	if p.door, err = s.address(ctx, "sequencer of chain"); err != nil {
		return nil, err
	}
	if p.sequencer, err = rpc.DialContext(ctx, p.door); err != nil {
		return nil, err
	}
	for i := range provers {
		name := fmt.Sprintf("prover-%d", i+1)
		if _, err := p.start(name, "role-prover", "-sequencer="+p.door, "-key="+filepath.Join(dir, name+".key"), "-workers=1"); err != nil {
			return nil, err
		}
	}
	var nodes []*child
	for i := range fullNodes {
		name := fmt.Sprintf("fullnode-%d", i+1)
		c, err := p.start(name, "role-fullnode", append(anywhere, "-sequencer="+p.door, "-datadir="+filepath.Join(dir, name), "-print-interval=0")...)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, c)
	}
	for _, c := range nodes {
		at, err := c.address(ctx, "full node of chain")
		if err != nil {
			return nil, err
		}
		client, err := rpc.DialContext(ctx, at)
		if err != nil {
			return nil, err
		}
		p.nodes = append(p.nodes, client)
	}
	return p, nil
}

// failed are the processes that have ended by themselves.
func (p *processes) failed() (problems []string) {
	for _, c := range p.children {
		select {
		case <-c.ended:
			problems = append(problems, fmt.Sprintf("%s ended by itself: %v", c.name, c.err))
		default:
		}
	}
	return problems
}

// stop asks all to end, those who follow first, and waits for them. Who does not end in
// time is killed, which is an error as is an exit code.
func (p *processes) stop() error {
	for _, client := range append(p.nodes, p.sequencer) {
		if client != nil {
			client.Close()
		}
	}
	var (
		errs = make([]error, len(p.children))
		all  sync.WaitGroup
	)
	for i, c := range p.children {
		all.Go(func() { errs[i] = c.stop() })
	}
	all.Wait()
	p.children, p.nodes, p.sequencer = nil, nil, nil
	return errors.Join(errs...)
}

func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		_ = c.cmd.Process.Kill()
		<-c.ended
		return fmt.Errorf("%s did not end within %s", c.name, stopPatience)
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w", c.name, c.err)
	}
	return nil
}

// submit is the front door of the sequencer's process.
func (p *processes) submit(ctx context.Context, raw []byte) (*chain.Receipt, error) {
	var receipt struct {
		Status hexutil.Uint64 `json:"status"`
	}
	err := p.sequencer.CallContext(ctx, &receipt, "realtime_sendRawTransaction", hexutil.Bytes(raw))
	var coded rpc.Error
	if errors.As(err, &coded) && coded.ErrorCode() == codeBusy {
		return nil, fmt.Errorf("%w: %w", chain.ErrBusy, err)
	}
	return &chain.Receipt{Status: uint64(receipt.Status)}, err
}

// codeBusy is the door's for a full pool: limit exceeded (EIP-1474).
const codeBusy = -32005

func (p *processes) pendingNonce(who common.Address) (uint64, error) {
	var n hexutil.Uint64
	err := p.sequencer.Call(&n, "eth_getTransactionCount", who, "pending")
	return uint64(n), err
}

// A sealed is what a door says of a block.
type sealed struct {
	Number    hexutil.Uint64 `json:"number"`
	Hash      common.Hash    `json:"hash"`
	StateRoot common.Hash    `json:"stateRoot"`
}

func block(client *rpc.Client, tag any) (*sealed, error) {
	var b *sealed
	if err := client.Call(&b, "eth_getBlockByNumber", tag, false); err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%w: block %v", chain.ErrNotFound, tag)
	}
	return b, nil
}

// devnetOfProcesses is a run whose roles are processes, of this program, that meet over
// sockets alone: p2p, the alt-DA server of the sequencer, and its door.
func devnetOfProcesses(ctx context.Context, o *options, stdout io.Writer) (err error) {
	load, err := cli.DevLoad()
	if err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "vivace-devnet-"); err != nil {
			return err
		}
		defer func() {
			if err == nil { // else there are logs to be read
				err = os.RemoveAll(dir)
			}
		}()
	}
	if err := cli.DataDir(dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "devnet: 1 sequencer, %d full nodes, %d provers, each a process; logs in %s\n", fullNodes, provers, dir)
	p, err := startProcesses(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	d := &driver{submit: p.submit, rate: o.rate, patience: answerPatience}
	if o.rate != noLoad {
		d.lanes = load.Lanes(o.clients)
		for _, lane := range d.lanes {
			if err := lane.Resume(p.pendingNonce); err != nil {
				return err
			}
		}
	}
	began := time.Now()
	p.watch(ctx, d, o, stdout)
	elapsed := min(time.Since(began), o.duration)
	return p.conclude(o, d, elapsed, stdout)
}

// watch drives the load, with live progress.
func (p *processes) watch(ctx context.Context, d *driver, o *options, stdout io.Writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		d.run(ctx, o.duration)
	}()
	screen, m := newDisplay(stdout), meter{at: began}
	ticker := time.NewTicker(screen.period())
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			screen.show(p.progress(d, &m, time.Since(began), o.duration))
			if len(p.failed()) > 0 {
				cancel()
			}
		case <-done:
			screen.show(p.progress(d, &m, o.duration, o.duration))
			return
		}
	}
}

func (p *processes) progress(d *driver, m *meter, at, of time.Duration) progress {
	n := d.acknowledged.Load()
	out := progress{
		title: fmt.Sprintf("%.1f s of %.1f s", min(at, of).Seconds(), of.Seconds()),
		rows: [][]string{{"load", count(n) + " tx", fmt.Sprintf("%.0f tx/s", m.rate(n)),
			"p50 " + milliseconds(d.latency.percentile(50)), "p99 " + milliseconds(d.latency.percentile(99))}},
	}
	heads := func(name string, client *rpc.Client) {
		row := []string{name}
		for _, tag := range []string{"latest", "safe", "finalized"} {
			if b, err := block(client, tag); err == nil {
				row = append(row, fmt.Sprintf("%s %d", tag, b.Number))
			} else {
				row = append(row, tag+" ?")
			}
		}
		out.rows = append(out.rows, append(row, ""))
	}
	heads("sequencer", p.sequencer)
	for i, client := range p.nodes {
		heads(fmt.Sprintf("full node %d", i+1), client)
	}
	return out
}

// conclude waits until all stand where the load ended, compares their roots, prints the
// summary and returns what is wrong.
func (p *processes) conclude(o *options, d *driver, elapsed time.Duration, stdout io.Writer) error {
	problems := p.failed()
	head, err := block(p.sequencer, "latest")
	if err != nil {
		return errors.Join(append(asErrors(problems), err)...)
	}
	// The block that was open when the load ended.
	target := uint64(head.Number) + 1
	deadline := time.Now().Add(settlePatience + 3*o.block)
	for !p.settled(target) && time.Now().Before(deadline) && len(p.failed()) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	different := p.compare(target)
	problems = append(p.failed(), append(d.problems(elapsed), different...)...)
	s, err := p.summary(d, elapsed, len(different) == 0)
	if err != nil {
		problems = append(problems, err.Error())
	} else {
		if s.Head > s.ProvenHead+provenLag {
			problems = append(problems, fmt.Sprintf("the proven head is %d blocks behind, more than %d", s.Head-s.ProvenHead, provenLag))
		}
		fmt.Fprintln(stdout)
		s.print(stdout)
		if o.json {
			if err := printJSON(stdout, s); err != nil {
				return err
			}
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n\t"))
	}
	return nil
}

func asErrors(problems []string) (errs []error) {
	for _, p := range problems {
		errs = append(errs, errors.New(p))
	}
	return errs
}

// settled reports whether all have block target, and provers have seen to it.
func (p *processes) settled(target uint64) bool {
	for _, client := range append([]*rpc.Client{p.sequencer}, p.nodes...) {
		if b, err := block(client, "latest"); err != nil || uint64(b.Number) < target {
			return false
		}
	}
	b, err := block(p.sequencer, "finalized")
	return err == nil && uint64(b.Number) >= target
}

// compare asks all for blocks up to target, the newest hundred, and says what differs.
func (p *processes) compare(target uint64) (problems []string) {
	for number := max(1, target-min(target, 100)); number <= target; number++ {
		want, err := block(p.sequencer, hexutil.Uint64(number))
		if err != nil {
			return append(problems, fmt.Sprintf("sequencer: %v", err))
		}
		for i, client := range p.nodes {
			got, err := block(client, hexutil.Uint64(number))
			switch {
			case err != nil:
				problems = append(problems, fmt.Sprintf("full node %d: block %d: %v", i+1, number, err))
			case *got != *want:
				problems = append(problems, fmt.Sprintf("full node %d: block %d: stateRoot %s, hash %s; the sequencer has %s, %s", i+1, number, got.StateRoot, got.Hash, want.StateRoot, want.Hash))
			}
		}
	}
	return problems
}

func (p *processes) summary(d *driver, elapsed time.Duration, equal bool) (*summary, error) {
	metrics, err := readMetrics(p.door + "/metrics")
	if err != nil {
		return nil, err
	}
	n := func(name string) uint64 { return uint64(metrics["vivace_sequencer_"+name]) }
	txs := d.acknowledged.Load()
	return &summary{
		Transactions: txs, TPS: float64(txs) / elapsed.Seconds(),
		ReceiptP50: d.latency.percentile(50).Microseconds(), ReceiptP99: d.latency.percentile(99).Microseconds(),
		MiniBlocks: n("mini_blocks_total"), Blocks: n("blocks_total"),
		DiffBytesPerTx:    perTx(n("diff_bytes_total"), int64(n("transactions_total"))),
		WitnessBytesPerTx: perTx(n("witness_bytes_total"), int64(n("transactions_total"))),
		ProvenHead:        n("head_proven"), Head: n("head_sealed"),
		RootsEqual: equal,
	}, nil
}

// readMetrics reads the numbers without labels of a page for Prometheus.
func readMetrics(url string) (map[string]float64, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	out := make(map[string]float64)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		var value float64
		if ok && !strings.HasPrefix(name, "#") && json.Unmarshal([]byte(text), &value) == nil {
			out[name] = value
		}
	}
	return out, lines.Err()
}
