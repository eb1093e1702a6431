package interop

import (
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A probe is the contract of the scripts.
type probe struct {
	ABI      abi.ABI       `json:"abi"`
	Bytecode hexutil.Bytes `json:"bytecode"`
}

func readProbe(t *testing.T) *probe {
	src, err := os.ReadFile(filepath.Join(clients, "Probe.json"))
	require.NoError(t, err)
	p := new(probe)
	require.NoError(t, json.Unmarshal(src, p))
	return p
}

func (p *probe) creation(t *testing.T, args ...any) []byte {
	packed, err := p.ABI.Pack("", args...)
	require.NoError(t, err)
	return append(common.CopyBytes(p.Bytecode), packed...)
}

func (p *probe) call(t *testing.T, method string, args ...any) hexutil.Bytes {
	packed, err := p.ABI.Pack(method, args...)
	require.NoError(t, err)
	return packed
}

// A story is a chain that has seen every kind of transaction, sent through a door.
type story struct {
	t     *testing.T
	door  *door
	probe *probe
	keys  []*ecdsa.PrivateKey
	nonce []uint64

	contract common.Address // a probe
	user     common.Address // delegates to it
	txs      []common.Hash
	last     uint64 // block of the newest transaction
}

var (
	feeCap = big.NewInt(100 * params.GWei)
	signer = types.NewPragueSigner(big.NewInt(chainID))
)

// newStory sends the transactions: some blocks have many, some one, and some none.
func newStory(t *testing.T, at *door) *story {
	s := beginStory(t, at)
	s.deploy()
	s.nextBlock()
	s.everyType()
	s.nextBlock()
	s.everyFailure()
	s.nextBlock()
	s.nextBlock() // empty ones
	s.send(0, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(t, "store", big.NewInt(99), "last")})
	return s
}

// beginStory makes a story in which nothing has happened.
func beginStory(t *testing.T, at *door) *story {
	s := &story{t: t, door: at, probe: readProbe(t)}
	for _, account := range genesis.DevAccounts() {
		key, err := crypto.ToECDSA(account.Key[:])
		require.NoError(t, err)
		s.keys, s.nonce = append(s.keys, key), append(s.nonce, 0)
	}
	s.contract = crypto.CreateAddress(s.address(0), 0)
	s.user = s.address(9)
	return s
}

func (s *story) address(i int) common.Address { return crypto.PubkeyToAddress(s.keys[i].PublicKey) }

func (s *story) deploy() {
	s.send(0, &types.DynamicFeeTx{Value: big.NewInt(1000), Data: s.probe.creation(s.t, "story", big.NewInt(7)), Gas: 2_000_000})
	s.send(1, &types.LegacyTx{Data: s.probe.creation(s.t, "a name that is longer than thirty-one bytes", new(big.Int)), Gas: 2_000_000})
	s.send(2, &types.LegacyTx{Data: hexutil.MustDecode("0x33ff"), Value: big.NewInt(3), Gas: 100_000}) // CALLER SELFDESTRUCT
}

func (s *story) everyType() {
	store := func(note string) []byte { return s.probe.call(s.t, "store", big.NewInt(8), note) }
	list := types.AccessList{
		{Address: s.contract, StorageKeys: []common.Hash{{31: 1}, {31: 2}}},
		{Address: common.Address{7}, StorageKeys: []common.Hash{}},
	}
	s.send(0, &types.LegacyTx{To: &s.contract, Data: store("legacy"), Gas: 100_000})
	s.send(1, &types.AccessListTx{To: &s.contract, Data: store("list"), Gas: 100_000, AccessList: list})
	s.send(2, &types.DynamicFeeTx{To: &s.contract, Data: store("dynamic"), AccessList: list})
	s.send(3, &types.DynamicFeeTx{To: &common.Address{19: 4}, Data: []byte("identity")})
	s.send(4, &types.DynamicFeeTx{To: &common.Address{0xaa}, Value: big.NewInt(1)}) // is created
	authorization, err := types.SignSetCode(s.keys[9], types.SetCodeAuthorization{
		ChainID: *uint256.NewInt(chainID), Address: s.contract,
	})
	require.NoError(s.t, err)
	s.nonce[9]++
	void := authorization
	void.Nonce = 77
	s.send(5, &types.SetCodeTx{To: s.user, Value: uint256.NewInt(5), AuthList: []types.SetCodeAuthorization{authorization, void}})
	s.send(6, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(s.t, "deposit"), Value: big.NewInt(50)})
	s.send(7, &types.DynamicFeeTx{To: &common.Address{0xaa}, Value: big.NewInt(1)})
	s.send(6, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(s.t, "withdraw", big.NewInt(20))})
}

