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

// push puts a layer on top of others, which stay as they are. It merges layers of
// similar size, like the digits of a counter that carries, so that a read through
// n stages looks at no more than about log n layers.
func push(layers []layer, c *chain.Changes) ([]layer, error) {
	n := len(layers)
	for n > 0 && layers[n-1].Len() <= 2*c.Len() {
		n--
		merged, err := chain.Merge(layers[n].Changes, c)
		if err != nil {
			return nil, err
		}
		c = merged
	}
	return append(slices.Clip(layers[:n]), newLayer(c)), nil
}
