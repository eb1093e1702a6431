package rpc_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// config is what a door on a node of its own is made of.
func config(tb testing.TB) rpc.Config {
	node := rpctest.Dev(tb, rpctest.Options{})
	return rpc.Config{Backend: node, Engine: node.Engine()}
}

// A request, with what matters of it.
type request struct {
	method, path, host, body string
	header                   http.Header
}

func (r request) send(t *testing.T, url string) (status int, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, url+r.path, strings.NewReader(r.body))
	require.NoError(t, err)
	req.Host = r.host
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), response.Header
}

// post sends a JSON-RPC request and returns the answer.
func post(t *testing.T, url, body string) string {
	t.Helper()
	status, answer, _ := request{method: "POST", path: "/", body: body}.send(t, url)
	require.Equal(t, http.StatusOK, status, answer)
	return answer
}

const chainID = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`

func TestPaths(t *testing.T) {
	url := serve(t, config(t))
	for _, c := range []struct {
		request
		status int
		part   string
	}{
		{request{method: "POST", path: "/", body: chainID}, 200, `"result":"0x7a69"`},
		{request{method: "POST", path: "/realtime", body: chainID}, 200, `"result":"0x7a69"`},
		{request{method: "GET", path: "/"}, 200, "JSON-RPC"},
		{request{method: "HEAD", path: "/"}, 200, ""},
		{request{method: "GET", path: "/realtime"}, 405, ""},
		{request{method: "PUT", path: "/", body: chainID}, 405, ""},
		{request{method: "GET", path: "/nothing"}, 404, ""},
		{request{method: "POST", path: "/admin", body: chainID}, 404, ""},
		{request{method: "GET", path: "/healthz/live"}, 200, "ok"},
		{request{method: "GET", path: "/healthz/ready"}, 200, "ok"},
		{request{method: "POST", path: "/", body: chainID, header: http.Header{"Content-Type": {"text/plain"}}}, 415, "invalid content type"},
		{request{method: "POST", path: "/"}, 200, ""},
	} {
		status, body, _ := c.send(t, url)
		require.Equal(t, c.status, status, "%v: %s", c.request, body)
		require.Contains(t, body, c.part, "%v", c.request)
	}
}

func TestPages(t *testing.T) {
	cfg := config(t)
	cfg.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	url := serve(t, cfg)
	for _, path := range []string{"/", "/metrics"} {
		_, body, _ := request{method: "GET", path: path}.send(t, url)
		require.Equal(t, "page "+path, body)
	}
	require.Contains(t, post(t, url, chainID), "result")
}

func TestErrors(t *testing.T) {
	url := serve(t, config(t))
	for body, code := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}`:                            "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"nothing"}`:                                "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"admin_status"}`:                           "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"testing_buildBlockV1"}`:                   "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`:    "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x1"]}`:        "-32602",
		`{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}`:                         "-32602",
		`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x"]}`: "-32000",
		`{"id":1,"method":"eth_chainId"}`:                                            "-32600",
		`[]`:                                                                         "-32600",
		`{`:                                                                          "-32700",
	} {
		answer := post(t, url, body)
		require.Contains(t, answer, `"code":`+code+`,`, body)
	}
}

func TestHosts(t *testing.T) {
	cfg := config(t)
	cfg.Hosts = []string{"localhost", "Node.Example"}
	url := serve(t, cfg)
	for host, status := range map[string]int{
		"": 200, "localhost:8545": 200, "LOCALHOST": 200, "node.example:1": 200, "127.0.0.1:8545": 200,
		"[::1]:8545": 200, "[::1]": 200, "evil.example": 403, "evil.example:8545": 403, "localhost.evil.example": 403,
	} {
		got, _, _ := request{method: "POST", path: "/", host: host, body: chainID}.send(t, url)
		require.Equal(t, status, got, "Host: %s", host)
	}
	// The WebSocket's handshake, health and pages are behind the same check.
	_, response, err := websocket.DefaultDialer.Dial(ws(url), http.Header{"Host": {"evil.example"}})
	require.Error(t, err)
	require.Equal(t, 403, response.StatusCode)
	got, _, _ := request{method: "GET", path: "/healthz/live", host: "evil.example"}.send(t, url)
	require.Equal(t, 403, got)
}

func ws(url string) string { return "ws" + strings.TrimPrefix(url, "http") }

