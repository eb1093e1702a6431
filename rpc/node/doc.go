// Package node makes a sequencer and a full node what the door asks of a node: a
// backend.Backend. Whose history the door serves writes it (Config.History of either):
//
//	store, err := history.Open(history.Config{Dir: dir, Genesis: spec.Genesis.Header})
//	engine, err := execution.New(execution.Config{Chain: spec.Config})
//
//	s, err := sequencer.New(ctx, sequencer.Config{..., Executor: engine, History: store})
//	door, err := rpc.New(rpc.Config{Backend: node.OfSequencer(s, store), Engine: engine})
//
// and of a full node, which has no executor and asks a sequencer's door:
//
//	f, err := fullnode.New(ctx, fullnode.Config{..., History: store})
//	upstream, err := node.Dial(ctx, "http://127.0.0.1:8545")
//	full := node.OfFullnode(f, store, spec.Config, node.FullnodeOptions{Sequencer: upstream})
//	door, err := rpc.New(rpc.Config{Backend: full, Engine: engine}) // for eth_call
//
// A sequencer answers for itself. A full node answers what it knows, which is the
// state at its newest mini-block, and blocks and receipts that it has checked; what is
// for the sequencer alone it passes on: transactions, pending nonces, the pool, and the
// base fee of a block of which it has not heard yet, which only the sequencer knows
// where a chain fixes it. (The fee that EIP-1559 makes of the newest header was
// rejected: a transaction at that price is refused on such a chain.) Who submits a
// transaction through a full node gets the answer when that node has it too, so that
// what is read there next is not older than the receipt; if its block has passed and is
// in a gap, the answer is the sequencer's receipt.
//
// What it does not keep, because its history has a gap or was pruned, it asks the
// sequencer for, each time anew, and gives back what that says, on its word; so are
// transactions that it has not executed (they may wait there). How far the chain is
// published and proven it knows itself, if it hears publications and provers; a head of
// which it has heard nothing it asks the sequencer for. safe is the published head, and
// finalized the proven one. It never says of what it cannot know that it does not exist: if
// the sequencer is of no help, that is an error. Such reads are bounded in number and
// time, and no error says where the sequencer is: that is in the log. (Rejected: to
// remember that something does not exist, which is true for moments only; and to fall
// back on eth_sendRawTransaction where the sequencer does not serve
// realtime_sendRawTransaction, which cannot tell a transaction that executed before from
// one that is refused: the caller is told what is missing.)
package node
