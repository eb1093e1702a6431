package rpc

import (
	"context"
	"errors"
	"strings"
	"time"
)

// largeBytes is what a large answer in the making is taken to need: the objects, the
// result and the message that are made of them. Its size is known only afterwards.
const largeBytes = 32 << 20

var errLarge = errors.New("server is busy: too many large answers")

// A volume says how much memory an answer may take, and how long it is in the making.
type volume int

const (
	small volume = iota
	// slow is small, and does more than to read what is at hand: it executes, or waits for
	// what others do.
	slow
	// reading is large, and made of what is at hand: it takes milliseconds.
	reading
	// searching is large, and may take seconds.
	searching
	// executing is large, and may take minutes.
	executing
)

// volumes are of the methods whose answers are not small. Those that trace are
// executing.
var volumes = map[string]volume{
	"eth_getBlockByHash":   reading,
	"eth_getBlockByNumber": reading,
	"eth_getBlockReceipts": reading,
	"eth_getStorageValues": reading,
	"eth_feeHistory":       reading,
	"debug_getRawBlock":    reading,
	"debug_getRawReceipts": reading,
	"txpool_content":       reading,
	"txpool_contentFrom":   reading,
	"txpool_inspect":       reading,

	"eth_call":                    slow,
	"eth_createAccessList":        slow,
	"eth_fillTransaction":         slow,
	"eth_sendRawTransactionSync":  slow,
	"realtime_sendRawTransaction": slow,

	"prover_evidence": reading,

	"prover_objects":        searching,
	"eth_getProof":          searching,
	"eth_getLogs":           searching,
	"eth_getLogsWithCursor": searching,
	"eth_getFilterLogs":     searching,
	"eth_getFilterChanges":  searching,

	"eth_simulateV1":         executing,
	"debug_executionWitness": executing,
	"testing_buildBlockV1":   executing,
}

func (c call) volume() volume {
	if strings.HasPrefix(c.method, "debug_trace") {
		return executing
	}
	return volumes[c.method]
}

// larges bound how many large answers are in the making: what these take is not known
// before they are made. Each volume has its own line, so that what takes minutes does
// not hold up what takes milliseconds.
type larges struct {
	readings, searches, executions chan struct{}
}

// newLarges shares memory, in bytes, out: half to those that are read, and a quarter
// to each of the others. There is one of each at least.
func newLarges(memory int64) *larges {
	line := func(share int64) chan struct{} { return make(chan struct{}, max(1, share/largeBytes)) }
	return &larges{line(memory / 2), line(memory / 4), line(memory / 4)}
}

func (l *larges) line(v volume) chan struct{} {
	switch v {
	case reading:
		return l.readings
	case searching:
		return l.searches
	case executing:
		return l.executions
	}
	return nil
}

// take waits for a place in line, until ctx ends or for at most timeout; then the
// error is errLarge. Who has it receives from place in the end.
func (l *larges) take(ctx context.Context, v volume, timeout time.Duration) (place chan struct{}, err error) {
	place = l.line(v)
	if place == nil {
		return nil, nil
	}
	select {
	case place <- struct{}{}:
		return place, nil
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case place <- struct{}{}:
		return place, nil
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil, errLarge
}
