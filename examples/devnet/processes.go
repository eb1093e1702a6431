package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A processes is the roles of a chain as processes, that meet over sockets alone: p2p, the
// alt-DA server of the sequencer, and its door.
type processes struct {
	dir       string
	children  []*child
	sequencer *remote
	nodes     []*remote
}

// anywhere are flags of those who must not be in each other's way.
var anywhere = []string{"-http.port=0", "-p2p.port=0"}

// startProcesses starts the roles, each on ports of its own, and connects to those that
// have a door.
func startProcesses(ctx context.Context, o *options, dir string) (_ *processes, err error) {
	p := &processes{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if err := p.startSequencer(ctx, o); err != nil {
		return nil, err
	}
	for i := range provers {
		if _, err := p.start(proverName(i), "role-prover", "-sequencer="+p.sequencer.url, "-key="+p.proverKey(i), "-workers=1", "-http.port=0"); err != nil {
			return nil, err
		}
	}
	return p, p.startNodes(ctx)
}

// start starts a role.
func (p *processes) start(name, role string, args ...string) (*child, error) {
	c, err := startChild(p.dir, name, role, args...)
	if c != nil {
		p.children = append(p.children, c)
	}
	return c, err
}

func (p *processes) data(name string) string { return "-datadir=" + filepath.Join(p.dir, name) }

func proverName(i int) string { return fmt.Sprintf("prover-%d", i+1) }

func (p *processes) proverKey(i int) string { return filepath.Join(p.dir, proverName(i)+".key") }

// startSequencer starts the sequencer, which is told the provers' names before they are
// there.
func (p *processes) startSequencer(ctx context.Context, o *options) error {
	var addresses []string
	for i := range provers {
		key, err := cli.Key(p.proverKey(i))
		if err != nil {
			return err
		}
		addresses = append(addresses, crypto.PubkeyToAddress(key.PublicKey).Hex())
	}
	c, err := p.start("sequencer", "role-sequencer", append(anywhere, p.data("sequencer"), "-da.port=0",
		"-durability="+o.durability.String(), "-mini-block-interval="+o.miniBlock.String(), "-block-interval="+o.block.String(),
		fmt.Sprintf("-base-fee=%d", uint64(genesis.DevBaseFee)),
		"-provers="+strings.Join(addresses, ","), fmt.Sprintf("-prover-threshold=%d", provers))...)
	if err != nil {
		return err
	}
	p.sequencer, err = p.meet(ctx, c, "sequencer", "sequencer of chain")
	return err
}

// startNodes starts the full nodes, all before the first has to be there.
func (p *processes) startNodes(ctx context.Context) error {
	var nodes [fullNodes]*child
	for i := range nodes {
		name := fmt.Sprintf("fullnode-%d", i+1)
		var err error
		if nodes[i], err = p.start(name, "role-fullnode", append(anywhere, p.data(name), "-sequencer="+p.sequencer.url, "-print-interval=0")...); err != nil {
			return err
		}
	}
	for i, c := range nodes {
		node, err := p.meet(ctx, c, fmt.Sprintf("full node %d", i+1), "full node of chain")
		if err != nil {
			return err
		}
		p.nodes = append(p.nodes, node)
	}
	return nil
}

// meet waits until a child says, in a line that begins with hello, where its door is.
func (p *processes) meet(ctx context.Context, c *child, name, hello string) (*remote, error) {
	url, err := c.door(ctx, hello)
	if err != nil {
		return nil, err
	}
	return dialRemote(ctx, name, url)
}

// doors are those who have one.
func (p *processes) doors() []*remote {
	if p.sequencer == nil {
		return nil
	}
	return append([]*remote{p.sequencer}, p.nodes...)
}

// failed are the processes that have ended by themselves.
func (p *processes) failed() (problems []error) {
	for _, c := range p.children {
		if err := c.failed(); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// stop asks all to end, and waits for them.
func (p *processes) stop() error {
	for _, r := range p.doors() {
		r.client.Close()
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
