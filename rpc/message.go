package rpc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// What go-ethereum's server does not tell, the messages do: which methods a request
// calls, and whether the answer is an error. They are looked at here without being
// decoded a second time. The scan finds where values end and no more; input that is
// not JSON makes it stop early, and then says nothing that a bound depends on: the
// server below refuses such input by itself.

// A call is an item of a request.
type call struct {
	method    string
	id        []byte // as it stands there, a part of the request; nil if it wants no answer
	versioned bool   // as the protocol's version 2.0 wants it; the server below refuses others
	params    bool   // there are some
	result    bool   // or an error: then it may be an answer
}

// answered reports whether the call gets an answer: it wants one, or is no call. Answers to
// what nobody asked get none.
func (c call) answered() bool {
	switch {
	case !c.versioned:
		return true
	case c.method != "":
		return c.id != nil
	}
	return c.id == nil || c.id[0] == '{' || c.id[0] == '[' || c.params || !c.result
}

// validID is the id, or nil if there is none, or one that is not allowed.
func (c call) validID() []byte {
	if c.id == nil || !json.Valid(c.id) || c.id[0] == '{' || c.id[0] == '[' {
		return nil
	}
	return c.id
}

// subscribes reports whether the call needs a connection that lasts.
func (c call) subscribes() bool {
	return c.id != nil && (strings.HasSuffix(c.method, "_subscribe") || strings.HasSuffix(c.method, "_unsubscribe"))
}

// parseRequest returns the calls of a request, at most limit of a batch.
func parseRequest(body []byte, limit int) (calls []call, batch bool) {
	i := skipSpace(body, 0)
	if i == len(body) || body[i] != '[' {
		return []call{parseCall(body)}, false
	}
	elements(body, func(element []byte) bool {
		calls = append(calls, parseCall(element))
		return len(calls) < limit
	})
	return calls, true
}

func parseCall(message []byte) (c call) {
	fields(message, func(key, rest []byte) bool {
		switch string(key) {
		case "params":
			c.params = true
			return true
		case "result", "error":
			c.result = true
			return true
		case "id", "method", "jsonrpc":
		default:
			return true
		}
		end := valueEnd(rest, 0)
		if end < 0 {
			return false
		}
		text := unquote(rest[:end])
		switch { // as the server below, who skips what is no string
		case string(key) == "id":
			c.id = rest[:end]
		case text == nil:
		case string(key) == "method":
			c.method = string(text)
		default:
			c.versioned = string(text) == "2.0"
		}
		return true
	})
	return c
}

// An outcome is how a call ended: the code of its error, if it failed.
type outcome struct {
	code   int
	failed bool
	size   int // of the result or error in bytes, with what follows it
}

// parseAnswer returns the outcomes in an answer, one for each item of a batch.
func parseAnswer(body []byte) (outcomes []outcome) {
	if len(body) == 0 || body[0] != '[' {
		return []outcome{parseOutcome(body)}
	}
	elements(body, func(element []byte) bool {
		outcomes = append(outcomes, parseOutcome(element))
		return true
	})
	return outcomes
}

func parseOutcome(message []byte) (o outcome) {
	fields(message, func(key, rest []byte) bool {
		switch string(key) {
		case "error":
			o = outcome{errorCode(rest), true, len(rest) - 1}
		case "result":
			o.size = len(rest) - 1
		default:
			return true
		}
		return false
	})
	return o
}

func errorCode(object []byte) (code int) {
	fields(object, func(key, rest []byte) bool {
		if string(key) != "code" {
			return true
		}
		if end := valueEnd(rest, 0); end > 0 {
			code, _ = strconv.Atoi(string(rest[:end]))
		}
		return false
	})
	return code
}

// isNotification tells what a server says of its own accord from an answer. It
// relies on how go-ethereum's server orders the fields.
func isNotification(message []byte) bool {
	return bytes.HasPrefix(message, []byte(`{"jsonrpc":"2.0","method":`))
}

// fields calls yield for each field of an object, with the bytes from the beginning
// of its value on, until yield returns false or the object ends.
func fields(data []byte, yield func(key, rest []byte) bool) {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return
	}
	for i = skipSpace(data, i+1); i < len(data) && data[i] == '"'; i = skipSpace(data, i+1) {
		end := stringEnd(data, i)
		if end < 0 {
			return
		}
		key := unquote(data[i:end])
		if i = skipSpace(data, end); i == len(data) || data[i] != ':' {
			return
		}
		i = skipSpace(data, i+1)
		if !yield(key, data[i:]) {
			return
		}
		if i = valueEnd(data, i); i < 0 {
			return
		}
		if i = skipSpace(data, i); i == len(data) || data[i] != ',' {
			return
		}
	}
}

// elements calls yield for each element of an array, until yield returns false or
// the array ends.
func elements(data []byte, yield func([]byte) bool) {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '[' {
		return
	}
	for i = skipSpace(data, i+1); i < len(data) && data[i] != ']'; i = skipSpace(data, i+1) {
		end := valueEnd(data, i)
		if end <= i || !yield(data[i:end]) {
			return
		}
		if i = skipSpace(data, end); i == len(data) || data[i] != ',' {
			return
		}
	}
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// stringEnd is where the string that begins at i ends, or -1. Raw transactions are
// long, so it looks for what may end one, and not at every byte.
func stringEnd(data []byte, i int) int {
	i++
	for quote := i - 1; ; {
		if quote < i { // the one before was escaped
			n := bytes.IndexByte(data[i:], '"')
			if n < 0 {
				return -1
			}
			quote = i + n
		}
		escape := bytes.IndexByte(data[i:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		i += escape + 2
	}
}

// valueEnd is where the value that begins at i ends, or -1.
func valueEnd(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"':
		return stringEnd(data, i)
	case '{', '[':
		return nestedEnd(data, i)
	}
	switch n := bytes.IndexAny(data[i:], ",:}] \t\r\n"); n {
	case -1:
		return len(data)
	case 0:
		return -1
	default:
		return i + n
	}
}

// nestedEnd is where the object or array that begins at i ends, or -1.
func nestedEnd(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			end := stringEnd(data, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// unquote is the text of a JSON string, empty for anything else. It may be a part of
// value.
func unquote(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return nil
	}
	return []byte(text)
}
