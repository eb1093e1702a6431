package calls

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

// An AccessListResult is the answer of eth_createAccessList.
type AccessListResult struct {
	AccessList types.AccessList `json:"accessList"`
	Error      string           `json:"error,omitempty"` // of the outermost call
	GasUsed    hexutil.Uint64   `json:"gasUsed"`         // with the list
}

// CreateAccessList is eth_createAccessList: what a message accesses besides what is
// warm anyway (EIP-2929), for its access list (EIP-2930). A list makes gas cheaper,
// and a message with more gas left may access more, so the message runs until the
// list no longer grows.
func (a *API) CreateAccessList(ctx context.Context, args call.Args, at *rpc.BlockNumberOrHash, state *call.StateOverride) (*AccessListResult, error) {
	if err := args.CheckBlobFee(); err != nil {
		return nil, err
	}
	ctx, done, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := a.scene(ctx, at, state, nil)
	if err != nil {
		return nil, err
	}
	if err := a.completeForList(ctx, s, &args); err != nil {
		return nil, err
	}
	return a.accessList(ctx, s, &args)
}

// completeForList fills in what is missing. Fees are suggested only to a client that
// names some: another does not want to pay.
func (a *API) completeForList(ctx context.Context, s *scene, args *call.Args) error {
	if args.GasPrice != nil || args.MaxFeePerGas != nil || args.MaxPriorityFeePerGas != nil || args.MaxFeePerBlobGas != nil {
		if err := a.suggestFees(ctx, args, s.env); err != nil {
			return err
		}
	}
	if args.Nonce == nil {
		account, _, err := s.view.Account(args.Sender())
		if err != nil {
			return err
		}
		args.Nonce = (*hexutil.Uint64)(&account.Nonce)
	}
	return args.Complete(s.env, a.chainID(), a.GasCap)
}

// accessList runs complete arguments until their access list has everything. Where
// gas is tight it may never: what is accessed with the list costs more than there is,
// and without it less. Then the answer is one of the lists that come again and again.
func (a *API) accessList(ctx context.Context, s *scene, args *call.Args) (*AccessListResult, error) {
	warm, err := a.warm(s, args)
	if err != nil {
		return nil, err
	}
	known := newAccessTracer(warm)
	if args.AccessList != nil {
		known.add(*args.AccessList)
	}
	// Brent's algorithm: old is as many rounds ago as the power of two before.
	for old, rounds, power := known, 0, 1; ; rounds++ {
		list := known.list()
		args.AccessList = &list
		seen := newAccessTracer(warm)
		seen.add(list)
		result, err := a.execute(ctx, s, args.CompleteMessage(), &tracing.Hooks{OnOpcode: seen.onOpcode})
		switch {
		case errors.Is(err, chain.ErrInvalidTx):
			return nil, fmt.Errorf("failed to apply transaction: %s err: %w", args.Transaction().Hash(), err)
		case err != nil:
			return nil, err
		case seen.equal(known) || seen.equal(old):
			answer := &AccessListResult{AccessList: list, GasUsed: hexutil.Uint64(result.GasUsed)}
			if result.Err != nil {
				answer.Error = result.Err.Error()
			}
			return answer, nil
		case rounds == power:
			old, power = seen, 2*power
		}
		known = seen
	}
}

// warm are the accounts that need no place in the list: sender, recipient,
// precompiles and the signers of authorizations.
func (a *API) warm(s *scene, args *call.Args) (map[common.Address]bool, error) {
	warm := map[common.Address]bool{args.Sender(): true}
	if args.To != nil {
		warm[*args.To] = true
	} else {
		warm[crypto.CreateAddress(args.Sender(), uint64(*args.Nonce))] = true
	}
	precompiles, err := a.Engine.Precompiles(s.env)
	if err != nil {
		return nil, err
	}
	for _, addr := range precompiles {
		warm[addr] = true
	}
	for i := range args.AuthorizationList {
		if authority, ok := authority(&args.AuthorizationList[i], a.chainID()); ok {
			warm[authority] = true
		}
	}
	return warm, nil
}

// authority is who signed an authorization, if it can be valid on the chain.
func authority(auth *types.SetCodeAuthorization, chainID *big.Int) (common.Address, bool) {
	if !auth.ChainID.IsZero() && auth.ChainID.CmpBig(chainID) != 0 || auth.Nonce == math.MaxUint64 {
		return common.Address{}, false
	}
	addr, err := auth.Authority()
	return addr, err == nil
}

// An accessTracer gathers accounts and slots, at first those of a list. The slots of
// what is warm come from execution only, so that ones no longer accessed drop out.
type accessTracer struct {
	warm     map[common.Address]bool // only their slots count
	accessed map[common.Address]map[common.Hash]struct{}
}

func newAccessTracer(warm map[common.Address]bool) *accessTracer {
	return &accessTracer{warm: warm, accessed: make(map[common.Address]map[common.Hash]struct{})}
}

func (t *accessTracer) add(list types.AccessList) {
	for _, entry := range list {
		if t.warm[entry.Address] {
			continue
		}
		t.addAccount(entry.Address)
		for _, key := range entry.StorageKeys {
			t.addSlot(entry.Address, key)
		}
	}
}

func (t *accessTracer) addAccount(addr common.Address) {
	if t.accessed[addr] == nil {
		t.accessed[addr] = make(map[common.Hash]struct{})
	}
}

func (t *accessTracer) addSlot(addr common.Address, key common.Hash) {
	t.addAccount(addr)
	t.accessed[addr][key] = struct{}{}
}

func (t *accessTracer) equal(o *accessTracer) bool {
	return maps.EqualFunc(t.accessed, o.accessed, maps.Equal[map[common.Hash]struct{}])
}

// list is what was gathered, in order.
func (t *accessTracer) list() types.AccessList {
	list := make(types.AccessList, 0, len(t.accessed))
	for addr, slots := range t.accessed {
		keys := slices.AppendSeq(make([]common.Hash, 0, len(slots)), maps.Keys(slots))
		slices.SortFunc(keys, common.Hash.Cmp)
		list = append(list, types.AccessTuple{Address: addr, StorageKeys: keys})
	}
	slices.SortFunc(list, func(x, y types.AccessTuple) int { return x.Address.Cmp(y.Address) })
	return list
}

// Instructions that access accounts and slots.
const (
	opBalance      = 0x31
	opExtCodeSize  = 0x3b
	opExtCodeCopy  = 0x3c
	opExtCodeHash  = 0x3f
	opSload        = 0x54
	opSstore       = 0x55
	opCall         = 0xf1
	opCallCode     = 0xf2
	opDelegateCall = 0xf4
	opStaticCall   = 0xfa
	opSelfDestruct = 0xff
)

// onOpcode is tracing.OpcodeHook.
func (t *accessTracer) onOpcode(_ uint64, op byte, _, _ uint64, scope tracing.OpContext, _ []byte, _ int, _ error) {
	var (
		stack = scope.StackData()
		top   = len(stack) - 1
		named = -1 // place on the stack of an address
	)
	switch op {
	case opSload, opSstore:
		if top >= 0 {
			t.addSlot(scope.Address(), stack[top].Bytes32())
		}
	case opBalance, opExtCodeSize, opExtCodeCopy, opExtCodeHash, opSelfDestruct:
		named = top
	case opCall, opCallCode, opDelegateCall, opStaticCall:
		if top >= 4 {
			named = top - 1
		}
	}
	if named < 0 {
		return
	}
	if addr := common.Address(stack[named].Bytes20()); !t.warm[addr] {
		t.addAccount(addr)
	}
}
