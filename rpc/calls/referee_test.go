package calls_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

var (
	refereeRounds = flag.Int("referee.rounds", 250, "random requests of each method put to go-ethereum too")
	refereeSeed   = flag.Uint64("referee.seed", 1, "of the random requests")
)

// TestReferee puts random requests, over random contracts and with random overrides,
// to go-ethereum too, on the same chain. All of the answers must be equal, texts of
// errors too.
func TestReferee(t *testing.T) {
	p := newPair(t, *refereeSeed)
	for _, method := range []string{"eth_call", "eth_estimateGas", "eth_createAccessList", "eth_simulateV1", "eth_fillTransaction"} {
		t.Run(method, func(t *testing.T) {
			succeeded := 0
			for range *refereeRounds {
				params := p.params(method)
				text, err := json.Marshal(params)
				require.NoError(t, err)
				request := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, text)
				ours, theirs := parse(t, p.ours.send(t, request)), parse(t, p.ask(t, request))
				if _, ok := theirs.(map[string]any)["result"]; ok {
					succeeded++
				}
				if method == "eth_simulateV1" {
					forgetLogIndex(ours)
					forgetLogIndex(theirs)
				}
				if list := rpctest.Differences(ours, theirs); len(list) > 0 {
					t.Errorf("%s\n%s", request, strings.Join(list[:min(len(list), 5)], "\n"))
				}
			}
			t.Logf("%d of %d requests succeed", succeeded, *refereeRounds)
			require.Greater(t, succeeded*4, *refereeRounds, "most requests fail: nothing is compared")
		})
	}
}

// forgetLogIndex takes out what simulated logs differ in on purpose: see logTracer.
func forgetLogIndex(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "logIndex")
		for key := range v {
			forgetLogIndex(v[key])
		}
	case []any:
		for i := range v {
			forgetLogIndex(v[i])
		}
	}
}

// A pair is our node and go-ethereum's, of the same chain.
type pair struct {
	ours *door
	geth string // URL
	programs
	contracts []common.Address
	hashes    []common.Hash // of blocks
}

// contractAt is the address of random contract i.
func contractAt(i int) common.Address {
	return common.BytesToAddress([]byte{0xc0, 0, 0, byte(i)})
}

// newPair makes a chain in which random contracts were called.
func newPair(t *testing.T, seed uint64) *pair {
	t.Helper()
	p := &pair{programs: programs{rand.New(rand.NewPCG(seed, 7))}}
	g := p.genesis()
	text, err := json.Marshal(g)
	require.NoError(t, err)
	spec, err := genesis.Read(bytes.NewReader(text))
	require.NoError(t, err)
	geth, err := gethdev.Start(gethdev.Config{Genesis: g})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, geth.Close()) })
	p.geth = geth.URL()

	node := rpctest.New(t, spec, rpctest.Options{})
	p.hashes = []common.Hash{node.Head().Hash()}
	for range 6 {
		for i := range 4 {
			to := p.contracts[p.IntN(len(p.contracts))]
			node.Push(node.Call(i, &to, uint64(p.IntN(3)), p.bytes(40)))
		}
		header := node.Seal()
		p.hashes = append(p.hashes, header.Hash())
		b, err := node.History().Block(header.Number)
		require.NoError(t, err)
		sealed, err := oracle.Block(&chain.Block{Header: b.Header, Txs: b.Txs, Withdrawals: b.Env.Withdrawals})
		require.NoError(t, err)
		require.NoError(t, geth.Import(sealed))
	}
	p.ours = serve(t, node, calls.Options{})
	return p
}

func (p *pair) genesis() *core.Genesis {
	var zero uint64
	config := *params.MergedTestChainConfig
	config.AmsterdamTime, config.BogotaTime, config.UBTTime = nil, nil, nil
	config.BPO1Time, config.BPO2Time, config.BPO3Time, config.BPO4Time, config.BPO5Time = nil, nil, nil, nil, nil
	config.OsakaTime = &zero
	config.BlobScheduleConfig = &params.BlobScheduleConfig{Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig}
	alloc := core.SystemContractAllocs()
	for i := range rpctest.Accounts {
		alloc[rpctest.AccountAt(i).Address] = types.Account{Balance: new(big.Int).Mul(big.NewInt(rpctest.Ether), big.NewInt(params.Ether))}
	}
	for i := range contractCount {
		p.contracts = append(p.contracts, contractAt(i))
		alloc[contractAt(i)] = types.Account{
			Balance: big.NewInt(int64(p.IntN(1000))), Code: p.program(i), Nonce: 1,
			Storage: map[common.Hash]common.Hash{{31: 1}: {31: 7}, {31: 2}: {31: 1}},
		}
	}
	return &core.Genesis{
		Config: &config, Alloc: alloc, GasLimit: 100_000_000, BaseFee: big.NewInt(params.GWei),
		Difficulty: new(big.Int), Timestamp: 1_700_000_000, Coinbase: common.Address{0xfe},
	}
}

// ask puts a request to go-ethereum.
func (p *pair) ask(t *testing.T, request []byte) []byte {
	t.Helper()
	response, err := http.Post(p.geth, "application/json", bytes.NewReader(request))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return text
}