func TestOrigins(t *testing.T) {
	cfg := config(t)
	cfg.Origins = []string{"https://wallet.example", "http://*.no", "local.example:3000"}
	url := serve(t, cfg)
	for origin, allowed := range map[string]bool{
		"https://wallet.example": true, "HTTPS://Wallet.Example": true, "https://wallet.example:444": true,
		"http://wallet.example": false, "https://evil.example": false, "https://wallet.example.evil": false,
		"http://local.example:3000": true, "https://local.example:3000": true, "https://local.example:3001": false,
		"null": false, "": true,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		_, _, answer := request{method: "POST", path: "/", body: chainID, header: header}.send(t, url)
		shared := answer.Get("Access-Control-Allow-Origin")
		if allowed {
			require.Equal(t, origin, shared)
		} else {
			require.Empty(t, shared, origin)
		}
		conn, response, err := websocket.DefaultDialer.Dial(ws(url), header)
		if allowed {
			require.NoError(t, err, origin)
			require.NoError(t, conn.Close())
		} else {
			require.Error(t, err, origin)
			require.Equal(t, 403, response.StatusCode, origin)
		}
	}
	preflight := http.Header{
		"Origin": {"https://wallet.example"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"Content-Type"},
	}
	status, _, answer := request{method: "OPTIONS", path: "/", header: preflight}.send(t, url)
	require.Equal(t, 204, status)
	require.Equal(t, "https://wallet.example", answer.Get("Access-Control-Allow-Origin"))
	require.Contains(t, answer.Get("Access-Control-Allow-Headers"), "Content-Type")
	preflight.Set("Origin", "https://evil.example")
	_, _, answer = request{method: "OPTIONS", path: "/", header: preflight}.send(t, url)
	require.Empty(t, answer.Get("Access-Control-Allow-Origin"))
	require.Empty(t, answer.Get("Access-Control-Allow-Headers"))
}

// Without Config.Origins, the pages of this machine may use the door, over HTTP as over
// WebSocket, and no others.
func TestDefaultOrigins(t *testing.T) {
	url := serve(t, config(t))
	for page, allowed := range map[string]bool{
		"http://localhost:5173": true, "https://localhost": true, "http://127.0.0.1:3000": true, "http://[::1]:3000": true,
		"https://wallet.example": false, "http://localhost.evil.example": false, "http://127.0.0.1.evil.example": false,
		"http://192.0.2.1": false, "null": false, "file://": false,
	} {
		requireOrigin(t, url, page, allowed)
	}
	cfg := config(t)
	cfg.Origins = []string{}
	requireOrigin(t, serve(t, cfg), "http://localhost:5173", false)
}

// requireOrigin checks whether a page can write, read and open WebSockets.
func requireOrigin(t *testing.T, url, page string, allowed bool) {
	t.Helper()
	share := ""
	if allowed {
		share = page
	}
	_, _, asked := request{method: "OPTIONS", path: "/", header: http.Header{
		"Origin": {page}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type,x-client"},
	}}.send(t, url)
	require.Equal(t, share, asked.Get("Access-Control-Allow-Origin"), page)
	if allowed {
		require.Equal(t, "content-type,x-client", asked.Get("Access-Control-Allow-Headers"))
	}
	_, _, answer := request{method: "POST", path: "/", body: chainID, header: http.Header{"Origin": {page}}}.send(t, url)
	require.Equal(t, share, answer.Get("Access-Control-Allow-Origin"), page)
	conn, response, err := websocket.DefaultDialer.Dial(ws(url), http.Header{"Origin": {page}})
	if !allowed {
		require.Error(t, err, page)
		require.Equal(t, 403, response.StatusCode, page)
		return
	}
	require.NoError(t, err, page)
	require.NoError(t, conn.Close())
}

// What a browser sends for a page without asking first is refused: it would execute,
// though the page could not read the answer.
func TestSimpleRequests(t *testing.T) {
	url := serve(t, config(t))
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(chainID))
		require.NoError(t, err)
		req.Header = http.Header{"Origin": {"https://evil.example"}}
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		response, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode, kind)
	}
}

// Whatever Config.Origins says, the door's own pages open WebSockets.
func TestOwnOrigin(t *testing.T) {
	cfg := config(t)
	cfg.Origins, cfg.Hosts = []string{"https://wallet.example"}, []string{"Node.Example"}
	url := serve(t, cfg)
	for _, c := range []struct {
		host, page string
		status     int
	}{
		{"node.example:8545", "http://node.example:8545", 101},
		{"NODE.example", "https://node.EXAMPLE", 101},
		{"node.example:8545", "http://node.example:3000", 403},
		{"evil.example", "http://evil.example", 403},
	} {
		_, response, err := websocket.DefaultDialer.Dial(ws(url), http.Header{"Host": {c.host}, "Origin": {c.page}})
		require.Equal(t, c.status, response.StatusCode, "%v: %v", c, err)
	}
}

func TestConfig(t *testing.T) {
	good := config(t)
	for want, change := range map[string]func(*rpc.Config){
		"Backend":    func(c *rpc.Config) { c.Backend = nil },
		"Engine":     func(c *rpc.Config) { c.Engine = nil },
		"admin":      func(c *rpc.Config) { c.Namespaces = []string{"admin"} },
		"Namespaces": func(c *rpc.Config) { c.Namespaces = []string{"eht"} },
		"InFlight":   func(c *rpc.Config) { c.Limits.InFlight = -1 },
		"Memory":     func(c *rpc.Config) { c.Limits.Memory = 1 << 20 },
		"Secret":     func(c *rpc.Config) { c.Admin = &rpc.Admin{Secret: []byte("short")} },
	} {
		cfg := good
		change(&cfg)
		_, err := rpc.New(cfg)
		require.ErrorContains(t, err, want)
	}
}
