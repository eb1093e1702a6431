package dashboard_test

import (
	"github.com/vivace-chain/vivace/examples/internal/dashboard/browser"
	"os"
	"testing"
	"time"
)

func TestLook(t *testing.T) {
	b := browser.Open(t)
	for n, v := range map[string]browser.View{"desktop": browser.Desktop, "phone": browser.Phone, "light": {Width: 1280, Height: 900, Light: true}} {
		p := b.Page(t, v)
		p.Visit(os.Getenv("LOOK"))
		p.Wait(`document.body.className==="live"`)
		time.Sleep(time.Second)
		p.Picture(n)
		t.Log(p.Complaints())
	}
}
