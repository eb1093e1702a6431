// Package serve is what the example programs put around a role so that others can use
// and watch it: one HTTP address with JSON-RPC, WebSocket, health, metrics and, if
// wanted, profiles and a page.
//
//	/ and /realtime   JSON-RPC (package rpc)
//	/healthz/…        live and ready
//	/metrics          Prometheus
//	/debug/pprof/…    with -pprof
//	GET /             the page (package dashboard), or a list like this one
//
// The libraries count; what they counted becomes metrics here, so nobody who imports a
// library gets Prometheus with it.
package serve
