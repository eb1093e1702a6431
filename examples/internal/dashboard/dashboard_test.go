package dashboard

import (
	"io"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// get asks for a path, with headers as names and values.
func get(t *testing.T, method, url string, headers ...string) (status int, body string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), response.Header
}

var paths = map[string]string{
	"/":                    "text/html; charset=utf-8",
	"/dashboard/style.css": "text/css; charset=utf-8",
	"/dashboard/script.js": "text/javascript; charset=utf-8",
	"/dashboard/icon.svg":  "image/svg+xml",
}

// Nothing comes from elsewhere, and the browser is told to see to it.
func TestPage(t *testing.T) {
	url, _ := new(world).open(t, time.Hour)
	elsewhere := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]+[.:][^\s"']*|@import|url\(`)
	inline := regexp.MustCompile(`(?i)\s(style|on[a-z]+)=|<style|<script(?:[^>]*)>[^<]`)
	for path, kind := range paths {
		status, body, header := get(t, "GET", url+path)
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, kind, header.Get("Content-Type"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, policy, header.Get("Content-Security-Policy"), path)
		for _, address := range elsewhere.FindAllString(body, -1) {
			require.Equal(t, "http://www.w3.org/2000/svg", address, path) // a name, which nobody visits
		}
		if path == "/" {
			require.Empty(t, inline.FindAllString(body, -1))
		}
		status, body, _ = get(t, "GET", url+path, "If-None-Match", header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, status, path)
		require.Empty(t, body)
	}
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, policy, "*")
}

func TestOtherPaths(t *testing.T) {
	url, _ := new(world).open(t, time.Hour)
	for path, want := range map[string]int{
		"/nothing": 404, "/dashboard": 404, "/dashboard/": 404, "/dashboard/index.html": 404, "/page/index.html": 404,
		"/dashboard/live": 400, // no WebSocket
	} {
		status, _, _ := get(t, "GET", url+path)
		require.Equal(t, want, status, path)
	}
	status, _, _ := get(t, "POST", url+"/")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	status, body, _ := get(t, "HEAD", url+"/")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, body)
}

// Every element that the script asks for is there.
func TestScriptKnowsThePage(t *testing.T) {
	script, err := files.ReadFile("page/script.js")
	require.NoError(t, err)
	html, err := files.ReadFile("page/index.html")
	require.NoError(t, err)
	names := regexp.MustCompile(`\$\("([a-z0-9-]+)"\)`).FindAllSubmatch(script, -1)
	require.Greater(t, len(names), 20)
	for _, name := range names {
		require.Contains(t, string(html), ` id="`+string(name[1])+`"`)
	}
}
