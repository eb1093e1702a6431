package browser

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"
)

const (
	// startPatience is how long Chromium may take to start.
	startPatience = time.Minute
	// patience is how long it may take to answer, and a page to come to what is waited
	// for.
	patience = 30 * time.Second
)

// A Browser is a running Chromium.
type Browser struct {
	conn *connection
}

// program is the path of a Chromium: what VIVACE_CHROMIUM says, or what is installed.
func program() (string, error) {
	if path := os.Getenv("VIVACE_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "chromium-headless-shell", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("Chromium is not installed, or VIVACE_CHROMIUM does not say where: %w", exec.ErrNotFound)
}

// Open starts a browser that ends with the test. Without Chromium the test is skipped, or
// fails if VIVACE_BROWSER is 1.
func Open(tb testing.TB) *Browser {
	tb.Helper()
	path, err := program()
	switch {
	case err != nil && os.Getenv("VIVACE_BROWSER") == "1":
		tb.Fatal(err)
	case err != nil:
		tb.Skip(err)
	}
	// The directory is not the test's, which would have to be empty when the test ends:
	// processes of Chromium write a little longer.
	profile, err := os.MkdirTemp("", "vivace-browser-")
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--remote-debugging-port=0", "--user-data-dir="+profile,
		"--no-sandbox", // root has none, and the pages are ours
		"--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run", "--hide-scrollbars",
		"--force-color-profile=srgb", "about:blank")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	messages, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	heard := make(chan string, 1)
	drained := make(chan struct{})
	go func() { defer close(drained); listen(messages, heard) }()
	tb.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-drained
		_ = cmd.Wait() // killed
		_ = os.RemoveAll(profile)
	})
	select {
	case url, ok := <-heard:
		if !ok {
			tb.Fatalf("%s ended", path)
		}
		conn, err := dial(url)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(conn.close)
		return &Browser{conn}
	case <-time.After(startPatience):
		tb.Fatalf("%s did not start in %s", path, startPatience)
	}
	return nil
}

var listening = regexp.MustCompile(`DevTools listening on (ws://\S+)`)

// listen finds the address that Chromium says it listens at, and reads on until it ends.
func listen(messages io.Reader, heard chan<- string) {
	defer close(heard)
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			heard <- found[1]
			break
		}
	}
	_, _ = io.Copy(io.Discard, messages)
}

// A View is a screen.
type View struct {
	Width, Height int
	Scale         float64 // device pixels for each; 0 is 1
	Mobile        bool
	Light         bool // the scheme that the reader prefers
	Still         bool // the reader prefers that nothing moves
}

// Screens.
var (
	Desktop = View{Width: 1280, Height: 900}
	Phone   = View{Width: 390, Height: 844, Scale: 2, Mobile: true}
)

// Page opens an empty page. It is for the test's goroutine only, and every method ends the
// test if something is wrong.
func (b *Browser) Page(tb testing.TB, v View) *Page {
	tb.Helper()
	p := &Page{tb: tb, conn: b.conn}
	var target struct{ TargetID string }
	p.call("Target.createTarget", object{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	p.call("Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.call(domain+".enable", nil, nil)
	}
	p.call("Emulation.setDeviceMetricsOverride", object{
		"width": v.Width, "height": v.Height, "deviceScaleFactor": cmp.Or(v.Scale, 1), "mobile": v.Mobile,
	}, nil)
	scheme, motion := "dark", "no-preference"
	if v.Light {
		scheme = "light"
	}
	if v.Still {
		motion = "reduce"
	}
	p.call("Emulation.setEmulatedMedia", object{"features": []object{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion},
	}}, nil)
	return p
}
