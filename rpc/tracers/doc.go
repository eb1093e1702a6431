// Package tracers answers debug_trace…: it executes a block, a part of it or a call
// once more and tells what happened inside, in the formats of go-ethereum.
//
// The tracers are go-ethereum's own: its struct logger, which is the default, and
// its native ones (callTracer, prestateTracer, 4byteTracer, flatCallTracer,
// muxTracer and the others of its directory), so that every tool reads the answers.
// What this package adds is the way there. A transaction is traced in the state that
// it met: the one after the parent block, with the block's opening system calls and
// the transactions before it, all by execution.Scratch, the engine of every block;
// the hooks see nothing but the traced transaction. A transaction that is
// acknowledged and not sealed yet can be traced as well.
//
// Promises:
//
//   - The same answers as go-ethereum gives for the same block, byte for byte; tests
//     ask both. Two things it refuses work here: tracing what is not sealed, and
//     debug_traceCall on top of pending, which is latest. A call sees the hashes of
//     the blocks before its own, and its own block's if it overrides the number with
//     the next one.
//   - A bound on time, memory and concurrent traces before work begins: see Config.
//     Memory is metered where tracers take it, so an answer that would be too large
//     ends the execution instead of being thrown away after it.
//   - A state that the node no longer has is an error that says so. Nothing is
//     executed from older states to get there: reexec is read and ignored.
//
// Rejected: tracers in JavaScript, an interpreter of foreign code in the process of a
// sequencer; files (debug_standardTraceBlockToFile, debug_traceBlockFromFile), which
// let a caller write to the node's disk or read it; and debug_traceChain, for which
// a client has the single blocks.
package tracers
