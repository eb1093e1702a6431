package calls_test

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

type object = map[string]any

// params are those of a random request.
func (p *pair) params(method string) []any {
	switch method {
	case "eth_call":
		return []any{p.args(), p.block(), p.stateOverride(true), p.blockOverrides(true)}
	case "eth_estimateGas":
		// Estimating, go-ethereum ignores what becomes of precompiles, and gives a block
		// with another number its real parent's hash. eth_call does not; we never do.
		return []any{p.args(), p.block(), p.stateOverride(false), p.blockOverrides(false)}
	case "eth_createAccessList": // the same
		return []any{p.argsForList(), p.block(), p.stateOverride(false)}
	case "eth_simulateV1":
		return []any{p.simulation(), p.block()}
	}
	return []any{p.argsToFill()}
}

func (p *pair) block() any {
	switch p.IntN(4) {
	case 0:
		return hexutil.Uint64(p.IntN(len(p.hashes) + 1)) // the last is not there
	case 1:
		return object{"blockHash": p.hashes[p.IntN(len(p.hashes))]}
	}
	return "latest"
}

func (p *pair) address() common.Address {
	switch p.IntN(8) {
	case 0:
		return rpctest.AccountAt(p.IntN(3)).Address
	case 1:
		return common.Address{19: byte(1 + p.IntN(10))}
	case 2:
		return common.Address{0xee, 19: byte(p.IntN(3))}
	}
	return p.contracts[p.IntN(len(p.contracts))]
}

// args are those of a call; most can be executed.
func (p *pair) args() object {
	a := object{"from": rpctest.AccountAt(p.IntN(3)).Address, "input": hexutil.Bytes(p.bytes(70))}
	if p.odds(8) {
		a["from"] = p.address()
	}
	switch p.IntN(10) {
	case 0:
		a["input"] = hexutil.Bytes(p.creation())
	case 1:
		delete(a, "input")
		a["to"] = p.address()
	default:
		a["to"] = p.address()
	}
	if p.odds(3) {
		a["value"] = hexutil.Uint64(p.IntN(3))
	}
	if p.odds(3) {
		a["gas"] = hexutil.Uint64(p.IntN(1 << (10 + p.IntN(17))))
	}
	if p.odds(6) {
		a["nonce"] = hexutil.Uint64(p.IntN(4))
	}
	if p.odds(6) {
		a["accessList"] = []object{{"address": p.address(), "storageKeys": []common.Hash{{31: 1}}}, {"address": p.address(), "storageKeys": []common.Hash{}}}
	}
	if p.odds(15) {
		a["chainId"] = (*hexutil.Big)(big.NewInt(int64(p.IntN(2)) + params.MergedTestChainConfig.ChainID.Int64()))
	}
	p.fees(a)
	if p.odds(8) {
		a["blobVersionedHashes"] = []common.Hash{{1, 2}, {1, byte(p.IntN(3))}, {byte(1 - p.IntN(16)/15)}}[:p.IntN(4)]
		if p.odds(2) {
			a["maxFeePerBlobGas"] = hexutil.Uint64(p.IntN(1000))
		}
	}
	if p.odds(8) && a["blobVersionedHashes"] == nil {
		a["authorizationList"] = p.authorizations()
	}
	return a
}

func (p *pair) fees(a object) {
	price := func() hexutil.Uint64 { return hexutil.Uint64(p.IntN(3 * params.GWei)) }
	switch p.IntN(9) {
	case 0:
		a["gasPrice"] = price()
	case 1:
		a["maxFeePerGas"], a["maxPriorityFeePerGas"] = price(), price()/8
	case 2:
		a["maxFeePerGas"] = price()
	case 3:
		a["maxPriorityFeePerGas"] = price()
	case 4:
		if p.odds(4) {
			a["gasPrice"], a["maxFeePerGas"] = price(), price()
		}
	}
}

func (p *pair) authorizations() []any {
	list := []any{}
	for range p.IntN(3) {
		i := p.IntN(rpctest.Accounts)
		auth := types.SetCodeAuthorization{Address: p.address(), Nonce: uint64(p.IntN(8))}
		if p.odds(2) {
			auth.ChainID.SetUint64(params.MergedTestChainConfig.ChainID.Uint64())
		}
		signed, err := types.SignSetCode(rpctest.AccountAt(i).Key, auth)
		if err != nil {
			panic(err)
		}
		if p.odds(4) {
			signed.R.AddUint64(&signed.R, 1)
		}
		list = append(list, signed)
	}
	return list
}

// argsForList are args that name all fees or none: what is suggested depends on what
// the node saw.
func (p *pair) argsForList() object {
	a := p.args()
	if a["maxFeePerBlobGas"] != nil {
		a["gasPrice"] = hexutil.Uint64(2 * params.GWei)
	}
	if gas, ok := a["gas"].(hexutil.Uint64); ok { // with little go-ethereum may look for a list for ever: see TestUnsettledList
		a["gas"] = gas + 1_000_000
	}
	p.completeFees(a)
	return a
}

func (p *pair) completeFees(a object) {
	if a["gasPrice"] != nil {
		return
	}
	if (a["maxFeePerGas"] == nil) != (a["maxPriorityFeePerGas"] == nil) {
		a["maxFeePerGas"], a["maxPriorityFeePerGas"] = hexutil.Uint64(2*params.GWei), hexutil.Uint64(p.IntN(3*params.GWei))
	}
}

