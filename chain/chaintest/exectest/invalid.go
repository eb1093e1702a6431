package exectest

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// testInvalid: each kind of invalid transaction fails the block.
func testInvalid(t *testing.T, s *scene) {
	for name, tx := range s.invalid(t) {
		_, err := s.executor.Execute(t.Context(), s.block(tx), s, s.world)
		if !errors.Is(err, chain.ErrInvalidTx) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// invalid are transactions that cannot be included.
func (s *scene) invalid(t testing.TB) map[string]*chain.Tx {
	base := func() *types.DynamicFeeTx {
		return &types.DynamicFeeTx{
			ChainID: s.config.ChainID, To: &s.people[1], Gas: 21000,
			GasFeeCap: big.NewInt(100), GasTipCap: big.NewInt(tip), Value: new(big.Int),
		}
	}
	with := func(change func(*types.DynamicFeeTx)) *chain.Tx {
		data := base()
		change(data)
		return s.signData(t, 0, data)
	}
	other := types.LatestSignerForChainID(big.NewInt(78))
	foreign, err := types.SignNewTx(s.keys[0], other, &types.DynamicFeeTx{ChainID: big.NewInt(78), To: &s.people[1], Gas: 21000, GasFeeCap: big.NewInt(100)})
	if err != nil {
		t.Fatal(err)
	}
	unsigned := types.NewTx(base())
	ether := func(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }
	return map[string]*chain.Tx{
		"garbage":           chain.NewTx([]byte{0x02, 0xc0}),
		"nothing":           chain.NewTx(nil),
		"unknown type":      chain.NewTx([]byte{0x7e, 0xc0}),
		"unsigned":          wrap(t, unsigned),
		"other chain":       wrap(t, foreign),
		"nonce too high":    with(func(x *types.DynamicFeeTx) { x.Nonce = 1000 }),
		"nonce has maximum": with(func(x *types.DynamicFeeTx) { x.Nonce = 1<<64 - 1 }),
		"funds":             with(func(x *types.DynamicFeeTx) { x.Value = ether(wealth) }),
		"intrinsic gas":     with(func(x *types.DynamicFeeTx) { x.Gas = 20999 }),
		"floor gas":         with(func(x *types.DynamicFeeTx) { x.Data = word(1 << 60); x.Gas = 21000 + 32*4 + 12 }),
		"gas cap":           with(func(x *types.DynamicFeeTx) { x.Gas = 1<<24 + 1 }),
		"fee cap":           with(func(x *types.DynamicFeeTx) { x.GasFeeCap = big.NewInt(baseFee - 1); x.GasTipCap = new(big.Int) }),
		"tip above fee cap": with(func(x *types.DynamicFeeTx) { x.GasTipCap = big.NewInt(101) }),
		"init code":         with(func(x *types.DynamicFeeTx) { x.To, x.Data, x.Gas = nil, make([]byte, 49153), 1_000_000 }),
		"fee of 2^256 wei": with(func(x *types.DynamicFeeTx) {
			x.GasFeeCap = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
		}),
		"no blobs": s.signData(t, 0, &types.BlobTx{
			ChainID: uint256.MustFromBig(s.config.ChainID), Gas: 21000, GasFeeCap: uint256.NewInt(100), BlobFeeCap: uint256.NewInt(100),
		}),
		"blob hash version": s.signData(t, 0, &types.BlobTx{
			ChainID: uint256.MustFromBig(s.config.ChainID), Gas: 21000, GasFeeCap: uint256.NewInt(100), BlobFeeCap: uint256.NewInt(100),
			BlobHashes: []common.Hash{{2}},
		}),
		"no authorizations": s.signData(t, 0, &types.SetCodeTx{
			ChainID: uint256.MustFromBig(s.config.ChainID), Gas: 21000, GasFeeCap: uint256.NewInt(100),
		}),
	}
}
