package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

type object = map[string]any

// separator ends each message.
const separator = 0

// A connection carries calls and events of the DevTools protocol.
type connection struct {
	say  io.WriteCloser
	end  func()        // of the browser
	done chan struct{} // closed when nothing more is read

	mu      sync.Mutex
	calls   int
	answers map[int]chan<- answer
	said    map[string][]string // complaints, by session
}

// An answer is either to a call, which has an ID, or an event.
type answer struct {
	ID        int
	SessionID string
	Method    string
	Params    json.RawMessage
	Result    json.RawMessage
	Error     *struct{ Message string }
}

func connect(say io.WriteCloser, listen io.ReadCloser, end func()) *connection {
	c := &connection{say: say, end: end, done: make(chan struct{}), answers: make(map[int]chan<- answer), said: make(map[string][]string)}
	go func() {
		defer close(c.done)
		defer listen.Close()
		c.read(listen)
	}()
	return c
}

func (c *connection) close() {
	_ = c.say.Close()
	c.end()
	<-c.done
}

// read takes what comes until the browser ends.
func (c *connection) read(listen io.Reader) {
	for r := bufio.NewReader(listen); ; {
		text, err := r.ReadBytes(separator)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(text[:len(text)-1], &a) != nil {
			return
		}
		c.take(a)
	}
}

func (c *connection) take(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.answers[a.ID]; to != nil {
		to <- a // it has room
		delete(c.answers, a.ID)
	} else if text := complaint(&a); text != "" {
		c.said[a.SessionID] = append(c.said[a.SessionID], text)
	}
}

// call calls a method of a session, or of the browser.
func (c *connection) call(session, method string, params object, result any) error {
	answered := make(chan answer, 1)
	if err := c.send(session, method, params, answered); err != nil {
		return err
	}
	select {
	case a := <-answered:
		if a.Error != nil {
			return errors.New(a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-c.done:
		return errors.New("the browser is gone")
	case <-time.After(patience):
		return fmt.Errorf("no answer in %s", patience)
	}
}

func (c *connection) send(session, method string, params object, answered chan<- answer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	message := object{"id": c.calls, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	c.answers[c.calls] = answered
	_, err = c.say.Write(append(text, separator))
	return err
}

func (c *connection) complaints(session string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.said[session]...)
}

// complaint is what an event says went wrong, if it is of that kind.
func complaint(a *answer) string {
	switch a.Method {
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled":
		return string(a.Params)
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Level, Text, URL string }
		}
		if json.Unmarshal(a.Params, &p) != nil || p.Entry.Level == "info" || p.Entry.Level == "verbose" {
			return ""
		}
		return fmt.Sprintf("%s: %s %s", p.Entry.Level, p.Entry.Text, p.Entry.URL)
	}
	return ""
}
