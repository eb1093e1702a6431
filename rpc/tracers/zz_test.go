package tracers
import ("testing";"time";"encoding/json";"github.com/vivace-chain/vivace/rpc/internal/rpctest";"github.com/ethereum/go-ethereum/core/vm/program";"github.com/ethereum/go-ethereum/core/vm";"github.com/ethereum/go-ethereum/common")
func TestZZ(t *testing.T){
	n := rpctest.Dev(t, rpctest.Options{})
	big := client(t, New(n, n.Engine(), Config{ResultMax: 1 << 30}))
	p := program.New().Push(1).Push(1<<16-1).Op(vm.MSTORE8).Push(8)
	p, top := p.Jumpdest()
	p.StaticCall(nil, common.Address{19: 4}, 0, 1<<16, 0, 0).Op(vm.POP)
	code := p.Push(1).Op(vm.SWAP1, vm.SUB, vm.DUP1).Push(top).Op(vm.JUMPI).Bytes()
	for _, c := range []string{`{"tracer":"callTracer"}`,`{"tracer":"erc7562Tracer"}`,`{"enableMemory":true}`,`{}`} {
		b := time.Now()
		a := ask(t, big, "traceCall", heavy(code), "latest", json.RawMessage(c))
		t.Log(c, len(a.Result), a.Error, time.Since(b))
	}
}
