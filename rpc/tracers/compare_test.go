package tracers

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// wishes are what clients ask tracers for.
var wishes = []string{
	`null`,
	`{}`,
	`{"enableMemory":true,"enableReturnData":true}`,
	`{"disableStack":true,"disableStorage":true,"reexec":128}`,
	`{"limit":700}`,
	`{"tracer":"callTracer"}`,
	`{"tracer":"callTracer","tracerConfig":{"onlyTopCall":true}}`,
	`{"tracer":"callTracer","tracerConfig":{"withLog":true},"timeout":"10s"}`,
	`{"tracer":"callTracer","tracerConfig":{"withLog":true,"onlyTopCall":true}}`,
	`{"tracer":"prestateTracer"}`,
	`{"tracer":"prestateTracer","tracerConfig":{"diffMode":true}}`,
	`{"tracer":"prestateTracer","tracerConfig":{"diffMode":true,"disableCode":true,"disableStorage":true}}`,
	`{"tracer":"prestateTracer","tracerConfig":{"includeEmpty":true}}`,
	`{"tracer":"prestateTracer","tracerConfig":{"includeEmpty":true,"diffMode":true}}`,
	`{"tracer":"4byteTracer"}`,
	`{"tracer":"noopTracer"}`,
	`{"tracer":"keccak256PreimageTracer"}`,
	`{"tracer":"erc7562Tracer","tracerConfig":{"withLog":true}}`,
	`{"tracer":"flatCallTracer"}`,
	`{"tracer":"flatCallTracer","tracerConfig":{"convertParityErrors":true,"includePrecompiles":true}}`,
	`{"tracer":"muxTracer","tracerConfig":{"callTracer":{"withLog":true},"prestateTracer":{"diffMode":true},"4byteTracer":null,"muxTracer":{"noopTracer":{}}}}`,
	`{"tracer":"callTracer","tracerConfig":{"onlyTopCall":3}}`,
	`{"tracer":"callTracer","timeout":"soon"}`,
}

// compare asks both, and returns the answer that they agree on.
func (s *scene) compare(t *testing.T, method string, args ...any) answer {
	t.Helper()
	want, got := ask(t, s.theirs, method, args...), ask(t, s.ours, method, args...)
	require.Equal(t, want, got, "%s(%s)", method, args)
	return got
}

// each calls test under each fork's rules, and for every wish.
func each(t *testing.T, test func(t *testing.T, s *scene, wish json.RawMessage)) {
	for fork := range forks {
		s := newScene(t, fork, rpctest.Options{}, Config{})
		for _, wish := range wishes {
			t.Run(fork+"/"+wish, func(t *testing.T) { test(t, s, json.RawMessage(wish)) })
		}
	}
}

func TestTransactionsAsGoEthereum(t *testing.T) {
	each(t, func(t *testing.T, s *scene, wish json.RawMessage) {
		for _, b := range s.blocks {
			for _, tx := range b.Transactions() {
				s.compare(t, "traceTransaction", tx.Hash(), wish)
			}
		}
	})
}

func TestBlocksAsGoEthereum(t *testing.T) {
	each(t, func(t *testing.T, s *scene, wish json.RawMessage) {
		for _, b := range s.blocks {
			raw, err := rlp.EncodeToBytes(b)
			require.NoError(t, err)
			byNumber := s.compare(t, "traceBlockByNumber", hexutil.Uint64(b.NumberU64()), wish)
			require.Equal(t, byNumber, s.compare(t, "traceBlockByHash", b.Hash(), wish))
			require.Equal(t, byNumber, s.compare(t, "traceBlock", hexutil.Encode(raw), wish))
		}
		s.compare(t, "traceBlockByNumber", "latest", wish)
	})
}

