package execution

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// systemGas is the gas of a system call; nobody pays for it.
const systemGas = 30_000_000

// runOpening runs what opens a block: the DAO fork, and the system calls of
// EIP-4788 and EIP-2935.
func (b *openBlock) runOpening() error {
	if b.chain.DAOForkSupport && b.chain.DAOForkBlock != nil && b.chain.DAOForkBlock.Cmp(b.number) == 0 {
		b.drainDAO()
		b.opening = b.db.finalise(true)
	}
	if b.rules.IsCancun {
		// The call may fail, and then has no effect.
		b.systemCall(params.BeaconRootsAddress, b.env.ParentBeaconBlockRoot[:])
	}
	if b.rules.IsPrague {
		if err := b.recordParentHash(); err != nil {
			return err
		}
	}
	return b.stopped()
}

// drainDAO moves the funds of the DAO and its children to the refund contract.
func (b *openBlock) drainDAO() {
	s := &b.db
	s.write(params.DAORefundContract)
	for _, addr := range params.DAODrainList() {
		balance := s.GetBalance(addr)
		s.AddBalance(params.DAORefundContract, balance, tracing.BalanceIncreaseDaoContract)
		s.SubBalance(addr, balance, tracing.BalanceDecreaseDaoAccount)
	}
}

// recordParentHash is EIP-2935. The contract of the EIP only stores its input, so
// its effect and its accesses are known without the hash: the slot is made pending
// in place of the call. Other code gets the call at once, and so does who watches;
// no code gets none.
func (b *openBlock) recordParentHash() error {
	var (
		s      = b.state
		parent = b.env.Number - 1
		size   = s.GetCodeSize(chain.HistoryStorageAddress)
	)
	switch {
	case b.db.hooks != nil:
	case size == 0:
		s.finalise(false)
		return nil
	case s.GetCodeHash(chain.HistoryStorageAddress) == chain.HistoryStorageCodeHash:
		b.mini.pending = true
		s.deferSlot(s.read(chain.HistoryStorageAddress), chain.HistorySlot(parent), func() (common.Hash, error) {
			return b.ancestor(parent)
		})
		s.finalise(false)
		return nil
	}
	hash, err := b.ancestor(parent)
	if err != nil {
		return err
	}
	b.systemCall(chain.HistoryStorageAddress, hash[:])
	return nil
}

// systemCall calls a system contract as the protocol itself.
func (b *openBlock) systemCall(to common.Address, input []byte) ([]byte, error) {
	b.startSystemCall()
	defer b.endSystemCall()
	b.evm.SetTxContext(vm.TxContext{Origin: params.SystemAddress, GasPrice: new(uint256.Int)})
	b.state.Prepare(b.rules, common.Address{}, common.Address{}, nil, nil, nil)
	b.state.AddAddressToAccessList(to)
	output, _, err := b.evm.Call(params.SystemAddress, to, input, vm.NewGasBudget(systemGas, 0), new(uint256.Int))
	if stopped := b.stopped(); stopped != nil {
		return nil, stopped
	}
	b.db.finalise(false)
	return output, err
}

// runClosing runs what closes a block: withdrawals, requests, rewards. It returns
// the requests of EIP-7685, nil before Prague.
func (b *openBlock) runClosing() (requests [][]byte, err error) {
	b.withdraw()
	if b.rules.IsPrague {
		if requests, err = b.requests(); err != nil {
			return nil, err
		}
	}
	if !b.rules.IsMerge {
		b.reward()
	}
	return requests, b.stopped()
}

// withdraw pays out EIP-4895.
func (b *openBlock) withdraw() {
	gwei := uint256.NewInt(params.GWei)
	for i := range b.env.Withdrawals {
		w := &b.env.Withdrawals[i]
		var amount uint256.Int
		amount.Mul(amount.SetUint64(w.Amount), gwei)
		b.db.AddBalance(w.Address, &amount, tracing.BalanceIncreaseWithdrawal)
	}
	b.db.finalise(false)
}

