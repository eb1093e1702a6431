package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// conclude waits until all stand where the load ended, compares what they have, prints the
// summary and returns what is wrong. elapsed is how long the load was.
func (r *processRun) conclude(elapsed time.Duration, stdout io.Writer) error {
	target, err := r.settle()
	if err != nil {
		return errors.Join(append(r.failed(), err)...)
	}
	different := r.compare(target)
	s, err := r.summary(elapsed, len(different) == 0)
	if err != nil {
		return errors.Join(append(r.failed(), err)...)
	}
	var problems []string
	for _, err := range r.failed() {
		problems = append(problems, err.Error())
	}
	problems = append(problems, r.driver.problems(elapsed)...)
	problems = append(problems, different...)
	if s.Head > s.ProvenHead+provenLag {
		problems = append(problems, fmt.Sprintf("the proven head is %d blocks behind, more than %d", s.Head-s.ProvenHead, provenLag))
	}
	return conclude(stdout, s, r.json, problems)
}

// settle waits until all have the block that was open when the load ended, and provers
// have seen to it; not for ever. It returns that block.
func (r *processRun) settle() (target uint64, err error) {
	head, err := r.sequencer.block("latest")
	if err != nil {
		return 0, err
	}
	target = uint64(head.Number) + 1
	deadline := time.Now().Add(settlePatience + 3*r.block)
	for !r.settled(target) && time.Now().Before(deadline) && len(r.failed()) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	return target, nil
}

func (r *processRun) settled(target uint64) bool {
	for _, role := range r.doors() {
		if !role.reached("latest", target) {
			return false
		}
	}
	return r.sequencer.reached("finalized", target)
}

// compared is how many blocks before the target are compared too.
const compared = 100

// compare asks all for the newest blocks up to target and says what differs.
func (r *processRun) compare(target uint64) (problems []string) {
	var blocks []*sealed
	for number := max(1, target-min(target, compared)); number <= target; number++ {
		b, err := r.sequencer.block(hexutil.Uint64(number))
		if err != nil {
			return []string{err.Error()}
		}
		blocks = append(blocks, b)
	}
	for _, node := range r.nodes {
		if err := node.agrees(blocks); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// agrees returns the first difference between what the role has and the sequencer's blocks.
func (r *remote) agrees(blocks []*sealed) error {
	for _, want := range blocks {
		got, err := r.block(want.Number)
		if err != nil {
			return err
		}
		if *got != *want {
			return fmt.Errorf("%s: block %d: stateRoot %s, hash %s; the sequencer has %s, %s",
				r.name, want.Number, got.StateRoot, got.Hash, want.StateRoot, want.Hash)
		}
	}
	return nil
}

func (r *processRun) summary(elapsed time.Duration, equal bool) (*summary, error) {
	metrics, err := r.sequencer.metrics()
	if err != nil {
		return nil, err
	}
	node, err := r.nodes[0].metrics()
	if err != nil {
		return nil, err
	}
	n := func(name string) uint64 { return uint64(metrics["vivace_sequencer_"+name]) }
	perTaken := func(name string) float64 {
		return perTx(uint64(node["vivace_fullnode_"+name]), int64(node["vivace_fullnode_transactions_total"]))
	}
	txs := r.driver.acknowledged.Load()
	return &summary{
		Transactions: txs, TPS: float64(txs) / elapsed.Seconds(),
		ReceiptP50: r.driver.latency.percentile(50).Microseconds(), ReceiptP99: r.driver.latency.percentile(99).Microseconds(),
		MiniBlocks: n("mini_blocks_total"), Blocks: n("blocks_total"),
		DiffBytesPerTx:    perTx(n("diff_bytes_total"), int64(n("transactions_total"))),
		BodyBytesPerTx:    perTaken("body_bytes_total"),
		ReceiptBytesPerTx: perTaken("receipt_bytes_total"),
		WitnessBytesPerTx: perTx(n("witness_bytes_total"), int64(n("transactions_total"))),
		ProvenHead:        n("head_proven"), Head: n("head_sealed"),
		RootsEqual: equal,
	}, nil
}
