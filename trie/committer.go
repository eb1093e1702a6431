package trie

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

// The contract that this package implements.
type (
	Committer  = chain.Committer
	Commitment = chain.Commitment
)

// Config configures a StateTrie. The zero value is useful.
type Config struct {
	// Retain is the number of committed roots that are kept besides the newest,
	// for commitments to begin on. 0 means 128; negative, none. A root costs the
	// memory of the nodes that differ from its neighbours', some kilobytes per
	// changed account.
	Retain int
}

func (c Config) withDefaults() Config {
	if c.Retain == 0 {
		c.Retain = 128
	}
	c.Retain = max(c.Retain, 0)
	return c
}

// A StateTrie is Ethereum's state trie, with all storage tries, in memory. It is
// a chain.Committer that begins with the empty state.
type StateTrie struct {
	versions versions
}

var _ Committer = (*StateTrie)(nil)

// New returns a StateTrie that knows the empty state only.
func New(config Config) *StateTrie {
	return &StateTrie{versions{retain: config.withDefaults().Retain, nodes: make(map[common.Hash]node)}}
}

// Begin implements chain.Committer.
func (t *StateTrie) Begin(ctx context.Context, parent common.Hash) (Commitment, error) {
	return t.versions.begin(ctx, parent)
}

// versions are the tries on which commitments can begin. As they share what they
// have in common, keeping one is keeping a pointer.
type versions struct {
	retain int
	nodes  map[common.Hash]node
	order  []common.Hash // of nodes, the newest last
}

func (v *versions) begin(ctx context.Context, parent common.Hash) (Commitment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, ok := v.nodes[parent]
	if !ok && parent != chain.EmptyRoot {
		return nil, fmt.Errorf("state with root %s: %w", parent, chain.ErrNotFound)
	}
	return &commitment{versions: v, parent: root, root: root}, nil
}

// keep makes a version the newest, and drops what is too old.
func (v *versions) keep(hash common.Hash, root node) {
	v.order = slices.DeleteFunc(v.order, func(h common.Hash) bool { return h == hash })
	v.order = append(v.order, hash)
	v.nodes[hash] = root
	for len(v.order) > v.retain+1 {
		delete(v.nodes, v.order[0])
		v.order = v.order[1:]
	}
}

// A commitment is an edit of one version. It implements chain.Commitment.
type commitment struct {
	versions *versions
	parent   node // clean
	root     node
	// parts are copies of what was applied, for Witness: its net effect may
	// need less than the parts did.
	parts  []*chain.Changes
	closed bool  // committed or discarded: no more changes
	err    error // what broke it, or made it useless
}

var errDiscarded = fmt.Errorf("commitment: %w", chain.ErrClosed)

// Apply implements chain.Commitment. The error matches chain.ErrOutOfStep if the
// changes were made for another state.
func (c *commitment) Apply(changes *chain.Changes) error {
	switch {
	case c.err != nil:
		return c.err
	case c.closed:
		return fmt.Errorf("apply after commit: %w", chain.ErrClosed)
	}
	root, err := walk(nil).apply(c.root, changes)
	if err != nil {
		// Dirty nodes may have some of the changes.
		c.err = fmt.Errorf("apply: %w", err)
		return c.err
	}
	c.root = root
	c.parts = append(c.parts, withoutCodes(changes))
	return nil
}

// withoutCodes copies c, but for the codes, which are not in the trie.
func withoutCodes(c *chain.Changes) *chain.Changes {
	out := &chain.Changes{Accounts: slices.Clone(c.Accounts)}
	for i := range out.Accounts {
		out.Accounts[i].Slots = slices.Clone(out.Accounts[i].Slots)
	}
	return out
}

// Root implements chain.Commitment. It hashes what changed since the last call.
func (c *commitment) Root(ctx context.Context) (common.Hash, error) {
	if err := errors.Join(c.err, ctx.Err()); err != nil {
		return common.Hash{}, err
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	root := h.root(c.root)
	if invariants.Enabled && invariants.Sometimes(5) {
		if err := check(c.root); err != nil {
			panic("trie: " + err.Error())
		}
	}
	return root, nil
}

// Witness implements chain.Commitment: it walks the parent as the verifier will.
// The error matches chain.ErrOutOfStep if the applied changes do not follow one
// from the other.
func (c *commitment) Witness(ctx context.Context, accesses *chain.AccessSet) (*chain.Witness, error) {
	if err := errors.Join(c.err, ctx.Err()); err != nil {
		return nil, err
	}
	net, err := chain.Merge(c.parts...)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := make(walk)
	if err := w.read(c.parent, accesses); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if _, err := w.apply(c.parent, net); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	return &chain.Witness{Nodes: w.encode()}, nil
}

// encode returns the nodes that the walk opened, in the order of a witness.
func (w walk) encode() [][]byte {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	var out chain.Witness
	for n := range w {
		out.Nodes = append(out.Nodes, slices.Clone(h.encode(n)))
	}
	out.Normalize() // equal nodes may stand in several tries
	return out.Nodes
}

// Commit implements chain.Commitment.
func (c *commitment) Commit(ctx context.Context) error {
	if c.closed {
		return errors.Join(c.err, fmt.Errorf("commit after commit: %w", chain.ErrClosed))
	}
	root, err := c.Root(ctx)
	if err != nil {
		return err
	}
	c.versions.keep(root, c.root)
	c.closed = true
	return nil
}

// Discard implements chain.Commitment.
func (c *commitment) Discard() {
	if c.closed {
		return
	}
	*c = commitment{closed: true, err: errDiscarded}
}
