package gethdev

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/datagen/contracts"
)

const (
	chainID  = 31337
	gasLimit = 100_000_000
)

// user is a funded account.
type user struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	nonce uint64
}

func newUser(t *testing.T) *user {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("user")))
	require.NoError(t, err)
	return &user{t: t, key: key}
}

func (u *user) address() common.Address { return crypto.PubkeyToAddress(u.key.PublicKey) }

func (u *user) sign(to *common.Address, data []byte) *types.Transaction {
	u.nonce++
	tx, err := types.SignNewTx(u.key, types.NewPragueSigner(big.NewInt(chainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: u.nonce - 1, To: to, Data: data, Gas: 2_000_000,
		GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(10 * params.GWei),
	})
	require.NoError(u.t, err)
	return tx
}

// deploy is the creation of a token of which the user has 1000.
func (u *user) deploy() *types.Transaction {
	name, supply := contracts.ShortString("T"), contracts.Number(1000)
	// name and symbol are dynamic: offset, then length and bytes
	text := contracts.Append(nil, contracts.Number(1), common.Hash{name[0]})
	data := contracts.Append(contracts.Token.Creation, contracts.Number(128), contracts.Number(192),
		contracts.Address(u.address()), supply)
	return u.sign(nil, append(append(data, text...), text...))
}

func genesisFor(u *user) *core.Genesis {
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(chainID)
	g := &core.Genesis{
		Config: &config, GasLimit: gasLimit, Difficulty: common.Big0, Timestamp: 1_700_000_000,
		Coinbase: common.Address{0xfe},
		Alloc:    core.SystemContractAllocs(),
	}
	g.Alloc[u.address()] = types.Account{Balance: new(big.Int).Mul(big.NewInt(1000), big.NewInt(params.Ether))}
	return g
}

func start(t *testing.T, c Config) *Node {
	n, err := Start(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func dial(t *testing.T, url string) *ethclient.Client {
	c, err := ethclient.Dial(url)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func balanceOf(t *testing.T, c *ethclient.Client, token, owner common.Address) uint64 {
	out, err := c.CallContract(t.Context(), ethereum.CallMsg{
		To: &token, Data: contracts.Token.Call("balanceOf(address)", contracts.Address(owner)),
	}, nil)
	require.NoError(t, err)
	return new(uint256.Int).SetBytes(out).Uint64()
}

// By HTTP and by WebSocket, a contract is deployed, written to and read.
func TestCommit(t *testing.T) {
	u := newUser(t)
	n := start(t, Config{Genesis: genesisFor(u)})
	http, ws := dial(t, n.URL()), dial(t, n.WSURL())

	heads := make(chan *types.Header, 10)
	sub, err := ws.SubscribeNewHead(t.Context(), heads)
	require.NoError(t, err)
	defer sub.Unsubscribe()

	block, err := n.Commit()
	require.NoError(t, err)
	require.Equal(t, block.Hash(), (<-heads).Hash())
	require.Empty(t, block.Transactions())

	deploy := u.deploy()
	require.NoError(t, http.SendTransaction(t.Context(), deploy))
	_, err = http.TransactionReceipt(t.Context(), deploy.Hash())
	require.ErrorIs(t, err, ethereum.NotFound, "nothing is sealed before Commit")
	block, err = n.Commit()
	require.NoError(t, err)
	require.Equal(t, block.Hash(), (<-heads).Hash())
	require.Len(t, block.Transactions(), 1)
	require.EqualValues(t, gasLimit, block.GasLimit())
	require.Equal(t, common.Address{0xfe}, block.Coinbase())

	receipt, err := ws.TransactionReceipt(t.Context(), deploy.Hash())
	require.NoError(t, err)
	require.EqualValues(t, types.ReceiptStatusSuccessful, receipt.Status)
	token, other := receipt.ContractAddress, common.Address{7}
	require.EqualValues(t, 1000, balanceOf(t, http, token, u.address()))

	transfer := u.sign(&token, contracts.Token.Call("transfer(address,uint256)", contracts.Address(other), contracts.Number(1)))
	_, err = n.Commit(transfer)
	require.NoError(t, err)
	require.EqualValues(t, 1, balanceOf(t, ws, token, other))
	logs, err := http.FilterLogs(t.Context(), ethereum.FilterQuery{Addresses: []common.Address{token}})
	require.NoError(t, err)
	require.Len(t, logs, 2)

	_, err = n.Commit(transfer)
	require.ErrorIs(t, err, core.ErrNonceTooLow)
}

// Same calls, same blocks; and blocks of one node are blocks of another.
func TestCommitIsDeterministic(t *testing.T) {
	var nodes []*Node
	for range 3 {
		nodes = append(nodes, start(t, Config{Genesis: genesisFor(newUser(t))}))
	}
	u := newUser(t)
	var chain []*types.Block
	for i := range 3 {
		tx := u.deploy()
		a, err := nodes[0].Commit(tx)
		require.NoError(t, err)
		b, err := nodes[1].Commit(tx)
		require.NoError(t, err)
		require.Equal(t, a.Hash(), b.Hash(), "block %d", i+1)
		chain = append(chain, a)
	}
	require.NoError(t, nodes[2].Import(chain...))
	head, err := dial(t, nodes[2].URL()).HeaderByNumber(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, chain[2].Hash(), head.Hash())
}

func TestImportChecksBlocks(t *testing.T) {
	u := newUser(t)
	maker, n := start(t, Config{Genesis: genesisFor(u)}), start(t, Config{Genesis: genesisFor(u)})
	block, err := maker.Commit(u.deploy())
	require.NoError(t, err)

	header := block.Header()
	header.Root[0] ^= 1
	require.ErrorContains(t, n.Import(block.WithSeal(header)), "invalid merkle root")
	require.Zero(t, n.Ethereum().BlockChain().CurrentBlock().Number.Sign())
	require.NoError(t, n.Import(block))
}

// As geth --dev: nobody asks for the block.
func TestAuto(t *testing.T) {
	u := newUser(t)
	n := start(t, Config{Genesis: genesisFor(u), Auto: true, PoolSlots: 1000, DataDir: t.TempDir(), Index: true})
	_, err := n.Commit()
	require.ErrorIs(t, err, ErrAuto)
	require.ErrorIs(t, n.Import(), ErrAuto)

	c := dial(t, n.WSURL())
	_, err = c.TransactionReceipt(t.Context(), common.Hash{1})
	require.ErrorIs(t, err, ethereum.NotFound)
	var last common.Hash
	for range 100 { // more than the pool takes by default
		tx := u.sign(&common.Address{7}, nil)
		require.NoError(t, c.SendTransaction(t.Context(), tx))
		last = tx.Hash()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		receipt, err := c.TransactionReceipt(ctx, last)
		if err == nil {
			require.EqualValues(t, types.ReceiptStatusSuccessful, receipt.Status)
			return
		}
		require.NoError(t, ctx.Err())
		time.Sleep(10 * time.Millisecond)
	}
}

func TestGenesisThatIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*core.Genesis){
		"no rules":     func(g *core.Genesis) { g.Config = nil },
		"no merge":     func(g *core.Genesis) { g.Config.TerminalTotalDifficulty = nil },
		"difficulty":   func(g *core.Genesis) { g.Difficulty = common.Big1 },
		"no gas":       func(g *core.Genesis) { g.GasLimit = 0 },
		"before merge": func(g *core.Genesis) { g.Config.ShanghaiTime = nil },
	} {
		t.Run(name, func(t *testing.T) {
			g := genesisFor(newUser(t))
			spoil(g)
			_, err := Start(Config{Genesis: g})
			require.ErrorContains(t, err, "gethdev: ")
		})
	}
	_, err := Start(Config{})
	require.Error(t, err)
}

// A genesis that went through genesis.json starts the same chain.
func TestGenesisFromJSON(t *testing.T) {
	g := genesisFor(newUser(t))
	src, err := json.Marshal(g)
	require.NoError(t, err)
	var read core.Genesis
	require.NoError(t, json.Unmarshal(src, &read))
	n := start(t, Config{Genesis: &read})
	require.Equal(t, g.ToBlock().Hash(), n.Ethereum().BlockChain().Genesis().Hash())
}
