package ethapi

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holiman/uint256"
)

// paidBy are transactions of a block with tips below most, in order.
func paidBy(rng *rand.Rand, n int, most uint64) (paid []paidTip, gas uint64) {
	paid = make([]paidTip, n)
	for i := range paid {
		paid[i] = paidTip{tip: *uint256.NewInt(rng.Uint64N(most)), gas: 21_000 + rng.Uint64N(100_000)}
		gas += paid[i].gas
	}
	slices.SortStableFunc(paid, func(x, y paidTip) int { return x.tip.Cmp(&y.tip) })
	return paid, gas
}

// walk is the definition: the tip of the transaction at which gas is used up.
func walk(paid []paidTip, gas uint64) uint64 {
	sum := uint64(0)
	for i := range paid {
		if sum += paid[i].gas; sum >= gas {
			return paid[i].tip.Uint64()
		}
	}
	return paid[len(paid)-1].tip.Uint64()
}

func TestTipsAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 10, 1024, 2000} {
		for _, most := range []uint64{1, 5, 900} { // few levels: nothing is left out
			t.Run(fmt.Sprint(n, most), func(t *testing.T) {
				paid, total := paidBy(rng, n, most)
				tips := blockTips{levels: levels(paid)}
				for range 200 {
					gas := rng.Uint64N(total + 2)
					if got, want := tips.at(gas).Uint64(), walk(paid, gas); got != want {
						t.Fatalf("at %d of %d gas: got %d, want %d", gas, total, got, want)
					}
				}
			})
		}
	}
	if got := new(blockTips).at(5); !got.IsZero() {
		t.Errorf("an empty block: %s", got)
	}
}

// A block with a tip for every transaction is kept in little memory, and is exact to
// a thousandth of its gas.
func TestTipsOfManyLevels(t *testing.T) {
	var (
		rng         = rand.New(rand.NewPCG(5, 6))
		paid, total = paidBy(rng, 60_000, 1<<60)
		tips        = blockTips{levels: levels(paid)}
	)
	if n := len(tips.levels); n > tipLevelsMax+1 || n < tipLevelsMax/2 {
		t.Errorf("%d levels", n)
	}
	for range 1000 {
		gas := rng.Uint64N(total)
		got := tips.at(gas).Uint64()
		least, most := walk(paid, gas), walk(paid, min(gas+total/tipLevelsMax+130_000, total))
		if got < least || got > most {
			t.Fatalf("at %d of %d gas: got %d, want %d to %d", gas, total, got, least, most)
		}
	}
	if got, want := tips.at(total), paid[len(paid)-1].tip; *got != want {
		t.Errorf("the highest tip: got %s, want %s", got, &want)
	}
}
