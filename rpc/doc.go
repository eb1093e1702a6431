// Package rpc is the door of a node: Ethereum's JSON-RPC and the realtime API over
// HTTP and WebSocket, on one port. A sequencer and a full node have the same door
// over different backends (package backend).
//
//	door, err := rpc.New(rpc.Config{Backend: node, Engine: engine})
//	listener, err := net.Listen("tcp", rpc.DefaultAddress)
//	err = door.Serve(ctx, listener) // until ctx ends, then drains
//
// # Paths
//
//	/                JSON-RPC; receipts, logs and blocks are those of sealed blocks
//	/realtime        the same methods, which answer from the newest mini-block
//	/admin           namespace admin, if Config.Admin is set; bearer token required
//	/healthz/live    200 while the process serves
//	/healthz/ready   200 while it should get traffic, else 503; both with reasons
//
// Everything else, and GET of / without an upgrade, is Config.Pages'.
//
// # How
//
// go-ethereum's server decodes messages, finds methods and encodes answers, so
// clients meet what they know. What is ours is around it: every request, also each
// message of a WebSocket, is read under a limit, counted, given to the server as one
// HTTP request, and timed until its answer is written (exchange.go). Only calls that
// begin or end a subscription go to a connection of the server that lasts
// (subscriber.go), one at a time; a batch that has such calls can have no others, and each
// of its calls is told so. Transactions in a batch go straight to where they are taken
// (senders.go).
//
// # Limits
//
// Nothing takes memory before its size is checked, and nothing unbounded waits:
// connections, WebSockets, requests in flight and subscriptions of each of them have
// a bound, and all bytes of requests and answers in flight, but a few that each
// connection has of its own, share one account (Limits.Memory). How large an answer is
// shows only when it was made, so of those that may be large few are made at a time
// (large.go); others wait in line. What does not fit is refused at once; a client that
// does not read its answers, or does not end what it began to send, is cut off. When
// connections run out, the one makes room that has been waiting for its client
// longest. Large requests, and batches piece by piece (pieces.go), wait in line for a part
// of the cores (Limits.Bulk), so that they do not keep small requests waiting; who waits
// for something else, as a transaction for its execution or an answer for its client,
// gives his part back (internal/sched).
//
// # Web pages
//
// A browser lets every page in the world send requests to loopback, so two things
// stand between them and the door. Pages of a name that was made to lead here (DNS
// rebinding) come with that name as Host: Config.Hosts, as go-ethereum's
// -http.vhosts. Pages of other origins may neither read answers nor, as their
// requests need a content type that a browser asks about first, send anything; and they
// open no WebSockets: Config.Origins. Unlike with go-ethereum, pages that were loaded
// from this machine (http://localhost:5173, where a dapp is developed) are let in
// without being named, over HTTP as over WebSocket: only a program on this machine can
// serve them, and it could come to the door itself. Pages without an origin ("null":
// files, sandboxed frames of any page) are not.
//
// The library binds nothing; DefaultAddress is loopback.
//
// # What was rejected
//
//   - go-ethereum's WebSocket handler: it starts a goroutine for each message, without
//     bound, and keeps the answers of those who do not read them.
//   - go-ethereum's package node: half of its client comes with it.
//   - Compression: at loopback and in a data centre it costs more than it saves, and
//     a proxy in front of a public door does it better.
//   - Counting in go-ethereum's metrics registry: it is global, so two doors in one
//     process would be one.
package rpc
