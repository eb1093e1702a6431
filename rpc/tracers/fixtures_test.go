package tracers

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// suites are the directories of go-ethereum's own tracer tests, and the tracer that
// each is for.
var suites = map[string]string{
	"call_tracer":                    "callTracer",
	"call_tracer_withLog":            "callTracer",
	"call_tracer_flat":               "flatCallTracer",
	"prestate_tracer":                "prestateTracer",
	"prestate_tracer_with_diff_mode": "prestateTracer",
	"erc7562_tracer":                 "erc7562Tracer",
}

// otherSuites are those that are not run, and why.
var otherSuites = map[string]string{
	"call_tracer_legacy": "is for a tracer in JavaScript",
}

// tracerTest is one file: a transaction on a state, and what its tracer says.
type tracerTest struct {
	Genesis core.Genesis `json:"genesis"`
	Context struct {
		Number     math.HexOrDecimal64   `json:"number"`
		Difficulty *math.HexOrDecimal256 `json:"difficulty"`
		Time       math.HexOrDecimal64   `json:"timestamp"`
		GasLimit   math.HexOrDecimal64   `json:"gasLimit"`
		Miner      common.Address        `json:"miner"`
		BaseFee    *math.HexOrDecimal256 `json:"baseFeePerGas"`
	} `json:"context"`
	Input        string          `json:"input"` // hex, with a prefix or without
	TracerConfig json.RawMessage `json:"tracerConfig"`
	Result       json.RawMessage `json:"result"`
}

// TestFixtures runs the tracer tests of go-ethereum's repository.
func TestFixtures(t *testing.T) {
	ran := make(map[string]int)
	eachTracerTest(t, func(suite, name string, data []byte) {
		if why, skipped := otherSuites[suite]; skipped {
			t.Run(suite+"/"+name, func(t *testing.T) { t.Skip(why) })
			return
		}
		require.Contains(t, suites, suite)
		t.Run(suite+"/"+name, func(t *testing.T) {
			var test tracerTest
			require.NoError(t, json.Unmarshal(data, &test))
			require.Equal(t, bare(t, test.Result), bare(t, test.run(t, suites[suite])))
		})
		ran[suite]++
	})
	require.Len(t, ran, len(suites), "a suite has no tests")
	t.Log(ran)
}

func eachTracerTest(t *testing.T, do func(suite, name string, data []byte)) {
	file, err := os.Open(filepath.Join(testdata.Fixtures(t), "extras.tar.zst"))
	require.NoError(t, err)
	defer file.Close()
	z, err := zstd.NewReader(file, zstd.WithDecoderMaxWindow(128<<20))
	require.NoError(t, err)
	defer z.Close()
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		dir, name := path.Split(header.Name)
		if dir = path.Clean(dir); path.Base(path.Dir(dir)) != "geth-tracers" || path.Ext(name) != ".json" {
			continue
		}
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		do(path.Base(dir), strings.TrimSuffix(name, ".json"), data)
	}
}

// bare is an answer as the tests mean it. They are of many years: some leave out
// members that are zero and others do not, and what a flat call says of its block is
// there or missing.
func bare(t *testing.T, raw json.RawMessage) any {
	var value any
	require.NoError(t, json.Unmarshal(raw, &value))
	return strip(value)
}

func strip(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	case map[string]any:
		for _, key := range []string{"blockHash", "blockNumber", "transactionHash", "transactionPosition"} {
			delete(v, key)
		}
		for key, member := range v {
			v[key] = strip(member)
			switch m := v[key].(type) {
			case nil:
				delete(v, key)
			case string:
				if strings.Trim(m, "0x") == "" {
					delete(v, key)
				}
			case map[string]any:
				if len(m) == 0 {
					delete(v, key)
				}
			}
		}
	}
	return value
}

// run traces the transaction with the machinery that requests have, on a node that
// has nothing but rules.
func (test *tracerTest) run(t *testing.T, tracer string) json.RawMessage {
	config := test.Genesis.Config
	if config.BlobScheduleConfig == nil {
		config.BlobScheduleConfig = params.DefaultBlobSchedule
	}
	engine, err := execution.New(execution.Config{Chain: config})
	require.NoError(t, err)
	scratch, err := engine.Scratch(test.env(), nil, chain.NewOverlay(nil, allocation(test.Genesis.Alloc)), execution.ScratchConfig{})
	require.NoError(t, err)
	defer scratch.Discard()

	api := New(rules{config: config}, engine, Config{})
	at := &block{env: test.env(), txs: []*chain.Tx{chain.NewTx(common.FromHex(test.Input))}}
	r := replay{api: api, block: at, scratch: scratch}
	w := watch{api: api, scratch: scratch, size: 1 << 30}
	result, err := w.run(t.Context(), new(gethtracers.Context), &TraceConfig{Tracer: &tracer, TracerConfig: test.TracerConfig}, r.push)
	require.NoError(t, err)
	return result
}

func (test *tracerTest) env() *chain.Env {
	c, config := &test.Context, test.Genesis.Config
	env := &chain.Env{Number: uint64(c.Number), Timestamp: uint64(c.Time), GasLimit: uint64(c.GasLimit), Coinbase: c.Miner}
	merged := config.TerminalTotalDifficulty != nil && config.TerminalTotalDifficulty.Sign() == 0
	if merged {
		env.PrevRandao = test.Genesis.Mixhash
	} else {
		env.Difficulty = *uint256.MustFromBig((*big.Int)(c.Difficulty))
	}
	number := new(big.Int).SetUint64(env.Number)
	if config.IsLondon(number) {
		env.BaseFee = uint256.MustFromBig((*big.Int)(c.BaseFee))
	}
	if config.IsCancun(number, env.Timestamp) {
		env.ExcessBlobGas = new(uint64)
	}
	return env
}

func allocation(alloc types.GenesisAlloc) *chain.Changes {
	state := new(chain.Changes)
	for addr, a := range alloc {
		account := chain.Account{Nonce: a.Nonce, Balance: *uint256.MustFromBig(a.Balance), CodeHash: chain.EmptyCodeHash}
		if len(a.Code) > 0 {
			account.CodeHash = chain.Keccak256(a.Code)
			state.Codes = append(state.Codes, chain.Code{Hash: account.CodeHash, Bytes: a.Code})
		}
		change := chain.AccountChange{Address: addr, Exists: true, After: account}
		for key, value := range a.Storage {
			change.Slots = append(change.Slots, chain.SlotChange{Key: key, After: *new(uint256.Int).SetBytes32(value[:])})
		}
		state.Accounts = append(state.Accounts, change)
	}
	state.Normalize()
	return state
}

// rules is a node of which nothing is asked but its rules.
type rules struct {
	backend.Backend
	config *params.ChainConfig
}

func (r rules) ChainConfig() *params.ChainConfig { return r.config }
