package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"
)

// A display shows live progress: on a terminal a table that repaints itself,
// elsewhere one plain line each time.
type display struct {
	w        io.Writer
	repaints bool
	height   int // lines of the table that is on the screen
}

func newDisplay(w io.Writer) *display {
	f, ok := w.(*os.File)
	return &display{w: w, repaints: ok && term.IsTerminal(int(f.Fd()))}
}

// A progress is one moment of a run.
type progress struct {
	title string
	rows  [][]string // a name, then values
}

// period is how often show should be called.
func (d *display) period() time.Duration {
	if d.repaints {
		return 200 * time.Millisecond
	}
	return time.Second
}

func (d *display) show(p progress) {
	if !d.repaints {
		fmt.Fprintln(d.w, p.line())
		return
	}
	text := p.table()
	if d.height > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA\x1b[J", d.height) // up to the first line, erase from there
	}
	fmt.Fprintln(d.w, text)
	d.height = strings.Count(text, "\n") + 1
}

func (p progress) table() string {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.SetTitle("%s", p.title)
	for _, row := range p.rows {
		cells := make(table.Row, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

func (p progress) line() string {
	parts := make([]string, len(p.rows))
	for i, row := range p.rows {
		parts[i] = row[0] + ": " + strings.Join(row[1:], ", ")
	}
	return p.title + " | " + strings.Join(parts, " | ")
}

// count is n with thousands set apart.
func count[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// milliseconds is d with the precision that a reader can use.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
