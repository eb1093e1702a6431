package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var sampleProgress = progress{
	title: "devnet, 1 s of 10 s",
	rows: [][]string{
		{"load", "1,000 tx", "p99 12.0 ms"},
		{"sequencer", "block 2", ""},
	},
}

func TestDisplayPlain(t *testing.T) {
	var out bytes.Buffer
	d := newDisplay(&out)
	d.show(sampleProgress)
	d.show(sampleProgress)
	line := "devnet, 1 s of 10 s | load: 1,000 tx, p99 12.0 ms | sequencer: block 2\n"
	require.Equal(t, line+line, out.String())
	require.Equal(t, time.Second, d.period())

	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, newDisplay(file).repaints, "a file is no terminal")
}

func TestDisplayRepaints(t *testing.T) {
	var out bytes.Buffer
	d := &display{w: &out, repaints: true}
	d.show(sampleProgress)
	first := out.String()
	require.Contains(t, first, "│ load      │ 1,000 tx │ p99 12.0 ms │\n")
	out.Reset()
	d.show(sampleProgress)
	require.Equal(t, "\x1b[6A\x1b[J"+first, out.String())
	require.Equal(t, 6, strings.Count(first, "\n"))
}

func TestDisplayFitsTerminal(t *testing.T) {
	var out bytes.Buffer
	d := &display{w: &out, repaints: true, width: func() int { return 24 }}
	d.show(sampleProgress)
	for _, line := range strings.Split(out.String(), "\n") {
		require.LessOrEqual(t, len([]rune(line)), 24, line)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, count(n))
	}
}

func TestSummary(t *testing.T) {
	s := summary{
		Transactions: 10_000, TPS: 999.6, ReceiptP50: 7_400, ReceiptP99: 13_250, MiniBlocks: 1_000, Blocks: 10,
		DiffBytesPerTx: 41.26, BodyBytesPerTx: 112, ReceiptBytesPerTx: 17.04, WitnessBytesPerTx: 812, ProvenHead: 9, Head: 10, RootsEqual: true,
	}
	var out bytes.Buffer
	s.print(&out)
	require.Equal(t, `transactions: 10,000
tx/s: 1000
receipt latency: p50 7.4 ms, p99 13.2 ms (fsync included)
mini-blocks: 1,000
blocks: 10
diff: 41.3 B/tx
body: 112.0 B/tx
receipts: 17.0 B/tx
witness: 812.0 B/tx
proven head: 9 of 10
all roots equal: yes
`, out.String())

	out.Reset()
	require.NoError(t, printJSON(&out, s))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	var keys map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &keys))
	require.Len(t, keys, 13)
	for _, key := range strings.Fields("transactions tps receipt_p50_us receipt_p99_us mini_blocks blocks " +
		"diff_bytes_per_tx body_bytes_per_tx receipt_bytes_per_tx witness_bytes_per_tx proven_head head roots_equal") {
		require.Contains(t, keys, key)
	}
}

func TestPerTx(t *testing.T) {
	require.Zero(t, perTx(100, 0))
	require.Equal(t, 2.5, perTx(10, 4))
}
