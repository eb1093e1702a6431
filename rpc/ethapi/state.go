package ethapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// The most that one request reads.
const (
	storageValuesMax = 1024 // slots, of eth_getStorageValues
	proofKeysMax     = 1024 // slots, of eth_getProof
)

// account is an account in the state that a call names. One that does not exist is
// empty.
func (a *API) account(ctx context.Context, addr common.Address, at *rpc.BlockNumberOrHash) (chain.Account, *backend.State, error) {
	state, err := a.state(ctx, at)
	if err != nil {
		return chain.Account{}, nil, err
	}
	account, _, err := state.View.Account(addr)
	return account, state, err
}

// GetBalance is eth_getBalance, in wei.
func (a *API) GetBalance(ctx context.Context, addr common.Address, at *rpc.BlockNumberOrHash) (*hexutil.U256, error) {
	account, _, err := a.account(ctx, addr, at)
	if err != nil {
		return nil, err
	}
	return (*hexutil.U256)(&account.Balance), nil
}

// GetCode is eth_getCode; 0x if there is none.
func (a *API) GetCode(ctx context.Context, addr common.Address, at *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	account, state, err := a.account(ctx, addr, at)
	if err != nil || account.CodeHash == (common.Hash{}) || account.CodeHash == chain.EmptyCodeHash {
		return nil, err
	}
	return state.View.Code(account.CodeHash)
}

// GetTransactionCount is eth_getTransactionCount: the account's nonce; at pending the
// one after those that wait in the pool.
func (a *API) GetTransactionCount(ctx context.Context, addr common.Address, at *rpc.BlockNumberOrHash) (*hexutil.Uint64, error) {
	where := backend.OrLatest(at)
	if n, ok := where.Number(); ok && n == rpc.PendingBlockNumber {
		nonce, err := a.pendingNonce(ctx, addr)
		if err != nil {
			return nil, err
		}
		return (*hexutil.Uint64)(&nonce), nil
	}
	account, _, err := a.account(ctx, addr, at)
	if err != nil {
		return nil, err
	}
	return (*hexutil.Uint64)(&account.Nonce), nil
}

// GetStorageAt is eth_getStorageAt: 32 bytes. key is hexadecimal, of at most 32
// bytes.
func (a *API) GetStorageAt(ctx context.Context, addr common.Address, key string, at *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	slot, err := parseSlot(key)
	if err != nil {
		return nil, err
	}
	state, err := a.state(ctx, at)
	if err != nil {
		return nil, err
	}
	return slotBytes(state.View, addr, slot.key)
}

func slotBytes(view chain.StateView, addr common.Address, key common.Hash) (hexutil.Bytes, error) {
	value, err := view.Slot(addr, key)
	if err != nil {
		return nil, err
	}
	b := value.Bytes32()
	return b[:], nil
}

// A StorageRequest is the argument of eth_getStorageValues: slots by account. One
// for more than are answered is not decoded.
type StorageRequest struct {
	slots   map[common.Address][]common.Hash
	tooMany bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *StorageRequest) UnmarshalJSON(text []byte) error {
	if r.tooMany = bytes.Count(text, []byte{','}) >= storageValuesMax; r.tooMany {
		return nil // GetStorageValues says so, with a code of its own
	}
	return json.Unmarshal(text, &r.slots)
}

// GetStorageValues is eth_getStorageValues: 32 bytes for each slot, of at most 1024.
func (a *API) GetStorageValues(ctx context.Context, request StorageRequest, at *rpc.BlockNumberOrHash) (map[common.Address][]hexutil.Bytes, error) {
	count := 0
	for _, keys := range request.slots {
		count += len(keys)
	}
	switch {
	case request.tooMany: // a slot more than that has as many commas
		return nil, wire.Errorf(wire.CodeClientLimit, "too many slots (max %d)", storageValuesMax)
	case count == 0:
		return nil, wire.InvalidParams("empty request")
	}
	state, err := a.state(ctx, at)
	if err != nil {
		return nil, err
	}
	out := make(map[common.Address][]hexutil.Bytes, len(request.slots))
	for addr, keys := range request.slots {
		values := make([]hexutil.Bytes, len(keys))
		for i, key := range keys {
			if values[i], err = slotBytes(state.View, addr, key); err != nil {
				return nil, err
			}
		}
		out[addr] = values
	}
	return out, nil
}

// A slotName is a slot as a client names it.
type slotName struct {
	key  common.Hash
	full bool // all 32 bytes were given: answers repeat them, and not the number
}

var (
	errSlotTooLong = errors.New("storage key too long (want at most 32 bytes)")
	errSlotNoHex   = errors.New("invalid hex in storage key")
)

// parseSlot reads a slot leniently, as older clients need: 0x may be missing, and so
// may leading zeros.
func parseSlot(text string) (s slotName, err error) {
	digits := text
	if strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X") {
		digits = digits[2:]
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	if len(digits) > 64 {
		return s, wire.InvalidParams("%w: %q", errSlotTooLong, abbreviated(text))
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return s, wire.InvalidParams("%w: %q", errSlotNoHex, text)
	}
	return slotName{key: common.BytesToHash(b), full: len(b) == common.HashLength}, nil
}

// abbreviated keeps an error from carrying back what a client sent too much of.
func abbreviated(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
}
