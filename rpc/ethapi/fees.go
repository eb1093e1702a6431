package ethapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// The most that one eth_feeHistory asks for.
const (
	feeBlocksMax      = 1024 // more are cut
	feePercentilesMax = 100  // more are refused
)

var (
	errPercentile = errors.New("invalid reward percentile")
	errBeyondHead = errors.New("request beyond head block")
)

// GasPrice is eth_gasPrice: the base fee of the block that is open now, and the
// suggested priority fee, in wei. (go-ethereum, which does not know the next block,
// adds the last one's base fee.)
func (a *API) GasPrice(ctx context.Context) (*hexutil.Big, error) {
	price, err := a.fees.suggestTip(ctx)
	if err != nil {
		return nil, err
	}
	base, err := backend.OpenBaseFee(ctx, a.backend)
	if err != nil {
		return nil, err
	}
	if base != nil {
		price.Add(price, base)
	}
	return hexBig(price), nil
}

// MaxPriorityFeePerGas is eth_maxPriorityFeePerGas: the suggested priority fee, in
// wei.
func (a *API) MaxPriorityFeePerGas(ctx context.Context) (*hexutil.Big, error) {
	tip, err := a.fees.suggestTip(ctx)
	if err != nil {
		return nil, err
	}
	return hexBig(tip), nil
}

// BaseFee is eth_baseFee: of the block that is open now, in wei.
func (a *API) BaseFee(ctx context.Context) (*hexutil.Big, error) {
	fee, err := backend.OpenBaseFee(ctx, a.backend)
	if err != nil {
		return nil, err
	}
	return hexBig(fee), nil
}

// BlobBaseFee is eth_blobBaseFee: of the block that is open now or, if that is not
// known, of the newest, in wei; null where there are no blobs.
func (a *API) BlobBaseFee() (*hexutil.Big, error) {
	env := backend.NewestEnv(a.backend)
	if env.ExcessBlobGas == nil {
		return nil, nil
	}
	fee := fees.BlobBaseFee(a.backend.ChainConfig(), env.Timestamp, *env.ExcessBlobGas)
	if fee == nil {
		return nil, nil
	}
	return hexBig(fee), nil
}

// nextBaseFee is the base fee after sealed block number: that of the block after it if
// one has begun, sealed or not, else of the one that is open.
func (a *API) nextBaseFee(ctx context.Context, number uint64) (*uint256.Int, error) {
	for _, b := range a.backend.History().Unsealed() { // before Header: a block in neither would be missed
		if b.Number() == number+1 {
			return b.Env.BaseFee, nil
		}
	}
	header, err := a.backend.History().Header(number + 1)
	if errors.Is(err, chain.ErrNotFound) {
		return backend.OpenBaseFee(ctx, a.backend)
	}
	if err != nil {
		return nil, err
	}
	return header.BaseFee, nil
}

// A FeeHistory is the answer of eth_feeHistory. Lists ascend by block; the base fees
// have one more, of the block after the last.
type FeeHistory struct {
	OldestBlock      *hexutil.Big     `json:"oldestBlock"`
	Reward           [][]*hexutil.Big `json:"reward,omitempty"`
	BaseFee          []*hexutil.Big   `json:"baseFeePerGas,omitempty"`
	GasUsedRatio     []float64        `json:"gasUsedRatio"`
	BlobBaseFee      []*hexutil.Big   `json:"baseFeePerBlobGas,omitempty"`
	BlobGasUsedRatio []float64        `json:"blobGasUsedRatio,omitempty"`
}

// FeeHistory is eth_feeHistory: base fees, gas used and, at percentiles of each
// block's gas, priority fees, of up to 1024 sealed blocks that end with last.
// latest and pending are the newest sealed block.
func (a *API) FeeHistory(ctx context.Context, count math.HexOrDecimal64, last rpc.BlockNumber, percentiles []float64) (*FeeHistory, error) {
	if count < 1 {
		return &FeeHistory{OldestBlock: hexBig(nil)}, nil
	}
	if err := checkPercentiles(percentiles); err != nil {
		return nil, err
	}
	head := a.backend.History().Head().Number
	end, err := backend.SealedNumber(a.backend, atNumber(last))
	if err != nil {
		return nil, err
	}
	if end > head {
		return nil, fmt.Errorf("%w: requested %d, head %d", errBeyondHead, end, head)
	}
	blocks := min(uint64(count), feeBlocksMax, end+1)
	out := &FeeHistory{OldestBlock: hexBig(uint256.NewInt(end + 1 - blocks))}
	for n := end + 1 - blocks; n <= end; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := a.appendFees(ctx, out, n, n == end, percentiles); err != nil {
			return a.feesElsewhere(ctx, err, blocks, end, percentiles)
		}
	}
	return out, nil
}