func (p *pair) argsToFill() object {
	a := p.args()
	if a["gasPrice"] == nil && a["maxPriorityFeePerGas"] == nil { // the suggestion depends on what the node saw
		a["maxPriorityFeePerGas"] = hexutil.Uint64(p.IntN(params.GWei))
	}
	if p.odds(2) {
		delete(a, "from")
		a["from"] = rpctest.AccountAt(p.IntN(3)).Address
	}
	if p.odds(8) {
		a["data"] = hexutil.Bytes(p.bytes(4))
	}
	return a
}

func (p *pair) stateOverride(precompiles bool) any {
	if p.odds(2) {
		return nil
	}
	out := make(object)
	for range 1 + p.IntN(3) {
		addr := p.address()
		precompile := addr[0] == 0 && addr[16] == 0
		if precompile && !precompiles {
			continue
		}
		account := make(object)
		if precompile && p.odds(2) || p.odds(30) && precompiles {
			account["movePrecompileToAddress"] = common.Address{0xee, 19: byte(p.IntN(3))}
		}
		if p.odds(3) {
			account["balance"] = hexutil.Uint64(p.IntN(1 << 40))
		}
		if p.odds(3) {
			account["nonce"] = hexutil.Uint64(p.IntN(20))
		}
		if p.odds(3) {
			account["code"] = hexutil.Bytes(p.program(p.IntN(contractCount)))
		}
		storage := map[common.Hash]common.Hash{{31: byte(p.IntN(4))}: {31: byte(p.IntN(2))}, {31: 1}: {31: 9}}
		switch p.IntN(12) {
		case 0, 1, 2:
			account["state"] = storage
		case 3, 4, 5:
			account["stateDiff"] = storage
		case 6:
			account["state"], account["stateDiff"] = storage, storage
			if !p.odds(3) {
				delete(account, "state")
			}
		}
		out[addr.Hex()] = account
	}
	return out
}

func (p *pair) blockOverrides(number bool) any {
	if p.odds(2) {
		return nil
	}
	out := p.headerOverrides()
	if number && p.odds(2) {
		out["number"] = hexutil.Uint64(1 + p.IntN(300))
	}
	if p.odds(2) {
		out["time"] = hexutil.Uint64(1_700_000_000 + p.IntN(1000))
	}
	if p.odds(20) {
		out["beaconRoot"] = common.Hash{1}
	}
	if p.odds(20) {
		out["withdrawals"] = []any{}
	}
	return out
}

// headerOverrides leave number and time.
func (p *pair) headerOverrides() object {
	out := make(object)
	for name, value := range map[string]any{
		"gasLimit":      hexutil.Uint64(30_000_000 + p.IntN(30_000_000)),
		"feeRecipient":  p.address(),
		"prevRandao":    common.Hash{1, 2},
		"baseFeePerGas": hexutil.Uint64(p.IntN(2 * params.GWei)),
		"blobBaseFee":   hexutil.Uint64(p.IntN(1000)),
	} {
		if p.odds(4) {
			out[name] = value
		}
	}
	if p.odds(30) {
		out["difficulty"] = hexutil.Uint64(p.IntN(5))
	}
	return out
}

func (p *pair) simulation() object {
	var (
		blocks     []object
		validation = p.odds(3)
		number     = len(p.hashes) - 1
		time       = 1_700_000_000 + number
	)
	for range 1 + p.IntN(3) {
		b, over := make(object), p.headerOverrides()
		number, time = number+1+p.IntN(8)/7*2, time+40
		if p.odds(3) {
			over["number"] = hexutil.Uint64(number)
		}
		if p.odds(3) {
			over["time"] = hexutil.Uint64(time)
		}
		if p.odds(6) {
			over["beaconRoot"] = common.Hash{7}
		}
		if p.odds(6) {
			over["withdrawals"] = []object{{"index": "0x1", "validatorIndex": "0x2", "address": p.address(), "amount": "0x3"}}
		}
		b["blockOverrides"] = over
		if overrides := p.stateOverride(true); overrides != nil {
			b["stateOverrides"] = overrides
		}
		var list []object
		for range p.IntN(4) {
			list = append(list, p.simulatedCall(validation))
		}
		b["calls"] = list
		blocks = append(blocks, b)
	}
	return object{
		"blockStateCalls": blocks, "traceTransfers": p.odds(2), "validation": validation, "returnFullTransactions": p.odds(2),
	}
}

// simulatedCall is a call that mostly does not end the whole simulation.
func (p *pair) simulatedCall(validation bool) object {
	a := p.args()
	if a["blobVersionedHashes"] != nil { // to one who offers nothing, go-ethereum charges the blobs; we do not
		a["maxFeePerBlobGas"] = hexutil.Uint64(1 + p.IntN(1000))
	}
	if p.odds(10) {
		return a
	}
	a["from"] = rpctest.AccountAt(p.IntN(3)).Address
	for _, name := range []string{"chainId", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "authorizationList", "blobVersionedHashes", "maxFeePerBlobGas"} {
		delete(a, name)
	}
	if gas, ok := a["gas"].(hexutil.Uint64); ok && gas < 200_000 {
		a["gas"] = gas + 200_000
	}
	if validation {
		delete(a, "nonce")
		a["maxFeePerGas"] = hexutil.Uint64(3 * params.GWei)
		a["gas"] = hexutil.Uint64(400_000)
	}
	return a
}
