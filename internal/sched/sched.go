// Package sched says what those who share out processors cannot know by themselves: who
// holds a turn while it waits (Rest), and which thread should be next (Yield). Sleep is the
// wait itself.
//
// # Threads
//
// A thread of a Go program that works without a break, from one request to the next,
// leaves its processor at the end of its time slice only: on Linux that is at a clock
// tick, 4 ms at 250 Hz. A thread of the same program that is woken meanwhile, to serve
// what came from the network, is often put behind it, even if another processor is idle:
// with few processors that are busy the kernel does not look for one (EEVDF's
// RUN_TO_PARITY and SIS_UTIL in kernel/sched/fair.c). Beside a flood of signatures to
// recover, this alone made the 99th percentile of others' answers 3.5 ms instead of 1.5.
package sched
