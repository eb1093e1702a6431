package datagen

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/internal/datagen/contracts"
)

// A Tx is one transaction of the load.
type Tx struct {
	Raw   []byte // signed, EIP-1559; belongs to the receiver
	Kind  Kind
	From  common.Address
	Nonce uint64
}

// Gas limits, enough in every state that the load can reach.
const (
	transferGas      = params.TxGas
	tokenTransferGas = 70_000
	swapGas          = 200_000
)

// Largest amounts, exclusive: in wei and in the tokens' smallest units.
const (
	maxTransfer      = params.Ether / 1000
	maxTokenTransfer = params.Ether
)

var maxSwap = coins(100)

// A Lane is a stream of transactions from accounts of its own. Its transactions
// are valid in their order, whatever the other lanes do, so that many clients can
// submit without waiting for each other. One goroutine at a time uses a Lane.
type Lane struct {
	load   *Load
	rng    *rand.Rand
	first  int // its accounts are first, first+stride, ...
	stride int
	next   int // which of them is next
	nonces []uint64
}

// Lanes splits the accounts over n lanes, at most one lane for each account. Each
// call begins anew, with nonce 0.
func (l *Load) Lanes(n int) []*Lane {
	n = max(1, min(n, len(l.addresses)))
	lanes := make([]*Lane, n)
	for i := range lanes {
		lanes[i] = &Lane{
			load:   l,
			rng:    rand.New(rand.NewPCG(l.cfg.Seed, uint64(i))),
			first:  i,
			stride: n,
			nonces: make([]uint64, (len(l.addresses)-i+n-1)/n),
		}
	}
	return lanes
}

// Next returns the lane's next transaction. Its accounts take turns.
func (ln *Lane) Next() Tx { return ln.load.sign(ln.draw()) }

// Resume goes on where the accounts are by now, on a chain that has run before: nonce says
// where. Call it before Next.
func (ln *Lane) Resume(nonce func(common.Address) (uint64, error)) (err error) {
	for i := range ln.nonces {
		if ln.nonces[i], err = nonce(ln.load.addresses[ln.first+i*ln.stride]); err != nil {
			return err
		}
	}
	return nil
}

// Batch returns the next n transactions, the same that n calls of Next would, but
// signed on all processors.
func (ln *Lane) Batch(n int) []Tx {
	drafts := make([]draft, n)
	for i := range drafts {
		drafts[i] = ln.draw()
	}
	var (
		txs     = make([]Tx, n)
		workers errgroup.Group
		step    = runtime.GOMAXPROCS(0)
	)
	for w := range step {
		workers.Go(func() error {
			for i := w; i < n; i += step {
				txs[i] = ln.load.sign(drafts[i])
			}
			return nil
		})
	}
	workers.Wait() // no worker fails
	return txs
}

// A draft is a transaction before it is signed.
type draft struct {
	kind  Kind
	from  int
	nonce uint64
	to    common.Address
	value *uint256.Int
	gas   uint64
	data  []byte
}

// draw decides on the next transaction.
func (ln *Lane) draw() draft {
	d := draft{
		kind:  ln.kind(),
		from:  ln.first + ln.next*ln.stride,
		nonce: ln.nonces[ln.next],
		value: new(uint256.Int),
	}
	ln.nonces[ln.next]++
	ln.next = (ln.next + 1) % len(ln.nonces)

	switch d.kind {
	case Transfer:
		d.to, d.gas = ln.other(d.from), transferGas
		d.value.SetUint64(1 + ln.rng.Uint64N(maxTransfer))
	case TokenTransfer:
		d.to, d.gas = ln.token(), tokenTransferGas
		amount := uint256.NewInt(1 + ln.rng.Uint64N(maxTokenTransfer))
		d.data = contracts.Token.Call("transfer(address,uint256)", contracts.Address(ln.other(d.from)), amount.Bytes32())
	case Swap:
		d.to, d.gas = ln.load.contracts.Router, swapGas
		d.data = ln.swap(ln.load.addresses[d.from])
	}
	return d
}

func (ln *Lane) kind() Kind {
	mix := ln.load.cfg.Mix
	at := ln.rng.UintN(mix.total())
	for k, weight := range mix {
		if at < weight {
			return Kind(k)
		}
		at -= weight
	}
	panic("datagen: weights do not add up")
}

// other is any account but from.
func (ln *Lane) other(from int) common.Address {
	i := ln.rng.IntN(len(ln.load.addresses) - 1)
	if i >= from {
		i++
	}
	return ln.load.addresses[i]
}

func (ln *Lane) token() common.Address {
	c := ln.load.contracts
	return []common.Address{c.Token0, c.Token1}[ln.rng.IntN(2)]
}

// swap is the call of the router that swaps one token for the other, at whatever
// price there is, for the account itself.
func (ln *Lane) swap(account common.Address) []byte {
	in, out := ln.load.contracts.Token0, ln.load.contracts.Token1
	if ln.rng.IntN(2) == 1 {
		in, out = out, in
	}
	amount := uint256.NewInt(ln.rng.Uint64())
	amount.Mul(amount, maxSwap).Rsh(amount, 64).AddUint64(amount, 1_000_000) // so that something comes out
	return contracts.Router.Call("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
		amount.Bytes32(),
		contracts.Number(1),
		contracts.Number(5*32), // where the path begins
		contracts.Address(account),
		endless.Bytes32(), // no deadline
		contracts.Number(2),
		contracts.Address(in),
		contracts.Address(out),
	)
}

// sign makes the transaction of a draft. It may be called concurrently.
func (l *Load) sign(d draft) Tx {
	tip := l.cfg.BaseFee.ToBig()
	tx, err := types.SignNewTx(l.signingKey(d.from), l.signer, &types.DynamicFeeTx{
		ChainID:   l.signer.ChainID(),
		Nonce:     d.nonce,
		GasTipCap: tip,
		GasFeeCap: new(big.Int).Lsh(tip, 1),
		Gas:       d.gas,
		To:        &d.to,
		Value:     d.value.ToBig(),
		Data:      d.data,
	})
	if err != nil {
		panic(fmt.Sprintf("datagen: sign: %v", err)) // key and digest are ours
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("datagen: encode: %v", err))
	}
	return Tx{raw, d.kind, l.addresses[d.from], d.nonce}
}
