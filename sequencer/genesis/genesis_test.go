package genesis

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// small is a genesis.json with a place for what a test adds to each part.
const small = `{
	"config": {"chainId": 7%s},
	"gasLimit": "0x1000", "difficulty": "17", "alloc": {
		"0x00000000000000000000000000000000000000aa": {"balance": "0x10"%s}
	}%s
}`

func read(config, account, rest string) (*Spec, error) {
	return Read(strings.NewReader(fmt.Sprintf(small, config, account, rest)))
}

func TestRead(t *testing.T) {
	spec, err := read("",
		`, "nonce": "3", "code": "0x6001", "storage": {"0x01": "0x02", "03": "04", "0x05": "0x00"}`,
		`, "nonce": "0x42", "timestamp": "0x5", "extraData": "0x0102", "coinbase": "0x00000000000000000000000000000000000000bb",
		"mixHash": "0x0000000000000000000000000000000000000000000000000000000000000009", "slotNumber": null`)
	require.NoError(t, err)
	require.Equal(t, uint64(7), spec.Genesis.ChainID)

	h := spec.Genesis.Header
	require.Equal(t, [8]byte{7: 0x42}, h.Nonce)
	require.Equal(t, uint64(5), h.Timestamp)
	require.Equal(t, []byte{1, 2}, h.ExtraData)
	require.Equal(t, common.HexToAddress("0xbb"), h.Coinbase)
	require.Equal(t, common.HexToHash("0x9"), h.PrevRandao)
	require.Equal(t, uint64(0x1000), h.GasLimit)
	require.Equal(t, *uint256.NewInt(17), h.Difficulty)
	require.Nil(t, h.BaseFee)

	require.NoError(t, spec.Genesis.State.Validate())
	require.Len(t, spec.Genesis.State.Accounts, 1)
	a := spec.Genesis.State.Accounts[0]
	require.Equal(t, uint64(3), a.After.Nonce)
	require.Equal(t, *uint256.NewInt(16), a.After.Balance)
	require.Equal(t, []byte{0x60, 1}, spec.Genesis.State.Code(a.After.CodeHash))
	require.Equal(t, []chain.SlotChange{
		{Key: common.HexToHash("0x1"), After: *uint256.NewInt(2)},
		{Key: common.HexToHash("0x3"), After: *uint256.NewInt(4)},
	}, a.Slots)
}

// Header fields come with their forks.
func TestReadForks(t *testing.T) {
	blocks := ""
	for _, name := range strings.Fields("homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul berlin") {
		blocks += fmt.Sprintf(`, "%sBlock": 0`, name)
	}
	london := blocks + `, "londonBlock": 0`
	shanghai := london + `, "terminalTotalDifficulty": 0, "shanghaiTime": 0`
	blobs := `, "blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
		"prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
		"osaka": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}}`
	cancun := shanghai + `, "cancunTime": 0` + blobs
	prague := cancun + `, "pragueTime": 0`
	queues := `}, "00000961ef480eb55e80d19ad83579a64c007002": {"balance": "0", "code": "0x00"},
		"0000bbddc7ce488642fb579f8b00f3a590007251": {"balance": "0", "code": "0x00"`
	for _, test := range []struct {
		name, config                                string
		baseFee, withdrawals, blobs, root, requests bool
	}{
		{"berlin", blocks, false, false, false, false, false},
		{"london", london, true, false, false, false, false},
		{"shanghai", shanghai, true, true, false, false, false},
		{"cancun", cancun, true, true, true, true, false},
		{"prague", prague, true, true, true, true, true},
		{"amsterdam later", prague + `, "amsterdamTime": 99`, true, true, true, true, true},
	} {
		spec, err := read(test.config, queues, "")
		require.NoError(t, err, test.name)
		h := spec.Genesis.Header
		require.Equal(t, test.baseFee, h.BaseFee != nil, test.name)
		require.Equal(t, test.withdrawals, h.WithdrawalsRoot != nil, test.name)
		require.Equal(t, test.blobs, h.BlobGasUsed != nil && h.ExcessBlobGas != nil, test.name)
		require.Equal(t, test.root, h.ParentBeaconBlockRoot != nil, test.name)
		require.Equal(t, test.requests, h.RequestsHash != nil, test.name)
	}
	spec, err := read(cancun, "", `, "excessBlobGas": "0x20000", "blobGasUsed": "0x40000", "baseFeePerGas": "0x7"`)
	require.NoError(t, err)
	require.Equal(t, uint64(0x20000), *spec.Genesis.Header.ExcessBlobGas)
	require.Equal(t, uint64(0x40000), *spec.Genesis.Header.BlobGasUsed)
	require.Equal(t, uint256.NewInt(7), spec.Genesis.Header.BaseFee)
	// What go-ethereum once wrote and now ignores.
	_, err = read(cancun+`, "terminalTotalDifficultyPassed": true, "eip150Hash": "0x0000000000000000000000000000000000000000000000000000000000000000"`, "", "")
	require.NoError(t, err)
}

