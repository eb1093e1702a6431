package ethapi

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Net is namespace net. Its methods may be called concurrently.
type Net struct{ backend backend.Backend }

// NewNet returns namespace net over b.
func NewNet(b backend.Backend) *Net { return &Net{b} }

// Version is net_version: the chain id, in decimal.
func (n *Net) Version() string { return n.backend.ChainConfig().ChainID.String() }

// Listening is net_listening: true.
func (n *Net) Listening() bool { return true }

// PeerCount is net_peerCount: 0. What feeds a node is no peer in Ethereum's sense.
func (n *Net) PeerCount() hexutil.Uint { return 0 }

// Web3 is namespace web3. Its methods may be called concurrently.
type Web3 struct{ version string }

// NewWeb3 returns namespace web3; version is the client's, as in
// "Vivace/v0.1.0/linux-amd64/go1.25".
func NewWeb3(version string) *Web3 { return &Web3{version} }

// ClientVersion is web3_clientVersion.
func (w *Web3) ClientVersion() string { return w.version }

// Sha3 is web3_sha3: keccak256.
func (w *Web3) Sha3(data hexutil.Bytes) hexutil.Bytes {
	hash := chain.Keccak256(data)
	return hash[:]
}

// TxPool is namespace txpool. A node whose transactions go to a sequencer elsewhere
// gives back what that answers. Its methods may be called concurrently.
type TxPool struct{ backend backend.Backend }

// NewTxPool returns namespace txpool over b.
func NewTxPool(b backend.Backend) *TxPool { return &TxPool{b} }

// forward asks the sequencer and reads its answer into out.
func forward(ctx context.Context, f backend.Forwarder, out any, method string, params ...any) error {
	answer, err := f.Forward(ctx, method, params...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the sequencer's answer to %s: %w", method, err)
	}
	return nil
}

// answer is what the sequencer says if b forwards, else what local makes of the pool.
func (t *TxPool) answer(ctx context.Context, local func(backend.Pool) (any, error), method string, params ...any) (any, error) {
	if f, ok := t.backend.(backend.Forwarder); ok {
		return f.Forward(ctx, method, params...)
	}
	pool, err := t.backend.Pool(ctx)
	if err != nil {
		return nil, err
	}
	return local(pool)
}

// Status is txpool_status: how many transactions are pending and queued.
func (t *TxPool) Status(ctx context.Context) (any, error) {
	if f, ok := t.backend.(backend.Forwarder); ok {
		return f.Forward(ctx, "txpool_status")
	}
	pending, queued, err := t.backend.PoolStatus(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]hexutil.Uint{"pending": hexutil.Uint(pending), "queued": hexutil.Uint(queued)}, nil
}

// byNonce are things by nonce, in decimal; bySender those by sender, checksummed
// (ERC-55).
type (
	byNonce  map[string]any
	bySender map[string]byNonce
)

// group groups by sender what describe makes of each transaction.
func group(txs []backend.PoolTx, describe func(*chain.Tx) (any, error)) (bySender, error) {
	out := make(bySender)
	for _, tx := range txs {
		what, err := describe(tx.Tx)
		if err != nil {
			return nil, err
		}
		sender := tx.Sender.Hex()
		if out[sender] == nil {
			out[sender] = make(byNonce)
		}
		out[sender][fmt.Sprint(tx.Nonce)] = what
	}
	return out, nil
}

func groupPool(pool backend.Pool, describe func(*chain.Tx) (any, error)) (map[string]bySender, error) {
	pending, err := group(pool.Pending, describe)
	if err != nil {
		return nil, err
	}
	queued, err := group(pool.Queued, describe)
	return map[string]bySender{"pending": pending, "queued": queued}, err
}

// inFull describes a transaction as eth_getTransactionByHash does.
func (t *TxPool) inFull(tx *chain.Tx) (any, error) {
	_, env := t.backend.Latest()
	return wire.NewPendingTransaction(t.backend.ChainConfig(), env, tx)
}

// Content is txpool_content: the transactions, in full.
func (t *TxPool) Content(ctx context.Context) (any, error) {
	return t.answer(ctx, func(pool backend.Pool) (any, error) {
		return groupPool(pool, t.inFull)
	}, "txpool_content")
}

// ContentFrom is txpool_contentFrom: those of one sender.
func (t *TxPool) ContentFrom(ctx context.Context, addr common.Address) (any, error) {
	return t.answer(ctx, func(pool backend.Pool) (any, error) {
		content, err := groupPool(backend.Pool{Pending: only(pool.Pending, addr), Queued: only(pool.Queued, addr)}, t.inFull)
		if err != nil {
			return nil, err
		}
		of := func(kind string) byNonce {
			if txs := content[kind][addr.Hex()]; txs != nil {
				return txs
			}
			return byNonce{}
		}
		return map[string]byNonce{"pending": of("pending"), "queued": of("queued")}, nil
	}, "txpool_contentFrom", addr)
}

func only(txs []backend.PoolTx, sender common.Address) (out []backend.PoolTx) {
	for _, tx := range txs {
		if tx.Sender == sender {
			out = append(out, tx)
		}
	}
	return out
}

// Inspect is txpool_inspect: the transactions, each as a line of text.
func (t *TxPool) Inspect(ctx context.Context) (any, error) {
	return t.answer(ctx, func(pool backend.Pool) (any, error) {
		return groupPool(pool, inALine)
	}, "txpool_inspect")
}

func inALine(tx *chain.Tx) (any, error) {
	decoded, err := execution.Decode(tx)
	if err != nil {
		return nil, err
	}
	to := "contract creation"
	if decoded.To() != nil {
		to = decoded.To().Hex()
	}
	return fmt.Sprintf("%s: %v wei + %v gas × %v wei", to, decoded.Value(), decoded.Gas(), decoded.GasPrice()), nil
}
