package history

import (
	"container/list"
	"sync"
)

// A cache keeps blocks of the file that were used lately, decoded. It may be used
// concurrently.
type cache struct {
	most int // bytes

	mu     sync.Mutex
	bytes  int
	age    int // how often blocks were taken back
	blocks map[uint64]*list.Element
	order  list.List // of cached, the latest used first
}

type cached struct {
	block *Block
	bytes int
}

func newCache(most int) *cache { return &cache{most: most, blocks: make(map[uint64]*list.Element)} }

// get returns a block, or nil and what add wants to know.
func (c *cache) get(number uint64) (b *Block, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.blocks[number]
	if e == nil {
		return nil, c.age
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).block, c.age
}

// add keeps a block that was read since get gave age.
func (c *cache) add(b *Block, age int) {
	size := b.bytes()
	c.mu.Lock()
	defer c.mu.Unlock()
	if age != c.age || c.blocks[b.Number()] != nil || size > c.most {
		return // it may be one that was taken back
	}
	c.blocks[b.Number()] = c.order.PushFront(cached{b, size})
	c.bytes += size
	for c.bytes > c.most {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	x := c.order.Remove(e).(cached)
	delete(c.blocks, x.block.Number())
	c.bytes -= x.bytes
}

// rewind forgets the blocks after number.
func (c *cache) rewind(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	for n, e := range c.blocks {
		if n > number {
			c.remove(e)
		}
	}
}

// prune forgets the blocks before number.
func (c *cache) prune(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, e := range c.blocks {
		if n < number {
			c.remove(e)
		}
	}
}

func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