func TestReadRefuses(t *testing.T) {
	long := `, "extraData": "0x` + strings.Repeat("00", 33) + `"`
	for _, test := range []struct {
		name, config, account, rest string
		want                        error
		text                        string
	}{
		{"unknown member", "", "", `, "gaslimit": "0x1"`, chain.ErrCorrupt, `"gaslimit": unknown member`},
		{"unknown fork", `, "shangaiTime": 0`, "", "", chain.ErrCorrupt, `unknown field "shangaiTime"`},
		{"unknown in account", "", `, "balances": "0x1"`, "", chain.ErrCorrupt, `"balances": unknown member`},
		{"member twice", "", "", `, "gasLimit": "0x1"`, chain.ErrCorrupt, `"gasLimit": there twice`},
		{"rule twice", `, "chainId": 8`, "", "", chain.ErrCorrupt, `"chainId": there twice`},
		{"account twice", "", `}, "00000000000000000000000000000000000000AA": {"balance": "1"`, "", chain.ErrCorrupt, "same account twice"},
		{"slot twice", "", `, "storage": {"0x01": "0x01", "0001": "0x02"}`, "", chain.ErrCorrupt, "same slot twice"},
		{"slot too long", "", `, "storage": {"0x` + strings.Repeat("00", 33) + `": "0x01"}`, "", chain.ErrCorrupt, "32-byte word"},
		{"odd digits", "", `, "storage": {"0x1": "0x01"}`, "", chain.ErrCorrupt, "32-byte word"},
		{"no balance", "", `}, "00000000000000000000000000000000000000ab": {"nonce": "1"`, "", chain.ErrCorrupt, "balance is required"},
		{"negative balance", "", `}, "00000000000000000000000000000000000000ab": {"balance": "-1"`, "", chain.ErrCorrupt, "256 bits"},
		{"not block 0", "", "", `, "number": "0x1"`, chain.ErrCorrupt, "begins with block 0"},
		{"slot number", "", "", `, "slotNumber": "0x1"`, chain.ErrCorrupt, "after Osaka"},
		{"trailing", "", "", `} {`, chain.ErrCorrupt, "follows"},
		{"long extra data", "", "", long, chain.ErrTooLarge, "33 bytes, limit 32"},
		{"fork order", `, "shanghaiTime": 0`, "", "", chain.ErrInvalidBlock, "unsupported fork ordering"},
		{"amsterdam", `, "amsterdamTime": 99`, "", `, "timestamp": "99"`, chain.ErrInvalidBlock, "after Osaka"},
		{"clique", `, "clique": {"period": 1, "epoch": 1}`, "", "", chain.ErrInvalidBlock, "clique"},
		{"early blob gas", "", "", `, "blobGasUsed": "0x1"`, chain.ErrInvalidBlock, "before Cancun"},
		{"osaka blobs", `, "blobSchedule": {"osaka": {"target": 1, "max": 1, "baseFeeUpdateFraction": 1}}`, "", "", chain.ErrCorrupt, "osaka differs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec, err := read(test.config, test.account, test.rest)
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.text)
			require.Nil(t, spec)
		})
	}
	for _, text := range []string{"", "null", "[]", "{}", `{"config"`, `{"config": {}}`,
		`{"config": null, "alloc": {}, "gasLimit": 1, "difficulty": 1}`} {
		_, err := Read(strings.NewReader(text))
		require.ErrorIs(t, err, chain.ErrCorrupt, text)
	}
	_, err := Read(iotest.ErrReader(errors.New("disk on fire")))
	require.ErrorContains(t, err, "disk on fire")
}

