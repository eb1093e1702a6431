// Package execution computes what blocks do: it is the default chain.Executor and
// chain.Builder, for every fork of Ethereum's mainnet from Frontier to Osaka.
//
// Sequential runs one transaction after the other on go-ethereum's interpreter.
// Everything around the interpreter is here:
//
//	validate.go    what makes a transaction valid, as far as no state is needed
//	transition.go  one transaction: checks against the state, gas, fees, refunds,
//	               authorizations (Yellow Paper, section 6)
//	block.go       the block under construction: Open, Push, SealMini, Close
//	system.go      what opens and closes a block besides transactions
//	scratch.go     a block that will never be: calls, simulations, traces
//	call.go        messages that nobody signed
//	hooks.go       what go-ethereum's tracers see of it
//	precompile.go  a rollup's own precompiles
//	state.go       accounts and storage while a block executes: one read of each key
//	               from the StateView, a journal for reverts, and the net Changes of
//	               each transaction, mini-block and block, kept as they arise
//
// Execute is Open, Push and Close with another tone: what a Builder leaves out, an
// Executor reports as an invalid block.
//
// A Scratch runs messages through the same admission, transition and closing as a
// block. What it may be lenient about is a flag that the rule itself looks at, zero
// in a block; what hooks hear of the block's own writes goes through a wrapper around
// the state, which the interpreter gets only when somebody listens.
//
// # The parent's hash
//
// EIP-2935 writes the hash of block N into a slot as block N+1 opens. That hash
// may still be in the making. So Open marks the slot as pending, without asking
// for the hash, when the history contract is the EIP's own; whoever reads the slot
// waits, and Close waits in any case. With other code at the contract's address the
// call is made at once.
//
// # Errors
//
// A view that cannot answer, an ancestor that is not to be had and a context that
// ends all break the block: the engine stops at the next jump, and the error comes
// out of the call that was running. Nothing unknown is ever taken for absent.
package execution
