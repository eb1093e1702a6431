// Devnet runs a whole chain in one process: a sequencer, two full nodes, two
// provers and an embedded data-availability layer, under a seeded load of signed
// transfers, ERC-20 transfers and swaps that goes in by the front door. At the end
// it compares what the roles have, and fails if anything differs.
//
// With -processes each role is a process, and they meet over sockets.
//
// With -replay it takes real mainnet blocks through the same parts instead.
//
//	main.go      flags, and what they choose
//	devnet.go    one run: load, live display, verdict
//	network.go   the roles and the links between them
//	audit.go     the comparison of roots
//	load.go      the open-loop driver
//	rate.go      how much it sends
//	serve.go     the doors, with -serve
//	page.go      what the dashboard shows
//	child.go     a role as a process, with -processes
//	remote.go    a role that is asked over its door
//	processes…   the same run with these: who they are, the load, the verdict
//	inject.go    faults on the way between the roles
//	replay.go    the replay and its report
//	pipeline.go  the steps of one replayed block
package main
