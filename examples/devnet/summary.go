package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A summary is what a run came to. Its JSON is the last line of -json.
type summary struct {
	Transactions      int64   `json:"transactions"` // acknowledged
	TPS               float64 `json:"tps"`
	ReceiptP50        int64   `json:"receipt_p50_us"`
	ReceiptP99        int64   `json:"receipt_p99_us"`
	MiniBlocks        uint64  `json:"mini_blocks"`
	Blocks            uint64  `json:"blocks"`
	DiffBytesPerTx    float64 `json:"diff_bytes_per_tx"`
	BodyBytesPerTx    float64 `json:"body_bytes_per_tx"` // of transactions, to an archive
	ReceiptBytesPerTx float64 `json:"receipt_bytes_per_tx"`
	WitnessBytesPerTx float64 `json:"witness_bytes_per_tx"`
	ProvenHead        uint64  `json:"proven_head"`
	Head              uint64  `json:"head"`
	RootsEqual        bool    `json:"roots_equal"`
}

func (s *summary) print(w io.Writer) {
	us := func(v int64) string { return milliseconds(time.Duration(v) * time.Microsecond) }
	for _, row := range [][2]string{
		{"transactions", count(s.Transactions)},
		{"tx/s", fmt.Sprintf("%.0f", s.TPS)},
		{"receipt latency", fmt.Sprintf("p50 %s, p99 %s (fsync included)", us(s.ReceiptP50), us(s.ReceiptP99))},
		{"mini-blocks", count(s.MiniBlocks)},
		{"blocks", count(s.Blocks)},
		{"diff", fmt.Sprintf("%.1f B/tx", s.DiffBytesPerTx)},
		{"body", fmt.Sprintf("%.1f B/tx", s.BodyBytesPerTx)},
		{"receipts", fmt.Sprintf("%.1f B/tx", s.ReceiptBytesPerTx)},
		{"witness", fmt.Sprintf("%.1f B/tx", s.WitnessBytesPerTx)},
		{"proven head", fmt.Sprintf("%d of %d", s.ProvenHead, s.Head)},
		{"all roots equal", yesNo(s.RootsEqual)},
	} {
		fmt.Fprintf(w, "%s: %s\n", row[0], row[1])
	}
}

// conclude ends a run: it prints the summary, and as JSON if that is wanted, and returns
// what is wrong as one error.
func conclude(stdout io.Writer, s *summary, asJSON bool, problems []string) error {
	fmt.Fprintln(stdout)
	s.print(stdout)
	if asJSON {
		if err := printJSON(stdout, s); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n\t"))
	}
	return nil
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

// perTx divides, and is 0 when there is nothing to divide by.
func perTx(bytes uint64, txs int64) float64 {
	if txs == 0 {
		return 0
	}
	return float64(bytes) / float64(txs)
}
