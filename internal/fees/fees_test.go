package fees_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/fees"
)

// config has Cancun at 100, Prague at 200, Osaka at 300, and other blobs at 400.
func config() *params.ChainConfig {
	at := func(t uint64) *uint64 { return &t }
	c := *params.MergedTestChainConfig
	c.LondonBlock = big.NewInt(5)
	c.ShanghaiTime, c.CancunTime, c.PragueTime, c.OsakaTime, c.BPO1Time = at(0), at(100), at(200), at(300), at(400)
	c.BPO2Time, c.BPO3Time, c.BPO4Time, c.BPO5Time, c.AmsterdamTime, c.BogotaTime, c.UBTTime = nil, nil, nil, nil, nil, nil, nil
	c.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig, BPO1: params.DefaultBPO1BlobConfig,
	}
	return &c
}

// pair is a random header as we have it and as go-ethereum does.
func pair(rng *rand.Rand) (*chain.Header, *types.Header) {
	var (
		limit  = 5000 + rng.Uint64N(1<<40)
		used   = rng.Uint64N(limit + 1)
		fee    = uint256.NewInt(rng.Uint64() >> rng.IntN(64))
		excess = rng.Uint64N(200_000_000) >> rng.IntN(28)
		blobs  = uint64(rng.IntN(22)) * params.BlobTxBlobGasPerBlob
	)
	switch rng.IntN(5) {
	case 0:
		used = limit / params.DefaultElasticityMultiplier
	case 1:
		used = limit/params.DefaultElasticityMultiplier + 1 // the least rise
		fee = uint256.NewInt(rng.Uint64N(20))
	}
	number := 5 + rng.Uint64N(1000)
	return &chain.Header{Number: number, GasLimit: limit, GasUsed: used, BaseFee: fee, ExcessBlobGas: &excess, BlobGasUsed: &blobs},
		&types.Header{
			Number: new(big.Int).SetUint64(number), GasLimit: limit, GasUsed: used, BaseFee: fee.ToBig(), ExcessBlobGas: &excess, BlobGasUsed: &blobs,
		}
}

func TestEqualsGoEthereum(t *testing.T) {
	var (
		rng = rand.New(rand.NewPCG(1, 2))
		c   = config()
	)
	for range 20_000 {
		ours, geth := pair(rng)
		if got, want := fees.NextBaseFee(c, ours), eip1559.CalcBaseFee(c, geth); got.ToBig().Cmp(want) != 0 {
			t.Fatalf("base fee after %+v: got %s, want %s", ours, got, want)
		}
		at := 100 + rng.Uint64N(400)
		if got, want := fees.NextExcessBlobGas(c, ours, at), eip4844.CalcExcessBlobGas(c, geth, at); got != want {
			t.Fatalf("excess blob gas at %d after %+v: got %d, want %d", at, ours, got, want)
		}
		geth.Time = at
		want := eip4844.CalcBlobFee(c, geth)
		if want.BitLen() > 256 {
			want = new(uint256.Int).SetAllOne().ToBig()
		}
		if got := fees.BlobBaseFee(c, at, *ours.ExcessBlobGas); got.ToBig().Cmp(want) != 0 {
			t.Fatalf("blob base fee at %d, excess %d: got %s, want %s", at, *ours.ExcessBlobGas, got, want)
		}
	}
}

func TestBeforeForks(t *testing.T) {
	c := config()
	if got := fees.NextBaseFee(c, &chain.Header{Number: 3}); got != nil {
		t.Errorf("a base fee before London: %s", got)
	}
	if got := fees.NextBaseFee(c, &chain.Header{Number: 4}); got == nil || got.Uint64() != params.InitialBaseFee {
		t.Errorf("the first base fee: %s", got)
	}
	if fees.BlobBaseFee(c, 99, 0) != nil || fees.BlobSchedule(c, 99) != nil || fees.NextExcessBlobGas(c, &chain.Header{}, 99) != 0 {
		t.Error("blobs before Cancun")
	}
	without := *c
	without.BlobScheduleConfig = nil
	if fees.BlobBaseFee(&without, 500, 0) != nil {
		t.Error("a price without a schedule")
	}
}

// A price beyond 256 bits is not computed: its series has as many terms as its
// exponent.
func TestHugeExcess(t *testing.T) {
	if got := fees.BlobBaseFee(config(), 100, math.MaxUint64); !got.Eq(new(uint256.Int).SetAllOne()) {
		t.Errorf("got %s", got)
	}
	parent := &chain.Header{Number: 9, BaseFee: uint256.NewInt(1), ExcessBlobGas: new(uint64), BlobGasUsed: new(uint64)}
	*parent.ExcessBlobGas = math.MaxUint64 / 2
	if got := fees.NextExcessBlobGas(config(), parent, 300); got >= *parent.ExcessBlobGas {
		t.Errorf("excess does not fall: %d", got)
	}
}
