package genesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// MaxSize is the length in bytes of the longest genesis.json that Read takes.
const MaxSize = 1 << 28

// Read reads go-ethereum's genesis.json to its end and computes the state root.
//
// What is not such a file matches chain.ErrCorrupt: not JSON, members that are
// unknown, missing or there twice, values out of range. A file longer than
// MaxSize matches chain.ErrTooLarge. Rules that contradict themselves or that
// Vivace does not have match chain.ErrInvalidBlock; so does a chain that cannot go on
// from block 0, see MissingContractError.
func Read(r io.Reader) (*Spec, error) {
	src, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read genesis: %w", err)
	}
	if len(src) > MaxSize {
		return nil, fmt.Errorf("%w: genesis: more than %d bytes", chain.ErrTooLarge, MaxSize)
	}
	config, f, state, err := parse(src)
	if err != nil {
		return nil, &chain.CorruptError{What: "genesis", Offset: -1, Err: err}
	}
	return build(config, f, state)
}

// parse is the syntax of genesis.json; build is what it must mean.
func parse(src []byte) (*params.ChainConfig, *fields, *chain.Changes, error) {
	var (
		f                       fields
		config, alloc           json.RawMessage
		difficulty, baseFee     *math.HexOrDecimal256
		nonce, timestamp        math.HexOrDecimal64
		gasLimit                *math.HexOrDecimal64
		number, gasUsed         math.HexOrDecimal64
		excess, used, slotIndex *math.HexOrDecimal64
		extra                   hexutil.Bytes
	)
	err := members(src, map[string]any{
		"config": &config, "alloc": &alloc, "nonce": &nonce, "timestamp": &timestamp,
		"extraData": &extra, "gasLimit": &gasLimit, "difficulty": &difficulty,
		"mixHash": &f.Mixhash, "coinbase": &f.Coinbase,
		"number": &number, "gasUsed": &gasUsed, "parentHash": &f.ParentHash,
		"baseFeePerGas": &baseFee, "excessBlobGas": &excess, "blobGasUsed": &used,
		"slotNumber": &slotIndex,
	})
	switch {
	case err != nil:
		return nil, nil, nil, err
	case config == nil || alloc == nil || gasLimit == nil || difficulty == nil:
		return nil, nil, nil, errors.New("config, alloc, gasLimit and difficulty are required")
	case number != 0:
		return nil, nil, nil, fmt.Errorf("number is %d; a chain begins with block 0", number)
	case slotIndex != nil:
		return nil, nil, nil, errors.New("slotNumber belongs to a fork after Osaka")
	}
	f.Nonce, f.Timestamp, f.ExtraData = uint64(nonce), uint64(timestamp), extra
	f.GasLimit, f.GasUsed = uint64(*gasLimit), uint64(gasUsed)
	f.ExcessBlobGas, f.BlobGasUsed = (*uint64)(excess), (*uint64)(used)
	if f.Difficulty, err = wei(difficulty); err != nil {
		return nil, nil, nil, fmt.Errorf("difficulty: %w", err)
	}
	if baseFee != nil {
		v, err := wei(baseFee)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("baseFeePerGas: %w", err)
		}
		f.BaseFee = &v
	}
	rules, err := parseConfig(config)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("config: %w", err)
	}
	state, err := parseAlloc(alloc)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("alloc: %w", err)
	}
	return rules, &f, state, nil
}

// parseConfig reads go-ethereum's chain configuration, and knows the members
// that go-ethereum once wrote and now ignores.
func parseConfig(src []byte) (*params.ChainConfig, error) {
	var c struct {
		params.ChainConfig
		BlobSchedule *struct {
			params.BlobScheduleConfig
			Osaka *params.BlobConfig `json:"osaka"` // go-ethereum: the same as prague
		} `json:"blobSchedule"`
		EIP150Hash common.Hash `json:"eip150Hash"`
		Passed     bool        `json:"terminalTotalDifficultyPassed"`
	}
	if err := object(src, func(string, json.RawMessage) error { return nil }); err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(src))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return nil, err
	}
	if s := c.BlobSchedule; s != nil {
		if s.Osaka != nil && (s.Prague == nil || *s.Osaka != *s.Prague) {
			return nil, errors.New("blobSchedule: osaka differs from prague")
		}
		c.BlobScheduleConfig = &s.BlobScheduleConfig
	}
	return &c.ChainConfig, nil
}

