package browser

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// patience is how long Chromium may take to start and answer, and a page to come to what
// is waited for.
const patience = 30 * time.Second

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
	return "", fmt.Errorf("no Chromium is installed, and VIVACE_CHROMIUM does not say where one is: %w", exec.ErrNotFound)
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
	profile, err := os.MkdirTemp("", "vivace-browser-")
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := start(path, profile)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		conn.close()
		_ = os.RemoveAll(profile)
	})
	return &Browser{conn}
}

// start runs Chromium, with the protocol on two pipes that it inherits as descriptors 3
// and 4. It ends when they do, so it does not outlive us however we end.
func start(path, profile string) (*connection, error) {
	hear, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hear.Close()
	listen, answer, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, say.Close())
	}
	defer answer.Close()
	cmd := exec.Command(path, "--headless", "--remote-debugging-pipe", "--user-data-dir="+profile,
		"--no-sandbox", // root has none, and the pages are ours
		"--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run", "--hide-scrollbars",
		"--force-color-profile=srgb", "about:blank")
	cmd.ExtraFiles = []*os.File{hear, answer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, say.Close(), listen.Close())
	}
	end := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // killed
	}
	return connect(say, listen, end), nil
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
