package call

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// The members of overrides.
var (
	accountKeys = []string{"nonce", "code", "balance", "state", "stateDiff", "movePrecompileToAddress"}
	blockKeys   = []string{
		"number", "difficulty", "time", "gasLimit", "feeRecipient", "prevRandao",
		"baseFeePerGas", "blobBaseFee", "beaconRoot", "withdrawals",
	}
)

// StrictStateOverride reads state overrides and refuses members that they do not
// have, as eth_simulateV1 does. Null is nil.
func StrictStateOverride(src []byte) (*StateOverride, error) {
	var raw map[common.Address]json.RawMessage
	if err := json.Unmarshal(src, &raw); err != nil || raw == nil {
		return nil, err
	}
	out := make(StateOverride, len(raw))
	for addr, src := range raw {
		if err := checkKeys(src, accountKeys, "state override for "+addr.Hex()); err != nil {
			return nil, err
		}
		var account AccountOverride
		if err := json.Unmarshal(src, &account); err != nil {
			return nil, err
		}
		out[addr] = account
	}
	return &out, nil
}

// StrictBlockOverrides reads block overrides and refuses members that they do not
// have, as eth_simulateV1 does. Null is nil.
func StrictBlockOverrides(src []byte) (*BlockOverrides, error) {
	if err := checkKeys(src, blockKeys, "block override"); err != nil {
		return nil, err
	}
	var out *BlockOverrides
	err := json.Unmarshal(src, &out)
	return out, err
}

// checkKeys refuses members of the object src that known does not have, and two
// that name the same thing. Case does not matter, as it does not to encoding/json.
// Of what is no object nothing is said: that is for the decoder.
func checkKeys(src []byte, known []string, what string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(src, &members) != nil {
		return nil
	}
	seen := make(map[int]string)
	for _, key := range slices.Sorted(maps.Keys(members)) {
		i := slices.IndexFunc(known, func(name string) bool { return strings.EqualFold(name, key) })
		if i < 0 {
			return fmt.Errorf("unknown field %q in %s", key, what)
		}
		if earlier, twice := seen[i]; twice {
			return fmt.Errorf("keys %q and %q in %s name the same field", earlier, key, what)
		}
		seen[i] = key
	}
	return nil
}
