package rpc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// FuzzRequest sends anything as a body over HTTP and as a message of a WebSocket. The
// door answers with JSON-RPC or not at all, and goes on.
func FuzzRequest(f *testing.F) {
	node := rpctest.Dev(f, rpctest.Options{Hold: true})
	node.Seal(node.Transfer(0, rpctest.AccountAt(1).Address, 1))
	door, err := rpc.New(rpc.Config{
		Backend: node, Engine: node.Engine(),
		Limits: rpc.Limits{BatchItems: 100, Timeout: 2 * time.Second},
	})
	if err != nil {
		f.Fatal(err)
	}
	server := httptest.NewServer(door.Handler())
	f.Cleanup(func() { door.Close(); server.Close() })
	var conn *websocket.Conn
	serial := 0
	f.Fuzz(func(t *testing.T, path bool, body []byte) {
		url := server.URL
		if path {
			url += "/realtime"
		}
		checkAnswer(t, fuzzPost(t, door, path, body))
		if conn == nil {
			if conn, _, err = websocket.DefaultDialer.Dial(ws(url), nil); err != nil {
				t.Fatal(err)
			}
		}
		serial++
		last := fmt.Sprintf(`"last %d"`, serial)
		if err := conn.WriteMessage(websocket.TextMessage, body); err != nil {
			t.Fatal(err)
		}
		write(t, conn, strings.Replace(chainID, `"id":1`, `"id":`+last, 1))
		for {
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, message, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(message, []byte(last)) {
				return
			}
			checkAnswer(t, message)
		}
	})
}

func fuzzPost(t *testing.T, door *rpc.Server, realtime bool, body []byte) []byte {
	t.Helper()
	target := "/"
	if realtime {
		target = "/realtime"
	}
	request := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	door.Handler().ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		t.Fatalf("status %d", recorder.Code)
	}
	return recorder.Body.Bytes()
}

// checkAnswer checks that a message is an answer, several, none, or a notification.
func checkAnswer(t *testing.T, message []byte) {
	t.Helper()
	if len(message) == 0 {
		return
	}
	type answer struct {
		Version string `json:"jsonrpc"`
		ID      *json.RawMessage
		Method  string
		Result  *json.RawMessage
		Error   *struct {
			Code    *int
			Message *string
		}
	}
	var answers []answer
	if message[0] == '[' {
		if err := json.Unmarshal(message, &answers); err != nil || len(answers) == 0 {
			t.Fatalf("%q: %v", message, err)
		}
	} else {
		answers = make([]answer, 1)
		if err := json.Unmarshal(message, &answers[0]); err != nil {
			t.Fatalf("%q: %v", message, err)
		}
	}
	for _, a := range answers {
		ok := a.Error == nil || a.Error.Code != nil && a.Error.Message != nil
		if a.Version != "2.0" || !ok {
			t.Fatalf("%q", message)
		}
	}
}
