package backend

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/fullnode/history"
)

// elsewhereTime is how long a sequencer elsewhere may take to say what is not kept here.
const elsewhereTime = 2 * time.Second

// Elsewhere passes a call on whose answer is not kept here: kept is the error that says
// so. Without a sequencer elsewhere, or if that is of no help, the error is kept; an
// error of another kind is given back as it is, and nothing is asked. It is asked once,
// and its answer is not remembered: a hash that does not exist now may exist later.
//
// The answer is the sequencer's word, null included. But what it has of a block that is
// not sealed here yet is null here too, so that who reads next where he read this is not
// told of an older chain.
func Elsewhere(ctx context.Context, b Backend, kept error, method string, params ...any) (json.RawMessage, error) {
	f, ok := b.(Forwarder)
	if !ok || !errors.Is(kept, history.ErrNotKept) {
		return nil, kept
	}
	limited, cancel := context.WithTimeout(ctx, elsewhereTime)
	defer cancel()
	answer, err := f.Forward(limited, method, params...)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, kept
	case blockIn(answer) > b.History().Head().Number:
		return json.RawMessage("null"), nil
	}
	return answer, nil
}

// blockIn is the number of the block that a block, transaction or receipt says it is, or
// is in; 0 for other answers.
func blockIn(answer json.RawMessage) uint64 {
	var place struct {
		Number      *hexutil.Uint64
		BlockNumber *hexutil.Uint64
	}
	if json.Unmarshal(answer, &place) != nil {
		return 0
	}
	for _, n := range []*hexutil.Uint64{place.Number, place.BlockNumber} {
		if n != nil {
			return uint64(*n)
		}
	}
	return 0
}
