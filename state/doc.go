// Package state keeps a chain's state in memory, with a log that makes it durable.
//
//   - Store is the default chain.StateStore: the state of the newest block, views
//     of some blocks before it, stages on top of it, commits and reverts.
//   - Log is the append-only log below it, usable alone: it stores opaque records,
//     survives kill -9 and loss of power, cuts a torn tail and tells it from
//     damage.
//   - WriteSnapshot and ReadSnapshot carry the whole state, and what other owners
//     add to it, as checksummed sections in one stream.
//
// Start with Open. The store logs what Config.Encode makes of a block's changes;
// by default that is chain's canonical encoding.
//
// # What is durable
//
// A commit or revert is one record of the log. When Commit returns, the record
// was synced (DurabilityFsync) or at least handed to the operating system
// (DurabilityNone). A crash at any moment leaves the store at a block that was
// committed, whole, and never before the last one whose Commit returned.
package state
