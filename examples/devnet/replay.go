package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/internal/mainnet"
)

// A replaySummary is what a replay came to. Its JSON is the last line of -json.
type replaySummary struct {
	Blocks         int     `json:"blocks"`
	BlocksOK       int     `json:"blocks_ok"`
	Transactions   int     `json:"transactions"` // of the blocks that are ok
	Gas            uint64  `json:"gas"`          // of the blocks that are ok
	Seconds        float64 `json:"seconds"`      // of all steps, without reading and loading the state before
	DiffBytesPerTx float64 `json:"diff_bytes_per_tx"`
}

// replay runs the blocks of the data set in o.replay, one after the other, through
// all steps, and compares. The error says that something differed, or could not be
// read.
func replay(ctx context.Context, o *options, stdout io.Writer) error {
	archive, err := mainnet.Open(o.replay)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	numbers := archive.Numbers()
	if len(numbers) == 0 {
		return fmt.Errorf("replay: no blocks in %s", o.replay)
	}
	fmt.Fprintf(stdout, "replaying %d mainnet blocks from %s\n", len(numbers), o.replay)
	fmt.Fprintln(stdout, "the pre-state is partial: it holds what each block touches, so state roots are those of the partial state")

	var (
		pipe    = newPipeline(params.MainnetChainConfig, o.compare)
		bar     = newBar(stdout, len(numbers))
		rows    []replayed
		sum     = replaySummary{Blocks: len(numbers)}
		bytes   uint64
		failure error
	)
	for _, number := range numbers {
		row, err := replayBlock(ctx, pipe, archive, number)
		if ctx.Err() != nil {
			bar.close()
			return context.Cause(ctx)
		}
		rows = append(rows, row)
		bar.step(number, err)
		for _, d := range row.took {
			sum.Seconds += d.Seconds()
		}
		if err != nil {
			failure = errors.Join(failure, err)
			continue
		}
		sum.BlocksOK++
		sum.Transactions += row.txs
		sum.Gas += row.gas
		bytes += uint64(row.diff)
	}
	bar.close()
	sum.DiffBytesPerTx = perTx(bytes, int64(sum.Transactions))

	if o.verbose {
		fmt.Fprintln(stdout, blockTable(rows, o.compare))
	}
	fmt.Fprintln(stdout, stepTable(rows, o.compare))
	fmt.Fprintf(stdout, "gas: %s, %.1f Mgas/s executed\n", count(sum.Gas), mgasPerSecond(sum.Gas, total(rows, stepExecute)))
	fmt.Fprintf(stdout, "diff: %.1f B/tx\n", sum.DiffBytesPerTx)
	fmt.Fprintf(stdout, "replayed %d/%d blocks, %s tx\n", sum.BlocksOK, sum.Blocks, count(sum.Transactions))
	if o.json {
		if err := printJSON(stdout, sum); err != nil {
			return err
		}
	}
	return failure
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

func mgasPerSecond(gas uint64, d time.Duration) float64 {
	if d == 0 {
		return 0
	}
	return float64(gas) / 1e6 / d.Seconds()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && terminal(f)
}
