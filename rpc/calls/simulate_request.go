package calls

import (
	"bytes"
	"encoding/json"

	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Limits of a simulation.
const (
	simulatedBlocksMax = 256
	blockCallsMax      = 5_000
	allCallsMax        = 10_000
)

// A Simulation is the argument of eth_simulateV1.
type Simulation struct {
	Blocks                 []SimulatedBlock
	TraceTransfers         bool // payments of ether are logs
	Validation             bool // calls are held to what transactions are held to
	ReturnFullTransactions bool

	excess error // what there is too much of
}

// A SimulatedBlock is what one block is to do.
type SimulatedBlock struct {
	Block *call.BlockOverrides // not nil
	State *call.StateOverride
	Calls []call.Args
}

// UnmarshalJSON implements json.Unmarshaler. Overrides that do not exist are refused.
// Beyond its limits a list is counted and not kept; that is SimulateV1's error, whose
// code says more than "invalid argument".
func (s *Simulation) UnmarshalJSON(src []byte) error {
	var in struct {
		BlockStateCalls        json.RawMessage
		TraceTransfers         bool
		Validation             bool
		ReturnFullTransactions bool
	}
	if err := json.Unmarshal(src, &in); err != nil {
		return err
	}
	out := Simulation{TraceTransfers: in.TraceTransfers, Validation: in.Validation, ReturnFullTransactions: in.ReturnFullTransactions}
	blocks, n, err := decodeList[json.RawMessage](in.BlockStateCalls, simulatedBlocksMax)
	if err != nil {
		return err
	}
	if n > simulatedBlocksMax {
		out.excess = tooManyBlocks()
	}
	out.Blocks = make([]SimulatedBlock, len(blocks))
	room := allCallsMax
	for i := range blocks {
		if room, err = out.decodeBlock(&out.Blocks[i], blocks[i], room); err != nil {
			return err
		}
		blocks[i] = nil
	}
	*s = out
	return nil
}

// decodeBlock reads a block with at most room calls, and returns how many more there
// may be.
func (s *Simulation) decodeBlock(b *SimulatedBlock, src []byte, room int) (int, error) {
	var in struct{ BlockOverrides, StateOverrides, Calls json.RawMessage }
	if err := json.Unmarshal(src, &in); err != nil {
		return 0, err
	}
	b.Block = new(call.BlockOverrides)
	if in.BlockOverrides != nil {
		overrides, err := call.StrictBlockOverrides(in.BlockOverrides)
		if err != nil {
			return 0, err
		}
		if overrides != nil {
			b.Block = overrides
		}
	}
	if in.StateOverrides != nil {
		var err error
		if b.State, err = call.StrictStateOverride(in.StateOverrides); err != nil {
			return 0, err
		}
	}
	calls, n, err := decodeList[call.Args](in.Calls, min(blockCallsMax, room))
	switch {
	case err != nil:
		return 0, err
	case s.excess != nil:
	case n > blockCallsMax:
		s.excess = wire.Errorf(wire.CodeClientLimit, "too many calls in block: %d > %d", n, blockCallsMax)
	case n > room:
		s.excess = wire.Errorf(wire.CodeClientLimit, "too many calls: %d > %d", allCallsMax-room+n, allCallsMax)
	}
	b.Calls = calls
	return room - len(calls), nil
}

func tooManyBlocks() error { return wire.Errorf(wire.CodeClientLimit, "too many blocks") }

// decodeList reads a JSON array, or null, of which it keeps at most the first most
// elements, and counts all.
func decodeList[T any](src []byte, most int) (list []T, n int, err error) {
	if len(src) == 0 || string(src) == "null" {
		return nil, 0, nil
	}
	in := json.NewDecoder(bytes.NewReader(src))
	if src[0] != '[' {
		return nil, 0, json.Unmarshal(src, &list) // it says what is wrong
	}
	if _, err := in.Token(); err != nil {
		return nil, 0, err
	}
	var skipped json.RawMessage
	for ; in.More(); n++ {
		if n >= most {
			if err := in.Decode(&skipped); err != nil {
				return nil, 0, err
			}
			continue
		}
		var element T
		if err := in.Decode(&element); err != nil {
			return nil, 0, err
		}
		list = append(list, element)
	}
	return list, n, nil
}