// calls are arguments of traceCall, without the wish.
var calls = []string{
	`{}`,
	fmt.Sprintf(`{"from":"%s","to":"%s","data":"0x01","gas":"0x30d40"}`, addressOf(0), juggler),
	fmt.Sprintf(`{"from":"%s","to":"%s","value":"0x7","input":"0x1234567800"}`, addressOf(0), delegator),
	fmt.Sprintf(`{"from":"%s","to":"%s","gasPrice":"0x77359400","gas":"0x186a0"}`, addressOf(1), reverter),
	fmt.Sprintf(`{"from":"%s","data":"%s"}`, addressOf(1), hexutil.Encode(reverterCode())),
	fmt.Sprintf(`{"to":"%s","gas":"0x200000"}`, factory),
	fmt.Sprintf(`{"from":"%s","to":"%s"}`, recorder, delegator),
	fmt.Sprintf(`{"from":"%s","to":"%s","value":"0xffffffffffffffffffffff"}`, addressOf(1), reverter),
	fmt.Sprintf(`{"from":"%s","to":"%s","nonce":"0x0","maxFeePerGas":"0x1"}`, addressOf(1), reverter),
	fmt.Sprintf(`{"to":"%s","gas":"0x5208","gasPrice":"0x1","maxFeePerGas":"0x1"}`, reverter),
	fmt.Sprintf(`{"from":"%s","to":"%s","gas":"0x1"}`, addressOf(1), reverter),
}

func TestCallsAsGoEthereum(t *testing.T) {
	each(t, func(t *testing.T, s *scene, wish json.RawMessage) {
		for _, call := range calls {
			for _, at := range []string{"latest", "0x0", "0x1", "0x2"} {
				s.compare(t, "traceCall", json.RawMessage(call), at, wish)
			}
			s.compare(t, "traceCall", json.RawMessage(call), map[string]any{"blockHash": s.blocks[1].Hash()}, wish)
		}
	})
}

// overrides go into the third argument of traceCall beside the tracer.
var overrides = []string{
	`"stateOverrides":{"` + recorder.Hex() + `":{"balance":"0x5","nonce":"0x7","stateDiff":{"0x0707070707070707070707070707070707070707070707070707070707070707":"0x0000000000000000000000000000000000000000000000000000000000000002"}}}`,
	`"stateOverrides":{"` + recorder.Hex() + `":{"state":{}},"` + reverter.Hex() + `":{"code":"0x00"}}`,
	`"stateOverrides":{"` + recorder.Hex() + `":{"state":{},"stateDiff":{}}}`,
	`"stateOverrides":{"0x0000000000000000000000000000000000000002":{"movePrecompileToAddress":"0x0000000000000000000000000000000000123456"}}`,
	`"blockOverrides":{"number":"0x3","time":"0x1234","gasLimit":"0x1c9c380","feeRecipient":"0x00000000000000000000000000000000000000fe","baseFeePerGas":"0x5"}`,
	`"blockOverrides":{"number":"0x64"}`,
	`"txIndex":"0x0"`,
	`"txIndex":"0x2"`,
	`"txIndex":"0x1","blockOverrides":{"time":"0x99"},"stateOverrides":{"` + juggler.Hex() + `":{"balance":"0x1"}}`,
	`"txIndex":"0x63"`,
}

func TestOverridesAsGoEthereum(t *testing.T) {
	each(t, func(t *testing.T, s *scene, wish json.RawMessage) {
		var config map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(wish, &config))
		for _, override := range overrides {
			with := make(map[string]json.RawMessage)
			require.NoError(t, json.Unmarshal([]byte("{"+override+"}"), &with))
			for key, value := range config {
				with[key] = value
			}
			for _, call := range calls[:4] {
				for _, at := range []string{"0x1", "0x2", "0x4"} {
					s.compare(t, "traceCall", json.RawMessage(call), at, with)
				}
			}
		}
	})
}

func TestNotThereAsGoEthereum(t *testing.T) {
	s := newScene(t, "Osaka", rpctest.Options{}, Config{})
	nowhere := "0x00000000000000000000000000000000000000000000000000000000000000aa"
	for _, question := range [][]any{
		{"traceTransaction", nowhere},
		{"traceBlockByHash", nowhere},
		{"traceBlockByNumber", "0x0"},
		{"traceBlockByNumber", "0x3e8"},
		{"traceBlockByHash", s.spec.ToBlock().Hash()},
		{"traceCall", map[string]any{}, "0x3e8"},
		{"traceCall", map[string]any{}, map[string]any{"blockHash": nowhere}},
		{"traceTransaction"},
		{"traceTransaction", "0x12"},
	} {
		answer := s.compare(t, question[0].(string), question[1:]...)
		require.NotEmpty(t, answer.Error)
	}
}
