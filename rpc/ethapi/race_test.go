package ethapi_test

import (
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// Readers while blocks are made: no error, and under the race detector no race.
func TestWhileBlocksAreMade(t *testing.T) {
	var (
		node = logNode(t, rpctest.Options{})
		s    = serve(t, node)
		r    = serveWith(t, node, ethapi.Options{Realtime: true})
		stop = make(chan struct{})
		all  sync.WaitGroup
	)
	hash := emit(node)
	node.Seal(hash)
	calls := [][2]string{
		{"eth_getBlockByNumber", `"latest",true`}, {"eth_getBlockReceipts", `"latest"`}, {"eth_getLogs", `{"fromBlock":"0x0"}`},
		{"eth_feeHistory", `"0x5","latest",[10,90]`}, {"eth_gasPrice", ""}, {"eth_getProof", quoted(emitter) + `,["0x0"]`},
		{"eth_getTransactionReceipt", quoted(hash.Hash())}, {"eth_getTransactionByHash", quoted(hash.Hash())}, {"eth_capabilities", ""},
	}
	for _, server := range []*server{s, r} {
		logs, txs := server.result(t, "eth_newFilter", "{}"), server.result(t, "eth_newPendingTransactionFilter", "true")
		all.Go(func() {
			for {
				for _, call := range append(calls, [2]string{"eth_getFilterChanges", logs}, [2]string{"eth_getFilterChanges", txs}) {
					select {
					case <-stop:
						return
					default:
					}
					if a := server.call(t, call[0], call[1]); a.Error != nil {
						t.Errorf("%s(%s): %s", call[0], call[1], a.Error.Message)
					}
				}
			}
		})
	}
	for range 20 {
		node.Mini(emit(node), node.Transfer(1, common.Address{5}, 1))
		node.Seal(emit(node))
	}
	close(stop)
	all.Wait()
}
