package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/vivace-chain/vivace/internal/mainnet"
)

// A replaySummary is what a replay came to. Its JSON is the last line of -json.
type replaySummary struct {
	Blocks         int     `json:"blocks"`
	BlocksOK       int     `json:"blocks_ok"`
	Transactions   int     `json:"transactions"` // of the blocks that are ok
	Gas            uint64  `json:"gas"`          // of the blocks that are ok
	Seconds        float64 `json:"seconds"`      // in the steps; reading files and loading pre-states is not in it
	DiffBytesPerTx float64 `json:"diff_bytes_per_tx"`
}

// replay takes every block of the data set in o.replay through a pipeline. A block
// that fails does not keep the next from running; the error has all failures.
func replay(ctx context.Context, o *options, stdout io.Writer) error {
	archive, err := mainnet.Open(o.replay)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	numbers := archive.Numbers()
	if len(numbers) == 0 {
		return fmt.Errorf("replay: no blocks in %s", o.replay)
	}
	pipe, err := newPipeline(params.MainnetChainConfig)
	if err != nil {
		return err
	}
	if o.compare {
		pipe.peer = compare
	}
	fmt.Fprintf(stdout, "Replaying %d mainnet blocks from %s.\n", len(numbers), o.replay)
	fmt.Fprintln(stdout, "The pre-state is partial: it holds what the block touches, so state roots are compared")
	fmt.Fprintln(stdout, "between the roles, not with the header.")

	var (
		bar      = newBar(stdout, len(numbers))
		rows     []replayed
		failures []error
	)
	for _, number := range numbers {
		row, err := replayBlock(ctx, pipe, archive, number)
		if ctx.Err() != nil {
			bar.close()
			return context.Cause(ctx)
		}
		bar.step(number)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		rows = append(rows, row)
	}
	bar.close()
	return errors.Join(report(stdout, o, len(numbers), rows), errors.Join(failures...))
}

func replayBlock(ctx context.Context, pipe *pipeline, archive *mainnet.Archive, number uint64) (replayed, error) {
	row := replayed{number: number}
	block, err := archive.Block(number)
	if err == nil {
		err = pipe.run(ctx, block, &row)
	}
	if err != nil {
		return row, fmt.Errorf("replay of block %d: %w", number, err)
	}
	return row, nil
}

// report prints what the good blocks took, and the summary.
func report(w io.Writer, o *options, blocks int, rows []replayed) error {
	var (
		sum  = replaySummary{Blocks: blocks, BlocksOK: len(rows)}
		all  replayed
		diff uint64
	)
	for _, row := range rows {
		sum.Transactions += row.txs
		sum.Gas += row.gas
		diff += uint64(row.diff)
		for s, d := range row.took {
			all.took[s] += d
			sum.Seconds += d.Seconds()
		}
	}
	sum.DiffBytesPerTx = perTx(diff, int64(sum.Transactions))

	if o.verbose {
		fmt.Fprintln(w, blockTable(rows, o.compare))
	}
	fmt.Fprintln(w, stepTable(&all))
	if o.compare {
		fmt.Fprintln(w, compareTable(rows))
	}
	fmt.Fprintf(w, "gas: %s, executed at %.1f Mgas/s\n", count(sum.Gas), mgasPerSecond(sum.Gas, all.took[stepExecute]))
	fmt.Fprintf(w, "diff: %.1f B/tx\n", sum.DiffBytesPerTx)
	fmt.Fprintf(w, "replayed %d/%d blocks, %d tx\n", sum.BlocksOK, sum.Blocks, sum.Transactions)
	if o.json {
		return printJSON(w, sum)
	}
	return nil
}

func mgasPerSecond(gas uint64, d time.Duration) float64 {
	if d == 0 {
		return 0
	}
	return float64(gas) / 1e6 / d.Seconds()
}

// blockTable has a row for each block.
func blockTable(rows []replayed, compared bool) string {
	t := newTable()
	head := table.Row{"block", "tx", "gas", "diff B", "witness B"}
	for s := range steps {
		head = append(head, s.String())
	}
	if compared {
		head = append(head, "geth execute", "geth verify")
	}
	t.AppendHeader(head)
	for _, r := range rows {
		cells := table.Row{r.number, r.txs, count(r.gas), count(r.diff), count(r.witness)}
		for _, d := range r.took {
			cells = append(cells, milliseconds(d))
		}
		if compared {
			cells = append(cells, milliseconds(r.peer.execute), milliseconds(r.peer.verify))
		}
		t.AppendRow(cells)
	}
	return rightAligned(t, len(head))
}

// stepTable has the time of each step, over all blocks.
func stepTable(all *replayed) string {
	t := newTable()
	t.AppendHeader(table.Row{"step", "time", "share"})
	total := all.total()
	for s, d := range all.took {
		t.AppendRow(table.Row{step(s), milliseconds(d), fmt.Sprintf("%.0f %%", 100*ratio(d, total))})
	}
	t.AppendFooter(table.Row{"all", milliseconds(total), ""})
	return rightAligned(t, 3)
}

// compareTable sets our times beside go-ethereum's, over the blocks in which both
// did the same work.
func compareTable(rows []replayed) string {
	var (
		ours   replayed
		geth   peerTimes
		blocks int
	)
	for _, r := range rows {
		if !r.peer.comparable() {
			continue
		}
		blocks++
		for s, d := range r.took {
			ours.took[s] += d
		}
		geth.execute += r.peer.execute
		geth.verify += r.peer.verify
	}
	t := newTable()
	t.SetTitle("%d blocks, from Byzantium on", blocks)
	t.AppendHeader(table.Row{"", "vivace", "go-ethereum", "ratio", "limit"})
	for _, r := range []struct {
		name       string
		ours, geth time.Duration
		limit      float64
	}{
		{"execution", ours.took[stepExecute], geth.execute, 1.25},
		{"stateless verification", ours.took[stepVerify], geth.verify, 2},
		{"whole replay / execution", ours.total(), geth.execute, 6},
	} {
		t.AppendRow(table.Row{r.name, milliseconds(r.ours), milliseconds(r.geth),
			fmt.Sprintf("%.2fx", ratio(r.ours, r.geth)), fmt.Sprintf("%.2fx", r.limit)})
	}
	return rightAligned(t, 5)
}

func (r *replayed) total() (sum time.Duration) {
	for _, d := range r.took {
		sum += d
	}
	return sum
}

func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
