package browser

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A Page is a tab.
type Page struct {
	tb      testing.TB
	conn    *connection
	session string
}

func (p *Page) call(method string, params object, result any) {
	p.tb.Helper()
	if err := p.conn.call(p.session, method, params, result); err != nil {
		p.tb.Fatalf("%s: %v", method, err)
	}
}

// Visit goes to an address.
func (p *Page) Visit(url string) {
	p.tb.Helper()
	var result struct{ ErrorText string }
	p.call("Page.navigate", object{"url": url}, &result)
	if result.ErrorText != "" {
		p.tb.Fatalf("%s: %s", url, result.ErrorText)
	}
}

// Eval puts the value of a JavaScript expression into result, by way of JSON.
func (p *Page) Eval(expression string, result any) {
	p.tb.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	p.call("Runtime.evaluate", object{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	if e := answer.ExceptionDetails; e != nil {
		p.tb.Fatalf("%s: %s", expression, e.Exception.Description)
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		p.tb.Fatalf("%s: %v", expression, err)
	}
}

// Text is what an element, named by a selector, shows.
func (p *Page) Text(selector string) (text string) {
	p.tb.Helper()
	name, _ := json.Marshal(selector)
	p.Eval("document.querySelector("+string(name)+").innerText", &text)
	return text
}

// Wait waits until an expression is true. One that throws is not: the page may be loading.
func (p *Page) Wait(condition string) {
	p.tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var ok bool
		if p.Eval("(() => { try { return !!("+condition+") } catch { return false } })()", &ok); ok {
			return
		}
	}
	p.tb.Fatalf("%s: not in %s", condition, patience)
}

// Complaints are what the console got: errors, warnings, exceptions.
func (p *Page) Complaints() []string { return p.conn.complaints(p.session) }

// pictures is the directory of all pictures of a run.
var pictures = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("VIVACE_SCREENSHOTS"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	return os.MkdirTemp("", "vivace-screenshots-")
})

// Picture writes all of the page into a PNG file: in the directory that VIVACE_SCREENSHOTS
// names, or in a temporary one, which stays.
func (p *Page) Picture(name string) {
	p.tb.Helper()
	dir, err := pictures()
	if err != nil {
		p.tb.Fatal(err)
	}
	var layout struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	p.call("Page.getLayoutMetrics", nil, &layout)
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", object{"format": "png", "captureBeyondViewport": true, "clip": object{
		"x": 0, "y": 0, "width": layout.CSSContentSize.Width, "height": layout.CSSContentSize.Height, "scale": 1,
	}}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.tb.Fatal(err)
	}
	file := filepath.Join(dir, name+".png")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Logf("picture: %s", file)
}
