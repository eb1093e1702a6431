package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Codes of EIP-7966, besides wire.CodeTxSyncTimeout. In both cases the transaction
// is not in the pool.
const (
	codeNotReady = 5 // the data is the transaction's hash
	codeNonceGap = 6 // the data is the nonce that was expected
)

// Expired is the error of realtime_sendRawTransaction, with the code wire.CodeServer,
// when the time is over, as MegaETH words it. It is the wait that is over: the
// transaction may still execute.
const Expired = "realtime transaction expired"

// SendRawTransaction is realtime_sendRawTransaction: it answers with the receipt as
// soon as the transaction is acknowledged. A transaction with a nonce too high waits
// for those before it. Blob transactions may come with their blobs: see
// wire.Envelope. timeout is as eth_sendRawTransactionSync has it, but for its default,
// Config.RealtimeTimeout. When it ends first, the error is Expired, with the
// transaction's hash as data. A receipt that is not kept here is the sequencer's answer.
func (r *Realtime) SendRawTransaction(ctx context.Context, raw hexutil.Bytes, timeout *Quantity) (json.Marshaler, error) {
	s := r.service
	envelope, err := wire.Envelope(raw)
	if err != nil {
		return nil, err
	}
	receipt, err := s.submit(ctx, envelope, s.timeout(timeout, s.cfg.RealtimeTimeout))
	if errors.Is(err, errTimeout) {
		return nil, &wire.Error{
			Code:    wire.CodeServer,
			Message: Expired,
			Data:    chain.Keccak256(envelope),
			Err:     err,
		}
	}
	return receipt, wire.SendError(err)
}

// SendRawTransactionSync is eth_sendRawTransactionSync (EIP-7966). The receipt has a
// null blockHash unless the block was sealed meanwhile. Blob transactions may come
// with their blobs: see wire.Envelope. A timeout above the configured most is cut at
// it, 0 is the default.
func (e *Eth) SendRawTransactionSync(ctx context.Context, raw hexutil.Bytes, timeout *Quantity) (json.Marshaler, error) {
	s := e.service
	envelope, err := wire.Envelope(raw)
	if err != nil {
		return nil, err
	}
	if err := s.nonceGap(ctx, envelope); err != nil {
		return nil, err
	}
	wait := s.timeout(timeout, s.cfg.SyncTimeout)
	receipt, err := s.submit(ctx, envelope, wait)
	switch {
	case err == nil:
		return receipt, nil
	case errors.Is(err, errTimeout):
		return nil, &wire.Error{
			Code:    wire.CodeTxSyncTimeout,
			Message: fmt.Sprintf("The transaction was added to the transaction pool but wasn't processed in %v", wait),
			Data:    chain.Keccak256(envelope),
			Err:     err,
		}
	case errors.Is(err, chain.ErrBusy), errors.Is(err, chain.ErrClosed):
		return nil, &wire.Error{
			Code:    codeNotReady,
			Message: fmt.Sprintf("The transaction was rejected: %v", wire.SendError(err)),
			Data:    chain.Keccak256(envelope),
			Err:     err,
		}
	}
	return nil, wire.SendError(err)
}

// timeout is how long a caller waits who says so, in milliseconds, or not.
func (s *Service) timeout(timeout *Quantity, standard time.Duration) time.Duration {
	if timeout == nil || *timeout == 0 {
		return standard
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
func (s *Service) submit(ctx context.Context, raw []byte, timeout time.Duration) (json.Marshaler, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	hash, err := s.backend.Submit(limited, raw)
	switch {
	case err == nil:
		return s.receipt(hash)
	case errors.Is(err, history.ErrNotKept):
		return s.elsewhere(limited, hash, err)
	case errors.Is(err, chain.ErrInvalidTx):
		var receipt *wire.Receipt
		if receipt, err = s.again(limited, chain.Keccak256(raw), err); err == nil {
			return receipt, nil
		}
	}
	if ctx.Err() == nil && limited.Err() != nil && !errors.Is(err, chain.ErrInvalidTx) {
		return nil, errTimeout
	}
	return nil, err
}

// again answers who sends what was sent before, because the answer got lost: a
// transaction that executed has a receipt, one that waits will have, or ctx ends.
// What was not sent before is refused for the reason that refusal gives.
func (s *Service) again(ctx context.Context, hash common.Hash, refusal error) (*wire.Receipt, error) {
	tx, block, i, err := backend.FindTx(ctx, s.backend, hash)
	if tx == nil || err != nil {
		return nil, refusal
	}
	if block == nil {
		sched.Rest(ctx)
		if block, i, err = s.backend.History().WaitTx(ctx, hash); err != nil {
			return nil, err
		}
	}
	return wire.NewReceipt(s.backend.ChainConfig(), block, i)
}

// elsewhere is the sequencer's receipt of a transaction whose block is not kept here, as
// kept says.
func (s *Service) elsewhere(ctx context.Context, hash common.Hash, kept error) (json.Marshaler, error) {
	answer, err := backend.Elsewhere(ctx, s.backend, kept, "eth_getTransactionReceipt", hash)
	if err == nil && string(answer) == "null" {
		err = kept // it has gone there, too
	}
	if err != nil {
		return nil, wire.NotKept(err)
	}
	return answer, nil
}

func (s *Service) receipt(hash common.Hash) (*wire.Receipt, error) {
	block, i, err := s.backend.History().Tx(hash)
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", hash, err)
	}
	return wire.NewReceipt(s.backend.ChainConfig(), block, i)
}
