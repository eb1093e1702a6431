package ethapi

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Capabilities is the answer of eth_capabilities: from which block on a node can
// answer, so that routers know whom to ask.
type Capabilities struct {
	Head        CapabilityHead `json:"head"`
	State       Capability     `json:"state"`
	Tx          Capability     `json:"tx"`
	Logs        Capability     `json:"logs"`
	Receipts    Capability     `json:"receipts"`
	Blocks      Capability     `json:"blocks"`
	StateProofs Capability     `json:"stateproofs"`
}

// A CapabilityHead is the newest sealed block.
type CapabilityHead struct {
	Number hexutil.Uint64 `json:"number"`
	Hash   common.Hash    `json:"hash"`
}

// A Capability is from when on something can be had, and how it goes.
type Capability struct {
	Disabled       bool            `json:"disabled"`
	OldestBlock    *hexutil.Uint64 `json:"oldestBlock,omitempty"`
	DeleteStrategy *DeleteStrategy `json:"deleteStrategy,omitempty"`
}

// A DeleteStrategy of type "window" keeps so many of the newest blocks.
type DeleteStrategy struct {
	Type            string          `json:"type"`
	RetentionBlocks *hexutil.Uint64 `json:"retentionBlocks,omitempty"`
}

// Capabilities is eth_capabilities: what the node has now, as one finds by asking it.
func (a *API) Capabilities() *Capabilities {
	var (
		store  = a.backend.History()
		head   = store.Head()
		oldest = store.Oldest()
		state  = a.oldestState(head.Number)
	)
	if oldest <= 1 {
		oldest = 0 // nothing is missing: genesis is always there
	}
	var (
		blocks = window(min(oldest, head.Number), store.KeepBlocks())
		states = window(state, 0)
	)
	if state > 0 {
		states = window(state, head.Number+1-state)
	}
	return &Capabilities{
		Head:  CapabilityHead{hexutil.Uint64(head.Number), head.Hash},
		State: states, StateProofs: states,
		Tx: blocks, Logs: blocks, Receipts: blocks, Blocks: blocks,
	}
}

// oldestState is the oldest sealed block from which on all states up to head are kept.
// They reach back without a gap, so it looks at twice as many as are kept at most.
func (a *API) oldestState(head uint64) uint64 {
	kept := func(back uint64) bool {
		if back > head {
			return false
		}
		header, err := a.backend.History().Header(head - back)
		if err == nil {
			_, err = a.backend.StateAt(header.ID())
		}
		return err == nil
	}
	low, high := uint64(0), uint64(1) // kept, unless it is 0; not kept
	for kept(high) {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; kept(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return head - low
}

// window is something that there is from block oldest on, of which a number of
// blocks is kept, or all for 0.
func window(oldest, keep uint64) Capability {
	from := hexutil.Uint64(oldest)
	c := Capability{OldestBlock: &from}
	if keep > 0 {
		blocks := hexutil.Uint64(keep)
		c.DeleteStrategy = &DeleteStrategy{"window", &blocks}
	}
	return c
}
