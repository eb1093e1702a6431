package realtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Codes of EIP-7966, besides wire.CodeTxSyncTimeout. In both cases the transaction
// is not in the pool.
const (
	codeNotReady = 5 // the data is the transaction's hash
	codeNonceGap = 6 // the data is the nonce that was expected
)

// errExpired has the wording that MegaETH's clients look for.
var errExpired = errors.New("realtime transaction expired")

// SendRawTransaction is realtime_sendRawTransaction: it answers with the receipt as
// soon as the transaction is acknowledged. A transaction with a nonce too high waits
// for those before it. When Config.RealtimeTimeout ends first, the transaction may
// still execute.
func (r *Realtime) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (*wire.Receipt, error) {
	s := r.service
	receipt, err := s.submit(ctx, raw, s.cfg.RealtimeTimeout)
	if errors.Is(err, errTimeout) {
		return nil, errExpired
	}
	return receipt, wire.SendError(err)
}

// SendRawTransactionSync is eth_sendRawTransactionSync (EIP-7966). The receipt has a
// null blockHash unless the block was sealed meanwhile. A timeout above the
// configured most is cut at it, 0 is the default.
func (e *Eth) SendRawTransactionSync(ctx context.Context, raw hexutil.Bytes, timeout *Quantity) (*wire.Receipt, error) {
	s := e.service
	if err := s.nonceGap(ctx, raw); err != nil {
		return nil, err
	}
	wait := s.syncTimeout(timeout)
	receipt, err := s.submit(ctx, raw, wait)
	switch {
	case err == nil:
		return receipt, nil
	case errors.Is(err, errTimeout):
		return nil, &wire.Error{
			Code:    wire.CodeTxSyncTimeout,
			Message: fmt.Sprintf("The transaction was added to the transaction pool but wasn't processed in %v", wait),
			Data:    chain.Keccak256(raw),
			Err:     err,
		}
	case errors.Is(err, chain.ErrBusy), errors.Is(err, chain.ErrClosed):
		return nil, &wire.Error{
			Code:    codeNotReady,
			Message: fmt.Sprintf("The transaction was rejected: %v", wire.SendError(err)),
			Data:    chain.Keccak256(raw),
			Err:     err,
		}
	}
	return nil, wire.SendError(err)
}

func (s *Service) syncTimeout(timeout *Quantity) time.Duration {
	if timeout == nil || *timeout == 0 {
		return s.cfg.SyncTimeout
	}
	// Compared as milliseconds: as nanoseconds a caller's number might overflow.
	if most := uint64(s.cfg.SyncTimeoutMax / time.Millisecond); uint64(*timeout) >= most {
		return s.cfg.SyncTimeoutMax
	}
	return time.Duration(*timeout) * time.Millisecond
}

// nonceGap is the error of a transaction whose sender has to send another first.
// EIP-7966 wants it refused before the pool has it. What else is wrong with raw is
// left to the backend to say.
//
// It costs a second recovery of the sender, so the usual case is decided with
// nothing else: the nonce is the account's in the newest state, which is at hand,
// while the pool may be at a sequencer elsewhere.
func (s *Service) nonceGap(ctx context.Context, raw []byte) error {
	view, env := s.backend.Latest()
	tx := chain.NewTx(raw)
	decoded, err := execution.Decode(tx)
	if err != nil {
		return nil
	}
	sender, err := wire.Sender(s.backend.ChainConfig(), env, tx)
	if err != nil {
		return nil
	}
	account, _, err := view.Account(sender)
	if err == nil && decoded.Nonce() <= account.Nonce {
		return nil
	}
	next, err := s.backend.PendingNonce(ctx, sender)
	if err != nil || decoded.Nonce() <= next {
		return nil
	}
	return &wire.Error{
		Code:    codeNonceGap,
		Message: fmt.Sprintf("The transaction was rejected due to a nonce gap: tx: %d next: %d", decoded.Nonce(), next),
		Data:    hexutil.Uint64(next),
	}
}

// errTimeout says that submit's own time ended, not the caller's.
var errTimeout = errors.New("timeout")

// submit sends a transaction and waits for its receipt. Errors are errTimeout, those
// of Backend.Submit, and that of ctx.
func (s *Service) submit(ctx context.Context, raw []byte, timeout time.Duration) (*wire.Receipt, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	hash, err := s.backend.Submit(limited, raw)
	if err == nil {
		return s.receipt(hash)
	}
	if errors.Is(err, chain.ErrInvalidTx) {
		if receipt, ok := s.again(limited, chain.Keccak256(raw)); ok {
			return receipt, nil
		}
	}
	if ctx.Err() == nil && limited.Err() != nil && !errors.Is(err, chain.ErrInvalidTx) {
		return nil, errTimeout
	}
	return nil, err
}

// again answers who sends what was sent before, because the answer got lost: a
// transaction that executed has a receipt, one that waits will have.
func (s *Service) again(ctx context.Context, hash common.Hash) (*wire.Receipt, bool) {
	if receipt, err := s.receipt(hash); err == nil {
		return receipt, true
	}
	if waiting, err := s.backend.PoolTx(ctx, hash); err != nil || waiting == nil {
		return nil, false
	}
	block, i, err := s.backend.History().WaitTx(ctx, hash)
	if err != nil {
		return nil, false
	}
	receipt, err := wire.NewReceipt(s.backend.ChainConfig(), block, i)
	return receipt, err == nil
}

func (s *Service) receipt(hash common.Hash) (*wire.Receipt, error) {
	block, i, err := s.backend.History().Tx(hash)
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", hash, err)
	}
	return wire.NewReceipt(s.backend.ChainConfig(), block, i)
}