func parseAlloc(src []byte) (*chain.Changes, error) {
	var (
		state chain.Changes
		seen  = make(map[common.Address]bool)
	)
	err := object(src, func(key string, value json.RawMessage) error {
		var addr common.UnprefixedAddress
		if err := addr.UnmarshalText([]byte(key)); err != nil {
			return err
		}
		if seen[common.Address(addr)] {
			return errors.New("the same account twice")
		}
		seen[common.Address(addr)] = true
		return appendAccount(&state, common.Address(addr), value)
	})
	return &state, err
}

func appendAccount(state *chain.Changes, addr common.Address, src []byte) error {
	var (
		code    hexutil.Bytes
		nonce   math.HexOrDecimal64
		balance *math.HexOrDecimal256
		storage json.RawMessage
		a       = chain.AccountChange{Address: addr, Exists: true}
	)
	err := members(src, map[string]any{"code": &code, "nonce": &nonce, "balance": &balance, "storage": &storage})
	if err != nil {
		return err
	}
	if balance == nil {
		return errors.New("balance is required")
	}
	if a.After.Balance, err = wei(balance); err != nil {
		return fmt.Errorf("balance: %w", err)
	}
	a.After.Nonce = uint64(nonce)
	a.After.CodeHash = chain.Keccak256(code)
	if len(code) > 0 {
		state.Codes = append(state.Codes, chain.Code{Hash: a.After.CodeHash, Bytes: code})
	}
	if storage != nil {
		if a.Slots, err = parseStorage(storage); err != nil {
			return fmt.Errorf("storage: %w", err)
		}
	}
	state.Accounts = append(state.Accounts, a)
	return nil
}

func parseStorage(src []byte) ([]chain.SlotChange, error) {
	var (
		slots []chain.SlotChange
		seen  = make(map[common.Hash]bool)
	)
	err := object(src, func(text string, raw json.RawMessage) error {
		key, err := word(text)
		if err != nil {
			return err
		}
		if seen[key] {
			return errors.New("the same slot twice")
		}
		seen[key] = true
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
		v, err := word(value)
		if err != nil {
			return err
		}
		slot := chain.SlotChange{Key: key}
		slot.After.SetBytes32(v[:])
		slots = append(slots, slot)
		return nil
	})
	return slots, err
}

// word reads up to 32 bytes of hexadecimal, with 0x or without, as go-ethereum
// does for storage: short ones are padded on the left.
func word(text string) (h common.Hash, err error) {
	b, err := hexutil.Decode("0x" + string(bytes.TrimPrefix([]byte(text), []byte("0x"))))
	if err != nil || len(b) > len(h) {
		return h, fmt.Errorf("%q is not a 32-byte word", text)
	}
	return common.BytesToHash(b), nil
}

func wei(v *math.HexOrDecimal256) (out uint256.Int, err error) {
	if (*big.Int)(v).Sign() < 0 || out.SetFromBig((*big.Int)(v)) {
		return out, errors.New("not a number of 256 bits")
	}
	return out, nil
}

// members reads the object in src into the variables that dst names. Names match
// by letter, null leaves a variable as it is.
func members(src []byte, dst map[string]any) error {
	return object(src, func(key string, value json.RawMessage) error {
		v, ok := dst[key]
		if !ok {
			return errors.New("unknown member")
		}
		if string(value) == "null" {
			return nil
		}
		return json.Unmarshal(value, v)
	})
}

// object calls member for each member of the JSON object that src is, and refuses
// the same key twice, which encoding/json would not notice. Errors name the key.
func object(src []byte, member func(key string, value json.RawMessage) error) error {
	in := json.NewDecoder(bytes.NewReader(src))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]bool)
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return err
		}
		key := token.(string) // the Decoder takes nothing else for a key
		if seen[key] {
			return fmt.Errorf("%q: there twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		if err := member(key, value); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	if _, err := in.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := in.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}
