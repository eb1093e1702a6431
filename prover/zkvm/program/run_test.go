package program

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// first is the first block of a chain that begins with nothing: its miner gets two
// ether, and its witness is the parent's header.
func first(t testing.TB) *prover.Input {
	t.Helper()
	config := params.AllEthashProtocolChanges
	rules, err := MarshalRules(config)
	require.NoError(t, err)
	parent := &chain.Header{StateRoot: chain.EmptyRoot, BaseFee: uint256.NewInt(params.GWei)}
	raw, err := parent.AppendBinary(nil)
	require.NoError(t, err)
	block := &chain.Block{Header: &chain.Header{
		Number: 1, ParentHash: parent.Hash(), Timestamp: 1, Coinbase: common.Address{1}, ExtraData: []byte{7: 9},
		OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
		Difficulty: *uint256.NewInt(1), GasLimit: 30_000_000, BaseFee: uint256.NewInt(params.GWei),
		StateRoot: common.HexToHash("0x2a818fd589c562e83d4a38bb9a779166ded29dcc85c32782025b8745f8c04f65"),
	}}
	in := &prover.Input{Config: rules}
	in.Block, err = block.AppendBinary(nil)
	require.NoError(t, err)
	witness := &chain.Witness{Headers: [][]byte{raw}}
	in.Witness, err = witness.AppendBinary(nil)
	require.NoError(t, err)

	executor, err := execution.New(execution.Config{Chain: config})
	require.NoError(t, err)
	v, err := prover.Verify(t.Context(), executor, block, witness)
	require.NoError(t, err)
	in.Diff, err = statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, v.Changes, v.Prior, nil)
	require.NoError(t, err)
	return in
}

func TestRun(t *testing.T) {
	in := first(t)
	raw, err := Run(t.Context(), bytes.NewReader(frame(t, in)), nil)
	require.NoError(t, err)
	var out Output
	require.NoError(t, out.UnmarshalBinary(raw))
	require.Equal(t, params.AllEthashProtocolChanges.ChainID.Uint64(), out.Public.ChainID)
	require.Equal(t, uint64(9), out.Public.Term)
	require.Equal(t, uint64(1), out.Public.Block.Number)
	require.Equal(t, chain.EmptyRoot, out.Public.PreRoot)
	require.Equal(t, chain.Keccak256(in.Block), out.Public.BlockDigest)
	require.Equal(t, chain.Keccak256(in.Witness), out.Public.WitnessDigest)
	require.Equal(t, chain.Keccak256(in.Diff), out.Public.DiffDigest)
	require.Equal(t, chain.Keccak256(in.Config), out.Rules)
	require.Empty(t, out.Proof)
}

// TestRunRefuses alters each byte of each part: rules, block and witness then do not
// hold, and a diff does not decode to what was proven.
func TestRunRefuses(t *testing.T) {
	in := first(t)
	for name, part := range map[string]*[]byte{"block": &in.Block, "witness": &in.Witness, "diff": &in.Diff} {
		genuine := *part
		for i := range genuine {
			*part = bytes.Clone(genuine)
			(*part)[i] ^= 1
			raw, err := Run(t.Context(), bytes.NewReader(frame(t, in)), nil)
			if err == nil && name == "block" {
				// What execution does not depend on may be another: then it is another block.
				var out Output
				require.NoError(t, out.UnmarshalBinary(raw))
				require.Equal(t, chain.Keccak256(in.Block), out.Public.BlockDigest)
				continue
			}
			require.Error(t, err, "%s, byte %d", name, i)
			require.Nil(t, raw)
		}
		*part = nil
		_, err := Run(t.Context(), bytes.NewReader(frame(t, in)), nil)
		require.Error(t, err, "no %s", name)
		*part = genuine
	}
	_, err := Run(t.Context(), strings.NewReader("VZI0"), nil)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Run(ctx, bytes.NewReader(frame(t, in)), nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestRunRefusesADiffOfAnotherBlock: it decodes, but not to what was proven.
func TestRunRefusesADiffOfAnotherBlock(t *testing.T) {
	in := first(t)
	nothing, err := trie.OpenWitness(chain.EmptyRoot, new(chain.Witness))
	require.NoError(t, err)
	in.Diff, err = statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, new(chain.Changes), nothing, nil)
	require.NoError(t, err)
	_, err = Run(t.Context(), bytes.NewReader(frame(t, in)), nil)
	var mismatch *chain.MismatchError
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, "changes of diff", mismatch.Field)
}

