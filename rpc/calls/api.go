package calls

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// API is this package's part of namespace eth. Its methods may be called concurrently.
type API struct {
	Options
	turns chan struct{}
}

// New returns the methods of namespace eth.
func New(options Options) (*API, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	return &API{options, make(chan struct{}, options.Concurrency)}, nil
}

// begin waits for the request's turn. The context ends with its time; done gives the
// turn back.
func (a *API) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	select {
	case a.turns <- struct{}{}:
		return ctx, func() { <-a.turns; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, a.aborted()
	}
}

// aborted is the error of a request whose time is over.
func (a *API) aborted() error { return fmt.Errorf("execution aborted (timeout = %v)", a.Timeout) }

func (a *API) chainID() *big.Int { return a.Backend.ChainConfig().ChainID }

// Call is eth_call: what a message returns on a state. Both may be altered first.
func (a *API) Call(ctx context.Context, args call.Args, at *rpc.BlockNumberOrHash, state *call.StateOverride, block *call.BlockOverrides) (hexutil.Bytes, error) {
	if err := args.CheckBlobFee(); err != nil {
		return nil, err
	}
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := a.scene(ctx, at, state, block)
	if err != nil {
		return nil, err
	}
	message, err := args.Message(s.env, a.chainID(), a.GasCap)
	if err != nil {
		return nil, err
	}
	result, err := a.execute(ctx, s, message, nil)
	if err != nil {
		return nil, supplied(err, message.Gas)
	}
	if result.Err != nil {
		return nil, callError(result)
	}
	return result.Output, nil
}
