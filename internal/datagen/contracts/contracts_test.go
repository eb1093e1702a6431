package contracts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
)

// TestArtifactsAreCurrent compiles the sources anew and compares with what is
// committed. It needs node, and solc by `npm ci` in _generate.
func TestArtifactsAreCurrent(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("contracts are not recompiled: node is not installed")
	}
	if _, err := os.Stat("_generate/node_modules/solc"); err != nil {
		t.Skip("contracts are not recompiled: run `npm ci` in internal/datagen/contracts/_generate")
	}
	dir := t.TempDir()
	out, err := exec.Command(node, "_generate/generate.js", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"Token.json", "Pair.json", "Router.json"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run `npm run generate` in internal/datagen/contracts/_generate")
	}
}

// The identifiers that wallets and indexers know.
func TestStandardMethods(t *testing.T) {
	for signature, c := range map[string]*Contract{
		"transfer(address,uint256)":             Token,
		"transferFrom(address,address,uint256)": Token,
		"approve(address,uint256)":              Token,
		"balanceOf(address)":                    Token,
		"allowance(address,address)":            Pair,
		"getReserves()":                         Pair,
		"mint(address)":                         Pair,
		"burn(address)":                         Pair,
		"swap(uint256,uint256,address,bytes)":   Pair,
		"skim(address)":                         Pair,
		"sync()":                                Pair,
		"price0CumulativeLast()":                Pair,
		"swapExactTokensForTokens(uint256,uint256,address[],address,uint256)": Router,
	} {
		require.Equal(t, crypto.Keccak256([]byte(signature))[:4], c.Call(signature), signature)
	}
	require.Panics(t, func() { Token.Call("noSuchMethod()") })
}

func TestSlots(t *testing.T) {
	owner, spender := common.HexToAddress("0x1111"), common.HexToAddress("0x2222")
	require.Equal(t, Number(2), Token.Slot("totalSupply"))
	inner := crypto.Keccak256(common.LeftPadBytes(owner[:], 32), common.LeftPadBytes([]byte{1}, 32))
	outer := crypto.Keccak256Hash(common.LeftPadBytes(spender[:], 32), inner)
	require.Equal(t, outer, Token.Slot("allowance", owner, spender))
	require.Panics(t, func() { Token.Slot("noSuchVariable") })

	require.Equal(t, Pair.Slot("reserve0"), Pair.Slot("reserve1"))
	v := Pair.Shift("reserve1", uint256.NewInt(1))
	require.Equal(t, new(uint256.Int).Lsh(uint256.NewInt(1), 112), &v)
}

func TestShortString(t *testing.T) {
	require.Equal(t, common.HexToHash("0x564c500000000000000000000000000000000000000000000000000000000006"), ShortString("VLP"))
	require.Panics(t, func() { ShortString("a string of thirty-two characters") })
}
