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

// Capabilities is eth_capabilities.
func (a *API) Capabilities() *Capabilities {
	var (
		head   = a.backend.History().Head()
		oldest = a.backend.History().Oldest()
		state  = window(0, a.options.StateBlocks)
		blocks = window(oldest, a.options.HistoryBlocks)
	)
	if oldest <= 1 {
		blocks = window(0, a.options.HistoryBlocks) // nothing is missing: genesis is always there
	}
	if n := a.options.StateBlocks; n > 0 && head.Number+1 > n {
		state = window(head.Number+1-n, n)
	}
	return &Capabilities{
		Head:  CapabilityHead{hexutil.Uint64(head.Number), head.Hash},
		State: state, StateProofs: state,
		Tx: blocks, Logs: blocks, Receipts: blocks, Blocks: blocks,
	}
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
