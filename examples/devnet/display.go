package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	gopretty "github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// A display shows live progress: on a terminal a table that repaints itself,
// elsewhere one plain line each time.
type display struct {
	w        io.Writer
	repaints bool
	width    func() int // of the terminal, columns; nil when there is none
	height   int        // lines of the table that is on the screen
}

func newDisplay(w io.Writer) *display {
	d := &display{w: w, repaints: isTerminal(w)}
	if d.repaints {
		d.width = func() int {
			columns, _, _ := term.GetSize(int(w.(*os.File).Fd()))
			return columns
		}
	}
	return d
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
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
	width := 0
	if d.width != nil {
		width = d.width()
	}
	painted := p.table(width)
	if d.height > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA\x1b[J", d.height) // up to the first line, erase from there
	}
	fmt.Fprintln(d.w, painted)
	d.height = strings.Count(painted, "\n") + 1
}

// table cuts lines at width, if that is known: a line that wraps would be two to
// go up.
func (p progress) table(width int) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Size.WidthMax = width
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
		values := slices.DeleteFunc(slices.Clone(row[1:]), func(v string) bool { return v == "" })
		parts[i] = row[0] + ": " + strings.Join(values, ", ")
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

// newTable is a table of the report's style, with headings as they are written.
func newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Format.Footer = text.FormatDefault
	return t
}

// rightAligned renders t, whose columns but the first hold numbers.
func rightAligned(t table.Writer, columns int) string {
	configs := make([]table.ColumnConfig, 0, columns)
	for i := 2; i <= columns; i++ {
		configs = append(configs, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	return t.Render()
}

// A bar shows how much of a known number of steps is done: a progress bar on a
// terminal, now and then a plain line elsewhere.
type bar struct {
	w       io.Writer
	total   int
	done    int
	tracker *gopretty.Tracker // nil when not on a terminal
	writer  gopretty.Writer
	stopped chan struct{}
}

func newBar(w io.Writer, total int) *bar {
	b := &bar{w: w, total: total}
	if !isTerminal(w) {
		return b
	}
	b.tracker = &gopretty.Tracker{Message: "blocks", Total: int64(total)}
	b.writer = gopretty.NewWriter()
	b.writer.SetOutputWriter(w)
	b.writer.SetAutoStop(false)
	b.writer.Style().Visibility.Speed = true
	b.writer.AppendTracker(b.tracker)
	b.stopped = make(chan struct{})
	go func() {
		defer close(b.stopped)
		b.writer.Render()
	}()
	return b
}

// step says that another one is done.
func (b *bar) step(number uint64) {
	b.done++
	switch {
	case b.tracker != nil:
		b.tracker.UpdateMessage(fmt.Sprintf("block %d", number))
		b.tracker.Increment(1)
	case b.done%10 == 0 || b.done == b.total:
		fmt.Fprintf(b.w, "%d/%d blocks\n", b.done, b.total)
	}
}

// close takes the bar off, and waits until it no longer writes.
func (b *bar) close() {
	if b.tracker == nil {
		return
	}
	b.writer.Stop()
	<-b.stopped
}