func (s *story) everyFailure() {
	for _, given := range []int64{0, 5, 100, 101} {
		s.send(0, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(s.t, "fail", big.NewInt(given))})
	}
	s.send(1, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(s.t, "store", big.NewInt(8), "out of gas"), Gas: 24_000})
	s.send(1, &types.DynamicFeeTx{Data: hexutil.MustDecode("0xfe"), Gas: 60_000})       // a creation that fails
	s.send(1, &types.DynamicFeeTx{Data: hexutil.MustDecode("0x60005ffd"), Gas: 60_000}) // one that reverts
	s.send(2, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(s.t, "withdraw", big.NewInt(1))})
}

// send signs a transaction, with fees that are high enough, and waits until it is
// acknowledged.
func (s *story) send(from int, data types.TxData) {
	nonce := s.nonce[from]
	s.nonce[from]++
	gas := func(given uint64) uint64 {
		if given == 0 {
			return 200_000
		}
		return given
	}
	switch tx := data.(type) {
	case *types.LegacyTx:
		tx.Nonce, tx.GasPrice, tx.Gas = nonce, feeCap, gas(tx.Gas)
	case *types.AccessListTx:
		tx.Nonce, tx.GasPrice, tx.Gas, tx.ChainID = nonce, feeCap, gas(tx.Gas), signer.ChainID()
	case *types.DynamicFeeTx:
		tx.Nonce, tx.GasFeeCap, tx.Gas, tx.ChainID = nonce, feeCap, gas(tx.Gas), signer.ChainID()
		tx.GasTipCap = big.NewInt(int64(from+1) * params.GWei)
	case *types.SetCodeTx:
		tx.Nonce, tx.GasFeeCap, tx.Gas, tx.ChainID = nonce, uint256.MustFromBig(feeCap), gas(tx.Gas), uint256.MustFromBig(signer.ChainID())
		tx.GasTipCap = uint256.NewInt(params.GWei)
	}
	tx, err := types.SignNewTx(s.keys[from], signer, data)
	require.NoError(s.t, err)
	raw, err := tx.MarshalBinary()
	require.NoError(s.t, err)
	var receipt struct{ BlockNumber hexutil.Uint64 }
	require.NoError(s.t, s.door.client.CallContext(s.t.Context(), &receipt, "eth_sendRawTransactionSync", hexutil.Bytes(raw)))
	s.txs, s.last = append(s.txs, tx.Hash()), uint64(receipt.BlockNumber)
}

// nextBlock returns once a block has been sealed.
func (s *story) nextBlock() { awaitHead(s.t, s.door, headOf(s.t, s.door)+1) }

func headOf(t *testing.T, d *door) uint64 {
	var head hexutil.Uint64
	require.NoError(t, d.client.CallContext(t.Context(), &head, "eth_blockNumber"))
	return uint64(head)
}

func awaitHead(t *testing.T, d *door, number uint64) {
	t.Helper()
	require.Eventually(t, func() bool { return headOf(t, d) >= number }, time.Minute, 10*time.Millisecond, "%s never has block %d", d.name, number)
}
