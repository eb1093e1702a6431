package dashboard

import (
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/dashboard/browser"
)

const live = `document.body.className === "live" && document.querySelector("#tps").textContent !== "–"`

// fits fails if anything is wider than the screen, or than the panel it is in.
func fits(t *testing.T, page *browser.Page, width int) {
	t.Helper()
	var wide int
	page.Eval(`Math.max(document.documentElement.scrollWidth, window.innerWidth)`, &wide)
	require.LessOrEqual(t, wide, width)
	var beyond []string
	page.Eval(`[...document.querySelectorAll(".panel:not([hidden])")].flatMap((panel) => {
		const edge = panel.getBoundingClientRect().right - 8;
		return [...panel.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > edge && !e.closest("svg"))
			.map((e) => [e.tagName, e.id, e.className].join(" "));
	})`, &beyond)
	require.Empty(t, beyond)
}

func TestBrowser(t *testing.T) {
	b := browser.Open(t)
	for name, c := range map[string]struct {
		view  browser.View
		world world
	}{
		"desktop":         {view: browser.Desktop},
		"desktop-light":   {view: browser.View{Width: 1280, Height: 900, Light: true}},
		"desktop-trouble": {view: browser.Desktop, world: world{trouble: true}},
		"tablet":          {view: browser.View{Width: 820, Height: 1180, Mobile: true, Light: true}},
		"phone":           {view: browser.Phone},
		"phone-light":     {view: browser.View{Width: 390, Height: 844, Scale: 2, Mobile: true, Light: true}},
		"phone-trouble":   {view: browser.Phone, world: world{trouble: true}},
		"phone-small":     {view: browser.View{Width: 320, Height: 568, Mobile: true, Still: true}},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := c.world.open(t, 26*time.Hour+14*time.Minute)
			page := b.Page(t, c.view)
			page.Visit(url)
			page.Wait(live)
			page.Picture("dashboard-" + name)
			fits(t, page, c.view.Width)
			for selector, shape := range map[string]string{
				"#tps":        `^[1-3],\d{3}$`,
				"#txs":        `^22\d,\d{3},\d{3}$`,
				"#p50":        `^4\.\d\d$`,
				"#p99":        `^\d\d\.\d$`,
				"#uptime":     `^1 d 02 h$`,
				"#minis":      `^(9\d|10\d)\.\d$`,
				"#minis-note": `^newest 94,\d{3}/\d+, every 10 ms$`,
				"#diff":       `^52\.0$`,
				"#witness":    `^417\.0$`,
				"#heads":      `(?s)Executed.*94,\d{3}/\d+.*Sealed.*1 behind.*Published.*Proven.*behind`,
				"#queues":     `(?s)Pool.* / 65,536.*DA.* / 64`,
				"#nodes-rows": `(?s)full node 1.*52\.0.*full node 2.*52\.0`,
				"#addresses":  `http://127.0.0.1:8547`,
			} {
				require.Regexp(t, shape, page.Text(selector), selector)
			}
			trouble := c.world.trouble
			require.Equal(t, trouble, regexp.MustCompile(`nearly full: 51,200`).MatchString(page.Text("#queues")))
			require.Equal(t, trouble, regexp.MustCompile(`filling: 34`).MatchString(page.Text("#queues")))
			var bad int
			page.Eval(`document.querySelectorAll("td.bad").length`, &bad)
			require.Equal(t, trouble, bad > 0)
			var first, second string
			page.Eval(`document.querySelector("#tps-line").getAttribute("d")`, &first)
			page.Wait(`document.querySelector("#tps-line").getAttribute("d") !== "` + first + `"`)
			page.Eval(`document.querySelector("#latency-bars").getAttribute("d")`, &second)
			require.Greater(t, len(second), 100)
			require.Empty(t, page.Complaints())
		})
	}
}

// A chain that has just begun has nothing to show yet, and nothing goes wrong.
func TestBrowserFirstMoment(t *testing.T) {
	f := newFeed()
	d := &Dashboard{mux: newMux(f), feed: f, stop: func() {}}
	server := httptest.NewServer(d)
	t.Cleanup(func() { require.NoError(t, d.Close()); server.Close() })
	w := &world{started: time.Now()}
	f.send(fill(1, func(int) Snapshot {
		s := w.at(w.started.Add(4 * time.Second))
		s.Started = time.Unix(1000, 0)
		s.Transactions, s.MiniBlocks, s.Heads = 0, 0, Heads{Proves: true}
		return s
	}).message())
	page := browser.Open(t).Page(t, browser.Phone)
	page.Visit(server.URL)
	page.Wait(live)
	page.Picture("dashboard-phone-first")
	fits(t, page, 390)
	require.Equal(t, "0", page.Text("#tps"))
	require.Equal(t, "0 s", page.Text("#uptime"))
	require.Equal(t, "–", page.Text("#p50"))
	require.Equal(t, "–", page.Text("#diff"))
	require.Empty(t, page.Complaints())
}

// What nobody measured is not on the page.
func TestBrowserSequencerAlone(t *testing.T) {
	w := world{alone: true}
	url, _ := w.open(t, time.Hour)
	page := browser.Open(t).Page(t, browser.Desktop)
	page.Visit(url)
	page.Wait(live)
	page.Picture("dashboard-desktop-alone")
	fits(t, page, 1280)
	for _, id := range []string{"#latency", "#nodes", "#provers"} {
		var hidden bool
		page.Eval(`document.querySelector("`+id+`").hidden`, &hidden)
		require.True(t, hidden, id)
	}
	require.NotContains(t, page.Text("#heads"), "Proven")
	require.Empty(t, page.Complaints())
}

// The layout stands still while the numbers change.
func TestBrowserLayoutIsSteady(t *testing.T) {
	url, _ := new(world).open(t, time.Hour)
	page := browser.Open(t).Page(t, browser.Phone)
	page.Visit(url)
	page.Wait(live)
	var moved []string
	page.Eval(`new Promise((resolve) => {
		const where = () => [...document.querySelectorAll(".panel, h2, svg, table, .cells")].map((e) => {
			const r = e.getBoundingClientRect();
			return [r.left, r.top, r.width, r.height].map(Math.round).join(" ");
		});
		const before = where();
		setTimeout(() => resolve(where().flatMap((w, i) => w === before[i] ? [] : [before[i] + " -> " + w])), 3000);
	})`, &moved)
	require.Empty(t, moved)
}

// The page says that the connection is lost, and finds it again by itself.
func TestBrowserReconnects(t *testing.T) {
	w := new(world)
	url, d := w.open(t, time.Hour)
	page := browser.Open(t).Page(t, browser.Phone)
	page.Visit(url)
	page.Wait(live)

	d.feed.mu.Lock()
	for v := range d.feed.viewers {
		v.leave()
	}
	d.feed.mu.Unlock()
	page.Wait(`document.body.className === "disconnected"`)
	page.Wait(live)
	require.Empty(t, page.Complaints())

	require.NoError(t, d.Close())
	page.Wait(`document.querySelector("#status").innerText === "disconnected"`)
	page.Wait(`document.querySelector("#lost").innerText.startsWith("Connection lost")`)
	page.Picture("dashboard-phone-disconnected")
	fits(t, page, 390)
}
