package dashboard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestFeed(t *testing.T) {
	url, _ := new(world).open(t, time.Hour)
	conn := look(t, url)
	first := next(t, conn)
	require.Equal(t, "devnet", first.Name)
	require.Equal(t, uint64(31337), first.ChainID)
	require.InDelta(t, 3600, first.Uptime, 5)
	require.Len(t, first.Rates, points, "the minute before is there at once")
	require.InDelta(t, 2400, first.TPS, 700)
	require.InDelta(t, 52, first.Diff, 0.1)
	require.InDelta(t, 417, first.Witness, 0.1)
	require.InDelta(t, 1900, first.Groups.Sync, 100)
	require.InDelta(t, 100, first.Minis.PerSecond, 5)
	require.Equal(t, first.Heads.Number-3, *first.Heads.Proven)
	require.Equal(t, uint64(2), first.Nodes[1].Worst)
	require.InDelta(t, 52, first.Nodes[1].Diff, 0.1)
	require.Len(t, first.Latency.Counts, len(first.Latency.Bounds)+1)
	require.InDelta(t, 4300, first.Latency.P50, 300)
	require.Greater(t, first.Latency.P99, 2*first.Latency.P50)

	began := time.Now()
	var m message
	for range 4 {
		m = next(t, conn)
	}
	require.Greater(t, m.Txs, first.Txs)
	require.Greater(t, time.Since(began), 2*period)
}

// Nobody proves, nobody follows, nobody measured: parts are left out.
func TestFeedOfASequencerAlone(t *testing.T) {
	d := New(func() Snapshot { return Snapshot{Name: "sequencer", Started: time.Now()} })
	defer d.Close()
	server := httptest.NewServer(d)
	defer server.Close()
	m := next(t, look(t, server.URL))
	require.Nil(t, m.Heads.Proven)
	require.Nil(t, m.Latency)
	require.Empty(t, m.Nodes)
	require.Zero(t, m.TPS)
}

func dialFrom(url, origin string) (*http.Response, error) {
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/dashboard/live", http.Header{"Origin": {origin}})
	if err == nil {
		conn.Close()
	}
	return response, err
}

// A page from elsewhere may not read the feed through its reader's browser.
func TestFeedForeignOrigin(t *testing.T) {
	url, _ := new(world).open(t, time.Hour)
	response, err := dialFrom(url, "http://example.org")
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	_, err = dialFrom(url, url)
	require.NoError(t, err)
}

// crowd is how many look on.
func (f *feed) crowd() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.viewers)
}

func TestViewersAreBounded(t *testing.T) {
	url, d := new(world).open(t, time.Hour)
	var conns []*websocket.Conn
	for range viewersMost {
		conns = append(conns, look(t, url))
	}
	_, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/dashboard/live", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)

	conns[0].Close()
	require.Eventually(t, func() bool { return d.feed.crowd() < viewersMost }, 10*time.Second, time.Millisecond)
	next(t, look(t, url))
}

// Who has nothing to say and says something is no page of ours.
func TestViewerThatTalksIsCutOff(t *testing.T) {
	url, d := new(world).open(t, time.Hour)
	conn := look(t, url)
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	require.Eventually(t, func() bool { return d.feed.crowd() == 0 }, 10*time.Second, time.Millisecond)
}

// Who comes between two messages need not wait for the second.
func TestViewerGetsTheNewest(t *testing.T) {
	f := newFeed()
	server := httptest.NewServer(f)
	defer server.Close()
	defer f.close()
	f.send(&message{Txs: 1})
	f.send(&message{Txs: 2})
	require.Equal(t, uint64(2), next(t, look(t, server.URL)).Txs)
}

// A viewer that does not read is dropped, and no message waits for it: the other one
// gets all of them.
func TestSlowViewerIsDropped(t *testing.T) {
	f := newFeed()
	server := httptest.NewServer(f)
	defer server.Close()
	defer f.close()
	look(t, server.URL) // and never reads
	other := look(t, server.URL)
	require.Eventually(t, func() bool { return f.crowd() == 2 }, 10*time.Second, time.Millisecond)

	m := &message{Name: strings.Repeat("x", 64<<10)}
	for sent := uint64(0); f.crowd() == 2; sent++ {
		require.Less(t, sent, uint64(100), "it holds 6 MiB for somebody who does not read")
		m.Txs = sent
		began := time.Now()
		f.send(m)
		require.Less(t, time.Since(began), 5*time.Second)
		require.Equal(t, sent, next(t, other).Txs)
	}
	f.send(m)
	require.Equal(t, m.Txs, next(t, other).Txs)
	require.Equal(t, 1, f.crowd())
}

func TestClose(t *testing.T) {
	url, d := new(world).open(t, time.Hour)
	conn := look(t, url)
	next(t, conn)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	var err error
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), err)
	_, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/dashboard/live", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	status, _, _ := get(t, "GET", url+"/")
	require.Equal(t, http.StatusOK, status)
}
