// Package exectest is the conformance kit for chain.Executor and chain.Builder.
// It stands apart from chaintest because it signs transactions, which takes
// go-ethereum's core/types and crypto.
//
//	func TestMine(t *testing.T) {
//		exectest.TestExecutor(t, func(t testing.TB, config *params.ChainConfig) chain.Executor {
//			return mine.New(config)
//		})
//	}
//
// An Executor that is a chain.Builder too is tested as one. What each transaction
// must do is computed by hand here, or follows from laws that the contract states;
// that an engine knows every rule of the EVM is for Ethereum's own fixtures to
// show.
package exectest
