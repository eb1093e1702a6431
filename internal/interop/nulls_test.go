package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A preconfirmed receipt has no block hash yet. TestNulls finds out which client bears
// that, by a node whose answers have null wherever a block's hash should be, and
// compares with the table in README.md.
func TestNulls(t *testing.T) {
	k := prepare(t)
	node := startGeth(t)[0]
	proxy := startNullProxy(t, node)
	table := readTable(t)
	accounts := genesis.DevAccounts()
	for i, client := range []struct {
		name    string
		command []string
	}{
		{"viem", []string{"node", "nulls_viem.mjs"}},
		{"ethers", []string{"node", "nulls_ethers.mjs"}},
		{"web3.py", []string{k.python, "nulls_web3.py"}},
		{"cast", []string{"node", "nulls_cast.mjs", k.binary(t, "cast")}},
	} {
		t.Run(client.name, func(t *testing.T) {
			out, err := k.run(t, client.command, map[string]string{
				"HTTP_URL": proxy.http, "WS_URL": proxy.ws, "DATA_URL": node.http,
				"PRIVATE_KEY": accounts[i].Key.Hex(), "CHAIN_ID": strconv.Itoa(chainID),
			})
			require.NoError(t, err, "%s", out)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			bears := make(map[string]bool)
			require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &bears), "%s", out)
			requireColumn(t, table, client.name, bears, out)
		})
	}
}

// TestNullsInGo is TestNulls for go-ethereum's client.
func TestNullsInGo(t *testing.T) {
	node := startGeth(t)[0]
	proxy := startNullProxy(t, node)
	s := beginStory(t, dialDoor(t, node))
	s.send(0, &types.DynamicFeeTx{Data: s.probe.creation(t, "nulls", common.Big1), Gas: 2_000_000})
	s.send(0, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(t, "store", common.Big1, "x")})

	client, err := ethclient.Dial(proxy.http)
	require.NoError(t, err)
	defer client.Close()
	ws, err := ethclient.Dial(proxy.ws)
	require.NoError(t, err)
	defer ws.Close()
	ctx, hash, logs := t.Context(), s.txs[1], ethereum.FilterQuery{Addresses: []common.Address{s.contract}}
	rows := map[string]func() error{
		"a receipt": func() error {
			_, err := client.TransactionReceipt(ctx, hash)
			return err
		},
		"a transaction": func() error {
			_, _, err := client.TransactionByHash(ctx, hash)
			return err
		},
		"logs": func() error {
			_, err := client.FilterLogs(ctx, logs)
			return err
		},
		"a log subscription": func() error {
			found := make(chan types.Log, 1)
			sub, err := ws.SubscribeFilterLogs(ctx, logs, found)
			if err != nil {
				return err
			}
			defer sub.Unsubscribe()
			s.send(0, &types.DynamicFeeTx{To: &s.contract, Data: s.probe.call(t, "store", common.Big1, "y")})
			select {
			case <-found:
				return nil
			case err := <-sub.Err():
				return fmt.Errorf("the subscription ended: %w", err)
			case <-time.After(3 * time.Second):
				return fmt.Errorf("no log")
			}
		},
		"a block with transactions": func() error {
			_, err := client.BlockByNumber(ctx, nil)
			return err
		},
	}
	var out strings.Builder
	bears := make(map[string]bool)
	for name, try := range rows {
		err := try()
		bears[name] = err == nil
		fmt.Fprintf(&out, "%s: %v\n", name, err)
	}
	requireColumn(t, readTable(t), "ethclient", bears, out.String())
}

// requireColumn compares what a client bears with its column of the table.
func requireColumn(t *testing.T, table map[string]map[string]string, client string, bears map[string]bool, out string) {
	t.Helper()
	require.NotEmpty(t, bears)
	for row, cells := range table {
		want := cells[client]
		got, tried := bears[row]
		switch {
		case !tried:
			require.Equal(t, "", want, "%s, %s: README.md says something that is not tested", client, row)
		case got:
			require.Equal(t, "yes", want, "%s, %s:\n%s", client, row, out)
		default:
			require.Equal(t, "no", want, "%s, %s:\n%s", client, row, out)
		}
	}
	for row := range bears {
		require.Contains(t, table, row, "not in README.md's table")
	}
}

// readTable reads the table of README.md whose first column is "null in".
func readTable(t *testing.T) map[string]map[string]string {
	src, err := os.ReadFile("README.md")
	require.NoError(t, err)
	table := make(map[string]map[string]string)
	var clients []string
	for line := range strings.Lines(string(src)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "null in":
			clients = cells[1:]
		case clients == nil || strings.HasPrefix(cells[0], "---"):
		case len(cells) != len(clients)+1:
			require.NotEmpty(t, table)
			return table
		default:
			row := make(map[string]string)
			for i, client := range clients {
				row[client] = cells[i+1]
			}
			table[cells[0]] = row
		}
	}
	require.NotEmpty(t, table, "no table in README.md")
	return table
}

// startNullProxy serves what the node answers, without the hashes of blocks.
func startNullProxy(t *testing.T, at endpoints) endpoints {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			relay(w, r, at.ws)
			return
		}
		response, err := http.Post(at.http, "application/json", r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(withoutHashes(body))
	}))
	t.Cleanup(server.Close)
	url := server.URL
	return endpoints{name: "nulls", http: url, ws: strings.Replace(url, "http", "ws", 1)}
}

// relay connects a WebSocket with another one.
func relay(w http.ResponseWriter, r *http.Request, url string) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	client, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer client.Close()
	node, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return
	}
	defer node.Close()
	go func() {
		defer node.Close()
		pump(node, client, func(b []byte) []byte { return b })
	}()
	pump(client, node, withoutHashes)
}

// pump passes messages on until one side is closed.
func pump(to, from *websocket.Conn, alter func([]byte) []byte) {
	for {
		kind, message, err := from.ReadMessage()
		if err != nil || to.WriteMessage(kind, alter(message)) != nil {
			return
		}
	}
}

// withoutHashes returns the JSON with null for each block's hash. What is no JSON
// stays.
func withoutHashes(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return body
	}
	erase(value)
	out, err := json.Marshal(value)
	if err != nil {
		return body
	}
	return out
}

func erase(value any) {
	switch v := value.(type) {
	case []any:
		for i := range v {
			erase(v[i])
		}
	case map[string]any:
		for name := range v {
			erase(v[name])
		}
		if _, ok := v["blockHash"]; ok { // of a receipt, a log or a transaction
			v["blockHash"] = nil
		}
		if _, ok := v["parentHash"]; ok { // of a block
			v["hash"] = nil
		}
	}
}
