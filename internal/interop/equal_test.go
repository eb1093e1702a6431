package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	ethrpc "github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A difference is a place where our answers need not be go-ethereum's.
type difference struct {
	method string // of the request
	place  string // in the answer, without indexes; everything below it too
	says   string // part of what go-ethereum has there, as JSON
	why    string
}

// TestEqualAnswers compares answers with go-ethereum's, field by field. A sequencer
// makes a chain; go-ethereum executes its blocks and finds the same roots; then the
// same requests go to go-ethereum, to the sequencer and to a full node.
func TestEqualAnswers(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil), GasLimit: gasLimit, Timestamp: 1_700_000_000})
	require.NoError(t, err)
	ours := startNetwork(t, spec)
	referee, err := gethdev.Start(gethdev.Config{Genesis: genesisOf(spec)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, referee.Close()) })
	theirs := dialDoor(t, endpoints{name: "geth", http: referee.URL()})

	s := newStory(t, ours.sequencer)
	awaitHead(t, ours.sequencer, s.last)
	blocks := importBlocks(t, referee, ours.sequencer, 0)
	t.Run("refusals", func(t *testing.T) {
		for _, d := range []*door{theirs, ours.sequencer, ours.fullnode} {
			checkRefusals(t, d, s.refusals())
		}
	})

	s.nextBlock() // so that the next one is far away
	ours.halt()   // or "latest" would not be the same block for long
	blocks = append(blocks, importBlocks(t, referee, ours.sequencer, len(blocks))...)
	awaitHead(t, ours.fullnode, uint64(len(blocks)))
	// All was refused, so the states are the same.
	for _, d := range []*door{ours.sequencer, ours.fullnode} {
		t.Run(d.name, func(t *testing.T) {
			setFinality(t, referee, d)
			compareDoors(t, theirs, d, s.requests(blocks), allowed)
		})
	}
}

// importBlocks gives go-ethereum the node's sealed blocks from after on.
func importBlocks(t *testing.T, referee *gethdev.Node, d *door, after int) (blocks []*types.Block) {
	for number := uint64(after) + 1; number <= headOf(t, d); number++ {
		var raw hexutil.Bytes
		require.NoError(t, d.client.CallContext(t.Context(), &raw, "debug_getRawBlock", hexutil.Uint64(number)))
		block := new(types.Block)
		require.NoError(t, rlp.DecodeBytes(raw, block))
		blocks = append(blocks, block)
	}
	require.NoError(t, referee.Import(blocks...))
	return blocks
}

// checkRefusals sends transactions that cannot be taken. Their reasons have details of
// their own everywhere; clients look for a few words.
func checkRefusals(t *testing.T, d *door, refusals []refusal) {
	for _, r := range refusals {
		err := d.client.CallContext(t.Context(), nil, "eth_sendRawTransaction", r.raw)
		var coded ethrpc.Error
		if !errors.As(err, &coded) {
			t.Errorf("%s: %s: want an error with %q, got %v", d.name, brief(r.raw), r.reason, err)
			continue
		}
		require.Equal(t, -32000, coded.ErrorCode(), "%s: %v", d.name, err)
		require.Regexp(t, r.reason, err.Error(), "%s: %s", d.name, brief(r.raw))
	}
}

// setFinality tells go-ethereum what is safe and what is final, as its consensus
// client would: here the node under test.
func setFinality(t *testing.T, referee *gethdev.Node, d *door) {
	for tag, set := range map[string]func(*types.Header){
		"safe":      referee.Ethereum().BlockChain().SetSafe,
		"finalized": referee.Ethereum().BlockChain().SetFinalized,
	} {
		var head struct{ Number hexutil.Uint64 }
		require.NoError(t, d.client.CallContext(t.Context(), &head, "eth_getBlockByNumber", tag, false))
		set(referee.Ethereum().BlockChain().GetHeaderByNumber(uint64(head.Number)))
	}
}

// genesisOf is a chain's beginning as go-ethereum has it.
func genesisOf(spec *genesis.Spec) *core.Genesis {
	h := spec.Genesis.Header
	g := &core.Genesis{
		Config: spec.Config, Timestamp: h.Timestamp, ExtraData: h.ExtraData, GasLimit: h.GasLimit, Difficulty: common.Big0,
		Mixhash: h.PrevRandao, Coinbase: h.Coinbase, BaseFee: h.BaseFee.ToBig(), Alloc: make(types.GenesisAlloc),
	}
	for _, a := range spec.Genesis.State.Accounts {
		account := types.Account{Nonce: a.After.Nonce, Balance: a.After.Balance.ToBig(), Storage: make(map[common.Hash]common.Hash)}
		if a.After.CodeHash != chain.EmptyCodeHash {
			account.Code = spec.Genesis.State.Code(a.After.CodeHash)
		}
		for _, slot := range a.Slots {
			account.Storage[slot.Key] = slot.After.Bytes32()
		}
		g.Alloc[a.Address] = account
	}
	return g
}

