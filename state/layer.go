package state

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A layer is Changes that a view looks through: the values after them, for one
// that lies on top of them, or before them, for one that lies below. It never
// changes.
type layer struct {
	*chain.Changes
	refs map[common.Hash]int // by how much the number of accounts with a code changes; never 0
}

func newLayer(c *chain.Changes) layer {
	l := layer{Changes: c}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if a.Before.CodeHash != a.After.CodeHash {
			l.count(a.Existed, a.Before.CodeHash, -1)
			l.count(a.Exists, a.After.CodeHash, 1)
		}
	}
	return l
}

func (l *layer) count(exists bool, hash common.Hash, delta int) {
	if !exists || hash == chain.EmptyCodeHash {
		return
	}
	if l.refs == nil {
		l.refs = make(map[common.Hash]int)
	}
	if l.refs[hash] += delta; l.refs[hash] == 0 {
		delete(l.refs, hash)
	}
}

// fanout is how many layers of similar size push merges into one. More means less
// merging and more layers to look through: with 4, a hundred equal stages are
// merged 3 times each and leave at most 10 layers.
const fanout = 4

// push puts a layer on top of others, which stay as they are. It merges layers of
// similar size, like the digits of a counter that carries, so that a read through
// n stages looks at some log n layers.
func push(layers []layer, c *chain.Changes) []layer {
	for {
		n := len(layers)
		for n > 0 && layers[n-1].Len() <= 2*c.Len() {
			n--
		}
		if len(layers)-n < fanout-1 {
			return append(slices.Clip(layers), newLayer(c))
		}
		layers, c = layers[:n], net(append(slices.Clip(layers[n:]), layer{Changes: c}))
	}
}

// net is the changes of all layers together.
func net(layers []layer) *chain.Changes {
	if len(layers) == 1 {
		return layers[0].Changes
	}
	parts := make([]*chain.Changes, len(layers))
	for i := range layers {
		parts[i] = layers[i].Changes
	}
	return merge(parts...)
}

// merge is chain.Merge of changes of which each was found to fit the one before.
func merge(parts ...*chain.Changes) *chain.Changes {
	c, err := chain.Merge(parts...)
	if err != nil {
		panic("state: staged changes do not follow each other: " + err.Error())
	}
	return c
}