// Types of requests (EIP-7685).
const (
	depositRequest       = 0 // EIP-6110
	withdrawalRequest    = 1 // EIP-7002
	consolidationRequest = 2 // EIP-7251
)

// requests gathers what the block asks of the consensus layer, ascending by type.
// Each is its type and its data; those without data are left out.
func (b *openBlock) requests() ([][]byte, error) {
	all := [][]byte{}
	deposits, err := b.deposits()
	if err != nil {
		return nil, err
	}
	if len(deposits) > 1 {
		all = append(all, deposits)
	}
	for _, queue := range []struct {
		kind byte
		addr common.Address
	}{
		{withdrawalRequest, params.WithdrawalQueueAddress},
		{consolidationRequest, params.ConsolidationQueueAddress},
	} {
		if b.state.GetCodeSize(queue.addr) == 0 {
			return nil, b.invalid("no code at system contract %s", queue.addr)
		}
		data, err := b.systemCall(queue.addr, nil)
		if stopped := b.stopped(); stopped != nil {
			return nil, stopped
		}
		if err != nil {
			return nil, b.invalid("system contract %s: %w", queue.addr, err)
		}
		if len(data) > 0 {
			all = append(all, append([]byte{queue.kind}, data...))
		}
	}
	return all, nil
}

// depositTopic is keccak256 of DepositEvent(bytes,bytes,bytes,bytes,bytes).
var depositTopic = common.HexToHash("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")

// deposits is the request of EIP-6110: the deposit contract's events, packed.
func (b *openBlock) deposits() ([]byte, error) {
	out := []byte{depositRequest}
	for _, r := range b.receipts {
		for i := range r.Logs {
			l := &r.Logs[i]
			if l.Address != b.chain.DepositContractAddress || len(l.Topics) == 0 || l.Topics[0] != depositTopic {
				continue
			}
			var err error
			if out, err = appendDeposit(out, l.Data); err != nil {
				return nil, b.invalid("deposit log of transaction %d: %w", r.TransactionIndex, err)
			}
		}
	}
	return out, nil
}

// depositFields are the byte strings in a deposit event, in order: public key,
// withdrawal credentials, amount, signature, index.
var depositFields = [5]int{48, 32, 8, 96, 8}

// appendDeposit appends the fields of an ABI-encoded deposit event, without their
// offsets, lengths and padding.
func appendDeposit(dst, event []byte) ([]byte, error) {
	const size = 576
	if len(event) != size {
		return nil, fmt.Errorf("%d bytes, want %d", len(event), size)
	}
	at := len(depositFields) * 32 // past the offsets
	for _, n := range depositFields {
		at += 32 // past the length
		dst = append(dst, event[at:at+n]...)
		at += (n + 31) / 32 * 32
	}
	return dst, nil
}

// reward pays miners of the block and of its ommers (Yellow Paper, section 11.3).
func (b *openBlock) reward() {
	static := uint256.NewInt(5e18)
	switch {
	case b.rules.IsConstantinople:
		static = uint256.NewInt(2e18) // EIP-1234
	case b.rules.IsByzantium:
		static = uint256.NewInt(3e18) // EIP-649
	}
	var (
		total  = *static
		share  uint256.Int
		nephew uint256.Int
	)
	nephew.Rsh(static, 5)
	for _, ommer := range b.env.Ommers {
		share.SetUint64(ommer.Number + 8 - b.env.Number)
		share.Mul(&share, static)
		share.Rsh(&share, 3)
		b.db.AddBalance(ommer.Coinbase, &share, tracing.BalanceIncreaseRewardMineUncle)
		total.Add(&total, &nephew)
	}
	b.db.AddBalance(b.env.Coinbase, &total, tracing.BalanceIncreaseRewardMineBlock)
	b.db.finalise(false)
}