// feesElsewhere asks the sequencer for what is not kept here, as err says: of the same
// blocks, whatever it has since.
func (a *API) feesElsewhere(ctx context.Context, err error, blocks, end uint64, percentiles []float64) (*FeeHistory, error) {
	answer, err := backend.Elsewhere(ctx, a.backend, err, "eth_feeHistory", hexutil.Uint64(blocks), hexutil.Uint64(end), percentiles)
	if err != nil {
		return nil, err
	}
	out := new(FeeHistory)
	return out, json.Unmarshal(answer, out)
}

func checkPercentiles(percentiles []float64) error {
	if len(percentiles) > feePercentilesMax {
		return fmt.Errorf("%w: over the query limit %d", errPercentile, feePercentilesMax)
	}
	for i, p := range percentiles {
		if p < 0 || p > 100 {
			return fmt.Errorf("%w: %f", errPercentile, p)
		}
		if i > 0 && p <= percentiles[i-1] {
			return fmt.Errorf("%w: #%d:%f >= #%d:%f", errPercentile, i-1, percentiles[i-1], i, p)
		}
	}
	return nil
}

// appendFees appends what block n charged and, if it is the last, what the one after
// it does.
func (a *API) appendFees(ctx context.Context, out *FeeHistory, n uint64, last bool, percentiles []float64) error {
	header, err := a.backend.History().Header(n)
	if err != nil {
		return wire.NotKept(err)
	}
	blobs := blobFees(a.backend.ChainConfig(), header)
	out.BaseFee = append(out.BaseFee, hexBig(header.BaseFee))
	out.BlobBaseFee = append(out.BlobBaseFee, hexBig(blobs.fee))
	out.GasUsedRatio = append(out.GasUsedRatio, float64(header.GasUsed)/float64(header.GasLimit))
	out.BlobGasUsedRatio = append(out.BlobGasUsedRatio, blobs.usedRatio)
	if last {
		next, err := a.nextBaseFee(ctx, n)
		if err != nil {
			return wire.NotKept(err)
		}
		out.BaseFee = append(out.BaseFee, hexBig(next))
		out.BlobBaseFee = append(out.BlobBaseFee, hexBig(blobs.next))
	}
	if len(percentiles) == 0 {
		return nil
	}
	tips, err := a.fees.tips(n)
	if err != nil {
		return wire.NotKept(err)
	}
	rewards := make([]*hexutil.Big, len(percentiles))
	for i, p := range percentiles {
		rewards[i] = hexBig(tips.at(uint64(float64(header.GasUsed) * p / 100)))
	}
	out.Reward = append(out.Reward, rewards)
	return nil
}

// blobMarket is what a block's blobs cost, nil where there are none.
type blobMarket struct {
	fee, next *uint256.Int // wei per blob gas, in the block and after it
	usedRatio float64
}

func blobFees(config *params.ChainConfig, h *chain.Header) (m blobMarket) {
	schedule := fees.BlobSchedule(config, h.Timestamp)
	if h.ExcessBlobGas == nil || schedule == nil {
		return m
	}
	m.fee = fees.BlobBaseFee(config, h.Timestamp, *h.ExcessBlobGas)
	m.next = fees.BlobBaseFee(config, h.Timestamp, fees.NextExcessBlobGas(config, h, h.Timestamp))
	if most := schedule.Max * params.BlobTxBlobGasPerBlob; h.BlobGasUsed != nil && most > 0 {
		m.usedRatio = float64(*h.BlobGasUsed) / float64(most)
	}
	return m
}