// compareDoors sends the requests to both and compares. Differences that are allowed
// must be there: who comes to agree leaves the list.
func compareDoors(t *testing.T, want, got *door, requests []request, allowed []difference) {
	found := make(map[difference]bool)
	for _, r := range requests {
		a, b := r.ask(t, want.client), r.ask(t, got.client)
		if r.method == "debug_executionWitness" { // its lists are in no order
			sortLists(a)
			sortLists(b)
		}
		for _, diff := range differ(nil, "", a, b) {
			i := slices.IndexFunc(allowed, func(d difference) bool { return d.covers(r, diff) })
			if i < 0 {
				t.Errorf("%s\n  %s: go-ethereum has %s, the %s %s", r, diff.place, brief(diff.want), got.name, brief(diff.got))
				continue
			}
			found[allowed[i]] = true
		}
	}
	for _, d := range allowed {
		if !found[d] {
			t.Errorf("%s %s is listed as different (%s), but agrees", d.method, d.place, d.why)
		}
	}
	t.Logf("%d requests", len(requests))
}

func (d difference) covers(r request, p pair) bool {
	return d.method == r.method && strings.Contains(text(p.want), d.says) &&
		(p.place == d.place || strings.HasPrefix(p.place, d.place+"."))
}

// A request is a method with its parameters.
type request struct {
	method string
	params []any
}

func (r request) String() string {
	params, _ := json.Marshal(r.params) // it has been sent
	return r.method + " " + string(params)
}

// ask returns the answer as JSON values: {"result": …} or {"error": …}.
func (r request) ask(t *testing.T, c *ethrpc.Client) any {
	t.Helper()
	var result json.RawMessage
	err := c.CallContext(t.Context(), &result, r.method, r.params...)
	var answer any
	switch e := ethrpc.Error(nil); {
	case err == nil:
		decoder := json.NewDecoder(strings.NewReader(string(result)))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&answer))
		return map[string]any{"result": answer}
	case errors.As(err, &e):
		failure := map[string]any{"code": e.ErrorCode(), "message": err.Error()}
		if data := ethrpc.DataError(nil); errors.As(err, &data) && data.ErrorData() != nil {
			failure["data"] = data.ErrorData()
		}
		return map[string]any{"error": failure}
	}
	t.Fatalf("%s: %v", r, err)
	return nil
}

// A pair is two values that differ in one place of two answers.
type pair struct {
	place     string
	want, got any
}

// absent stands for a field that is not there, which is not the same as null.
type absent struct{}

// differ appends where two JSON values differ.
func differ(pairs []pair, place string, want, got any) []pair {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			names := make(map[string]struct{})
			for name := range w {
				names[name] = struct{}{}
			}
			for name := range g {
				names[name] = struct{}{}
			}
			for _, name := range sortedKeys(names) {
				pairs = differ(pairs, place+"."+name, field(w, name), field(g, name))
			}
			return pairs
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			for i := range w {
				pairs = differ(pairs, place, w[i], g[i])
			}
			return pairs
		}
	}
	if !reflect.DeepEqual(want, got) {
		pairs = append(pairs, pair{place, want, got})
	}
	return pairs
}

// sortLists orders the lists of an answer.
func sortLists(value any) {
	if object, ok := value.(map[string]any); ok {
		for _, v := range object {
			sortLists(v)
		}
	}
	if list, ok := value.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

func field(object map[string]any, name string) any {
	if value, ok := object[name]; ok {
		return value
	}
	return absent{}
}

func sortedKeys(set map[string]struct{}) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// text is a value as JSON, and brief its beginning.
func text(value any) string {
	if value == (any)(absent{}) {
		return "nothing"
	}
	out, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(out)
}

func brief(value any) string {
	out := text(value)
	if len(out) > 300 {
		return out[:300] + "…"
	}
	return out
}

// The comparer sees what it should.
func TestDiffer(t *testing.T) {
	for _, test := range []struct{ want, got, place string }{
		{`{"a":1}`, `{"a":1}`, ""},
		{`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":3}]}`, ".a.b"},
		{`{"a":null}`, `{}`, ".a"},
		{`{}`, `{"a":null}`, ".a"},
		{`[1]`, `[1,2]`, ""},
		{`{"a":{}}`, `{"a":[]}`, ".a"},
		{`{"a":"0x1"}`, `{"a":"0x01"}`, ".a"},
		{`{"a":[]}`, `{"a":null}`, ".a"},
	} {
		var want, got any
		require.NoError(t, json.Unmarshal([]byte(test.want), &want))
		require.NoError(t, json.Unmarshal([]byte(test.got), &got))
		pairs := differ(nil, "", want, got)
		if test.want == test.got {
			require.Empty(t, pairs)
			continue
		}
		require.Len(t, pairs, 1, "%s %s", test.want, test.got)
		require.Equal(t, test.place, pairs[0].place)
	}
}

func gwei(n int64) *hexutil.Big {
	return (*hexutil.Big)(new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)))
}
