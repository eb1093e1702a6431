// Package dashboard is a page that shows a chain at work: throughput, latency, how far
// the chain is and how sure, who follows, what waits.
//
//	page := dashboard.New(read) // an http.Handler
//	defer page.Close()
//
//	/                the page
//	/dashboard/…     its style, script and icon, and
//	/dashboard/live  its feed, a WebSocket
//
// Everything is in the binary, and the page may load nothing from elsewhere: its
// Content-Security-Policy allows this origin only and nothing inline.
//
// # How
//
// Four times a second the chain is read (Snapshot: totals since the start, cheap to
// take), compared with the readings of the minute before, and what comes out is encoded
// once, for all viewers. The server does the arithmetic and keeps the minute, so a
// page that is opened now shows the minute before now. Rates, bytes per transaction and
// percentiles are all of the last minute, except the rate in large figures, which is of
// the last second.
//
// # Limits
//
// At most 64 may look on. One who does not take two seconds' worth of messages is cut
// off, and the page connects again by itself. Nobody waits for a viewer.
//
// # What was rejected
//
//   - A page that reads /metrics: it would have no minute before it was opened, and
//     each viewer would cost a scrape.
//   - A framework and a charting library: larger than all of the page, and somebody's
//     advisories. The charts are two SVG paths and some bars.
package dashboard
