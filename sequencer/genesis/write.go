package genesis

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// written are the members of genesis.json before alloc.
type written struct {
	Config        *params.ChainConfig `json:"config"`
	Nonce         hexutil.Uint64      `json:"nonce"`
	Timestamp     hexutil.Uint64      `json:"timestamp"`
	ExtraData     hexutil.Bytes       `json:"extraData"`
	GasLimit      hexutil.Uint64      `json:"gasLimit"`
	Difficulty    *hexutil.Big        `json:"difficulty"`
	MixHash       common.Hash         `json:"mixHash"`
	Coinbase      common.Address      `json:"coinbase"`
	GasUsed       hexutil.Uint64      `json:"gasUsed"`
	ParentHash    common.Hash         `json:"parentHash"`
	BaseFee       *hexutil.Big        `json:"baseFeePerGas,omitempty"`
	ExcessBlobGas *hexutil.Uint64     `json:"excessBlobGas,omitempty"`
	BlobGasUsed   *hexutil.Uint64     `json:"blobGasUsed,omitempty"`
}

// writtenAccount is an account in alloc.
type writtenAccount struct {
	Balance *hexutil.Big                `json:"balance"`
	Nonce   hexutil.Uint64              `json:"nonce,omitempty"`
	Code    hexutil.Bytes               `json:"code,omitempty"`
	Storage map[common.Hash]common.Hash `json:"storage,omitempty"`
}

// Write writes the Spec as go-ethereum's genesis.json, from which Read, and go-ethereum,
// make the same block 0. Same Spec, same bytes. It takes memory for one account at a time,
// and does not alter the Spec: it may be called concurrently.
func (s *Spec) Write(w io.Writer) error {
	h := s.Genesis.Header
	members := written{
		Config: s.Config, Nonce: hexutil.Uint64(binary.BigEndian.Uint64(h.Nonce[:])), Timestamp: hexutil.Uint64(h.Timestamp),
		ExtraData: h.ExtraData, GasLimit: hexutil.Uint64(h.GasLimit), Difficulty: (*hexutil.Big)(h.Difficulty.ToBig()),
		MixHash: h.PrevRandao, Coinbase: h.Coinbase, GasUsed: hexutil.Uint64(h.GasUsed), ParentHash: h.ParentHash,
		ExcessBlobGas: (*hexutil.Uint64)(h.ExcessBlobGas), BlobGasUsed: (*hexutil.Uint64)(h.BlobGasUsed),
	}
	if h.BaseFee != nil {
		members.BaseFee = (*hexutil.Big)(h.BaseFee.ToBig())
	}
	head, err := json.Marshal(&members)
	if err != nil {
		return fmt.Errorf("write genesis: %w", err)
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s,\"alloc\":{", head[:len(head)-1]) // its brace is closed behind alloc
	separator := "\n"
	for i := range s.Genesis.State.Accounts {
		a := &s.Genesis.State.Accounts[i]
		account, err := json.Marshal(accountOf(s.Genesis.State, a))
		if err != nil {
			return fmt.Errorf("write genesis: %w", err)
		}
		if _, err := fmt.Fprintf(out, "%s%q:%s", separator, a.Address.Hex(), account); err != nil {
			return fmt.Errorf("write genesis: %w", err)
		}
		separator = ",\n"
	}
	fmt.Fprint(out, "\n}}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write genesis: %w", err)
	}
	return nil
}

func accountOf(state *chain.Changes, a *chain.AccountChange) *writtenAccount {
	out := &writtenAccount{Balance: (*hexutil.Big)(a.After.Balance.ToBig()), Nonce: hexutil.Uint64(a.After.Nonce)}
	if a.After.CodeHash != chain.EmptyCodeHash {
		out.Code = state.Code(a.After.CodeHash)
	}
	if len(a.Slots) > 0 {
		out.Storage = make(map[common.Hash]common.Hash, len(a.Slots))
	}
	for _, slot := range a.Slots {
		out.Storage[slot.Key] = slot.After.Bytes32()
	}
	return out
}
