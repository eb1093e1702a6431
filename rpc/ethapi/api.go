package ethapi

import (
	"context"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/rpc/backend"
)

// Options say what an API shows and how much it does for one request. The zero
// value is useful.
type Options struct {
	// Realtime shows blocks, receipts and logs from the newest mini-block on.
	Realtime bool
	// LogRange is the most blocks that one eth_getLogs goes through. Default 10000.
	LogRange uint64
	// LogResults is the most logs that one answer has. Default 20000.
	LogResults int
	// LogBytes is about how many bytes the logs of one answer take at most, which only
	// an answer of one log exceeds. Default 25 MB, as for a batch.
	LogBytes int
	// FiltersMax is the most filters there are, over all paths. Default 10000.
	FiltersMax int
	// FilterBytes is the most memory that all filters take together. Default 64 MiB:
	// one with as many addresses and topics as a filter may have takes 60 KiB.
	FilterBytes int
	// FilterLife is how long a filter lives that nobody polls. Default 5 minutes.
	FilterLife time.Duration
	// TipDefault is the priority fee in wei that is suggested while no transaction
	// pays one. Default 1000000, go-ethereum's least.
	TipDefault *uint256.Int
}

func (o Options) withDefaults() Options {
	if o.LogRange == 0 {
		o.LogRange = 10_000
	}
	if o.LogResults == 0 {
		o.LogResults = 20_000
	}
	if o.LogBytes == 0 {
		o.LogBytes = 25_000_000
	}
	if o.FiltersMax == 0 {
		o.FiltersMax = 10_000
	}
	if o.FilterBytes == 0 {
		o.FilterBytes = 64 << 20
	}
	if o.FilterLife == 0 {
		o.FilterLife = 5 * time.Minute
	}
	if o.TipDefault == nil {
		o.TipDefault = uint256.NewInt(1_000_000)
	}
	return o
}

// An API is namespace eth. Its methods may be called concurrently.
type API struct {
	backend backend.Backend
	options Options
	fees    *feeOracle
	filters *filters
}

// New returns namespace eth over b.
func New(b backend.Backend, options Options) *API {
	options = options.withDefaults()
	return &API{
		backend: b,
		options: options,
		fees:    newFeeOracle(b, options.TipDefault),
		filters: newFilters(options),
	}
}

// Path returns the API of the standard or the realtime path, whatever Options.Realtime
// says. It shares a's filters, with their limits, and what a knows of fees.
func (a *API) Path(realtime bool) *API {
	other := *a
	other.options.Realtime = realtime
	return &other
}

// ChainId is eth_chainId: the chain's id for signatures (EIP-155).
func (a *API) ChainId() *hexutil.Big { return (*hexutil.Big)(a.backend.ChainConfig().ChainID) }

// BlockNumber is eth_blockNumber: of the newest block that is shown.
func (a *API) BlockNumber() hexutil.Uint64 { return hexutil.Uint64(a.newest()) }

// newest is the number of the newest block that is shown.
func (a *API) newest() uint64 {
	if a.options.Realtime {
		if open := a.backend.History().Unsealed(); len(open) > 0 {
			return open[len(open)-1].Number()
		}
	}
	return a.backend.History().Head().Number
}

// Accounts is eth_accounts: none. Keys are in wallets, not here.
func (a *API) Accounts() []common.Address { return []common.Address{} }

// Coinbase is eth_coinbase: who gets the fees of the newest block. (go-ethereum
// has dropped the method; web3.py and older tools still call it.)
func (a *API) Coinbase() common.Address {
	_, env := a.backend.Latest()
	return env.Coinbase
}

// state is the state that a call names.
func (a *API) state(ctx context.Context, at *rpc.BlockNumberOrHash) (*backend.State, error) {
	return backend.StateOf(ctx, a.backend, backend.OrLatest(at))
}

// pendingNonce is the nonce of an account's next transaction, as who holds the pool
// knows it.
func (a *API) pendingNonce(ctx context.Context, addr common.Address) (uint64, error) {
	if f, ok := a.backend.(backend.Forwarder); ok {
		var nonce hexutil.Uint64
		err := forward(ctx, f, &nonce, "eth_getTransactionCount", addr, "pending")
		return uint64(nonce), err
	}
	return a.backend.PendingNonce(ctx, addr)
}

func hexBig(v *uint256.Int) *hexutil.Big {
	if v == nil {
		return (*hexutil.Big)(new(big.Int))
	}
	return (*hexutil.Big)(v.ToBig())
}
