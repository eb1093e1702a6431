package rpc

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// hosts are the names under which clients may address the door.
type hosts map[string]bool

func newHosts(names []string) hosts {
	h := make(hosts)
	for _, name := range names {
		h[strings.ToLower(name)] = true
	}
	return h
}

// allow reports whether a Host header may be served. A page whose own name resolves
// to this machine (DNS rebinding) comes with that name; an IP address it cannot
// forge, and a client that sends nothing is no browser.
func (h hosts) allow(header string) bool {
	if header == "" || h["*"] {
		return true
	}
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	return net.ParseIP(strings.Trim(name, "[]")) != nil || h[strings.ToLower(name)]
}

// origins are the web pages that may use the door.
type origins struct {
	any   bool
	rules []origin
}

// An origin is what a browser says of a page; in a rule, an empty part is any.
type origin struct{ scheme, host, port string }

func newOrigins(rules []string) *origins {
	o := new(origins)
	for _, rule := range rules {
		o.any = o.any || rule == "*"
		o.rules = append(o.rules, parseOrigin(rule))
	}
	return o
}

// ofThisDoor reports whether a page came from the address that it asks. Its Host header
// was let in already, so the name is one of the door's.
func ofThisDoor(page, host string) bool {
	u, err := url.Parse(page)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

func parseOrigin(text string) origin {
	text = strings.ToLower(text)
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return origin{host: "\x00"} // no page's
	}
	return origin{u.Scheme, u.Hostname(), u.Port()}
}

func (o *origins) allow(header string) bool {
	if o.any {
		return true
	}
	page := parseOrigin(header)
	for _, rule := range o.rules {
		if rule.host == page.host && page.host != "\x00" &&
			(rule.scheme == "" || rule.scheme == page.scheme) && (rule.port == "" || rule.port == page.port) {
			return true
		}
	}
	return false
}

// share adds what lets a page of an allowed origin read answers (CORS), and reports
// whether the request was a browser's question about that, which it answers.
func (o *origins) share(w http.ResponseWriter, r *http.Request) (answered bool) {
	page := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	header := w.Header()
	header.Add("Vary", "Origin")
	if page != "" && o.allow(page) {
		header.Set("Access-Control-Allow-Origin", page)
		if preflight {
			header.Set("Access-Control-Allow-Methods", "POST, GET")
			header.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			header.Set("Access-Control-Max-Age", "600")
		}
	}
	if preflight {
		w.WriteHeader(http.StatusNoContent)
	}
	return preflight
}
