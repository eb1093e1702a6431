// Package calls executes what nobody signed: eth_call, eth_estimateGas,
// eth_createAccessList, eth_fillTransaction and eth_simulateV1, and
// testing_buildBlockV1 for test suites.
//
// Answers are go-ethereum's, number for number and word for word: estimates come from
// the same search, access lists from the same fixed point, reverts carry code 3 with
// their data and the reason in the text. Clients match on all of that.
//
// What is executed reads the newest mini-block when a client says latest or pending,
// like every state read. Only eth_simulateV1 begins at a sealed block, latest and
// pending being the newest: a simulated block names its parent's hash and has a state
// root, and an unsealed block has neither yet.
//
// A request costs what Options allow, and no more: gas, time, and executions at once;
// lists are counted as they are read, before their elements take memory.
package calls
