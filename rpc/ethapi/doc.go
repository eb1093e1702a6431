// Package ethapi answers the namespaces eth, net, web3 and txpool as go-ethereum
// does, as far as they read the chain and take transactions: blocks, transactions,
// receipts, logs and filters, accounts and proofs, fees. (Calls and subscriptions
// are in packages of their own.)
//
// An API is made for two paths over one backend, with New and Path; they share their
// filters and what they know of fees. The one of the standard path shows blocks,
// receipts and logs from when they are sealed; a transaction that is acknowledged
// and not sealed yet reads as pending. That is for clients that cannot bear a null
// block hash: ethers does not. The one of the realtime path (Options.Realtime) shows
// everything from the newest mini-block on, with null where a hash is not known yet.
// State is read at the newest mini-block on both.
//
// On sealed blocks the answers equal go-ethereum's, field by field, and so do codes
// and wording of errors, because clients match on them. Where we differ it is said
// at the method. What a request may cost is bounded before work begins: the number
// of keys, blocks, percentiles, addresses, topics, logs and filters.
//
// What history does not keep, because it was pruned or never came, is asked of the
// sequencer where there is one elsewhere (backend.Elsewhere); otherwise it is
// go-ethereum's error for pruned history, code 4444. That holds for hashes that may be
// of something that is not kept, too: null says that there is none.
//
// Filters keep no logs and no goroutine: each is a place in history up to which its
// owner has read, and a poll reads on from there. What is not polled costs nothing,
// and is forgotten after Options.FilterLife; what all of them keep of addresses and
// topics is bounded by Options.FilterBytes.
package ethapi