func TestRules(t *testing.T) {
	for _, config := range []*params.ChainConfig{params.MainnetChainConfig, params.SepoliaChainConfig, params.AllEthashProtocolChanges} {
		rules, err := MarshalRules(config)
		require.NoError(t, err)
		got, err := ParseRules(rules)
		require.NoError(t, err)
		require.Equal(t, config.ChainID, got.ChainID)
		require.Equal(t, config.OsakaTime, got.OsakaTime)
	}
	rules, err := MarshalRules(params.AllEthashProtocolChanges)
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"nothing":           "",
		"no rules":          "{}",
		"space":             " " + string(rules),
		"two":               string(rules) + string(rules),
		"unknown member":    strings.Replace(string(rules), `{`, `{"pragueTym":1,`, 1),
		"the same twice":    strings.Replace(string(rules), `{`, `{"chainId":1,`, 1),
		"another order":     strings.Replace(string(rules), `{"chainId":1337,"homesteadBlock":0,`, `{"homesteadBlock":0,"chainId":1337,`, 1),
		"another case":      strings.Replace(string(rules), `"londonBlock"`, `"LondonBlock"`, 1),
		"forks out of turn": strings.Replace(string(rules), `"homesteadBlock":0`, `"homesteadBlock":7`, 1),
	} {
		require.NotEqual(t, string(rules), bad, name)
		_, err := ParseRules([]byte(bad))
		require.ErrorIs(t, err, chain.ErrCorrupt, name)
	}
	for name, id := range map[string]*big.Int{"none": nil, "negative": big.NewInt(-1), "too long": new(big.Int).Lsh(big.NewInt(1), 64)} {
		config := *params.AllEthashProtocolChanges
		config.ChainID = id
		_, err := MarshalRules(&config)
		require.ErrorIs(t, err, chain.ErrCorrupt, name)
	}
}

// FuzzRules: what is accepted has one spelling.
func FuzzRules(f *testing.F) {
	for _, config := range []*params.ChainConfig{params.MainnetChainConfig, params.AllEthashProtocolChanges} {
		rules, err := MarshalRules(config)
		require.NoError(f, err)
		f.Add(rules)
	}
	f.Fuzz(func(t *testing.T, rules []byte) {
		config, err := ParseRules(rules)
		if err != nil {
			require.True(t, errors.Is(err, chain.ErrCorrupt), err)
			return
		}
		again, err := MarshalRules(config)
		require.NoError(t, err)
		require.Equal(t, string(rules), string(again))
	})
}

func TestID(t *testing.T) {
	ids := map[prover.Program]bool{}
	for _, pair := range [][2]string{{"elf", "rules"}, {"elf", "rules2"}, {"elf2", "rules"}, {"rules", "elf"}, {"elfrules", ""}} {
		ids[ID([]byte(pair[0]), []byte(pair[1]))] = true
	}
	require.Len(t, ids, 5)
	// Attestations under it are out there: another formula is another version.
	require.Equal(t, common.HexToHash("0xfa1a25d3a549a3d6194f2973e31e22cc490567ed8cc96126947018e3e6451c28"), common.Hash(ID([]byte("elf"), []byte("rules"))))
}

func TestLine(t *testing.T) {
	require.Equal(t, "one two three", Line("one\ntwo\tthree"))
	long := Line(strings.Repeat("é", 1000) + "x")
	require.LessOrEqual(t, len(long), lineMax)
	require.True(t, utf8.ValidString(Line("x"+strings.Repeat("é", 1000))))
}