// A chain that begins with Prague begins with the contracts without which no block is
// valid; one that comes to Prague later may still deploy them.
func TestMissingSystemContracts(t *testing.T) {
	src, err := os.ReadFile("testdata/prague.json")
	require.NoError(t, err)
	for _, test := range []struct {
		eip     int
		address string
	}{
		{7002, "0x00000961ef480eb55e80d19ad83579a64c007002"},
		{7251, "0x0000bbddc7ce488642fb579f8b00f3a590007251"},
	} {
		for name, text := range map[string]string{
			"no account": strings.Replace(string(src), test.address, "0x00000000000000000000000000000000000000aa", 1),
			"no code":    strings.Replace(string(src), test.address+`": {"balance": "0", "nonce": "1", "code": "0x00"`, test.address+`": {"balance": "0"`, 1),
		} {
			require.NotEqual(t, string(src), text)
			_, err := Read(strings.NewReader(text))
			var missing *MissingContractError
			require.ErrorAs(t, err, &missing, name)
			require.ErrorIs(t, err, chain.ErrInvalidBlock)
			require.Equal(t, test.eip, missing.EIP)
			require.Equal(t, common.HexToAddress(test.address), missing.Address)
			require.ErrorContains(t, err, missing.Address.String())

			later := strings.Replace(text, `"pragueTime": 0`, `"pragueTime": 1700000001`, 1)
			_, err = Read(strings.NewReader(later))
			require.NoError(t, err)
		}
	}
	// The calls of the two others are skipped without code.
	without := strings.Replace(string(src), "0x0000f90827f1c53a10cb7a02335b175320002935", "0x00000000000000000000000000000000000000aa", 1)
	_, err = Read(strings.NewReader(without))
	require.NoError(t, err)
}

func TestDev(t *testing.T) {
	faucet := chain.AccountChange{
		Address: common.HexToAddress("0xfa"), Exists: true,
		After: chain.Account{Balance: *uint256.NewInt(5), CodeHash: chain.EmptyCodeHash},
	}
	spec, err := Dev(DevOptions{State: &chain.Changes{Accounts: []chain.AccountChange{faucet}}})
	require.NoError(t, err)
	require.Equal(t, uint64(DevChainID), spec.Genesis.ChainID)
	h, state := spec.Genesis.Header, spec.Genesis.State
	require.Equal(t, uint64(DevGasLimit), h.GasLimit)
	require.Equal(t, uint256.NewInt(DevBaseFee), h.BaseFee)
	require.True(t, spec.Config.IsOsaka(common.Big0, 0))
	require.NoError(t, state.Validate())
	require.Equal(t, faucet, *state.Account(faucet.Address))
	require.Equal(t, chain.HistoryStorageCodeHash, state.Account(chain.HistoryStorageAddress).After.CodeHash)
	for _, addr := range []common.Address{params.BeaconRootsAddress, params.WithdrawalQueueAddress, params.ConsolidationQueueAddress} {
		require.Equal(t, uint64(1), state.Account(addr).After.Nonce)
	}

	var again chain.Header
	raw, err := h.AppendBinary(nil)
	require.NoError(t, err)
	require.NoError(t, again.UnmarshalBinary(raw))
	require.Equal(t, h.Hash(), again.Hash())

	faucet.Address = params.BeaconRootsAddress
	_, err = Dev(DevOptions{State: &chain.Changes{Accounts: []chain.AccountChange{faucet}}})
	require.ErrorIs(t, err, chain.ErrCorrupt)
}

func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, src []byte) {
		spec, err := Read(strings.NewReader(string(src)))
		if err != nil {
			require.True(t, errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrTooLarge) || errors.Is(err, chain.ErrInvalidBlock), err)
			return
		}
		require.NoError(t, spec.Genesis.State.Validate())
		raw, _ := spec.Genesis.Header.AppendBinary(nil)
		require.NoError(t, new(chain.Header).UnmarshalBinary(raw))
		requireWritten(t, spec)
	})
}

// requireWritten checks that what is written of a Spec is read as the same.
func requireWritten(t *testing.T, spec *Spec) {
	t.Helper()
	var first, second bytes.Buffer
	require.NoError(t, spec.Write(&first))
	again, err := Read(bytes.NewReader(first.Bytes()))
	require.NoError(t, err, first.String())
	require.Equal(t, spec.Genesis.Header.Hash(), again.Genesis.Header.Hash())
	require.Equal(t, spec.Genesis.State, again.Genesis.State)
	require.NoError(t, again.Write(&second))
	require.Equal(t, first.String(), second.String())
}

// A writer that fails fails Write.
func TestWriteFails(t *testing.T) {
	spec, err := Dev(DevOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, spec.Write(failing{}), os.ErrClosed)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

// The seeds of FuzzRead that are meant to be good must stay so.
func TestSeeds(t *testing.T) {
	for _, name := range []string{"frontier", "prague"} {
		src, err := os.ReadFile("testdata/" + name + ".json")
		require.NoError(t, err)
		spec, err := Read(strings.NewReader(string(src)))
		require.NoError(t, err, name)
		requireWritten(t, spec)
	}
}
