package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// Each machine has its own address, so all have the same ports.
const (
	doorPort  = 8545
	p2pPort   = 9545
	layerPort = 8548
)

// A machine is a node of the lab with one process on it.
type machine struct {
	testing.TB
	name    string
	index   int
	node    *netlab.Node
	process *netlab.Process
	http    *http.Client // in the node's namespace, by its loopback
}

// machine starts a program on a node.
func (w *world) machine(name string, index int, c netlab.Command) *machine {
	w.Helper()
	m := &machine{TB: w.TB, name: name, index: index, node: w.lab.Node(index)}
	transport := &http.Transport{DialContext: m.node.Dial}
	m.http = &http.Client{Transport: transport}
	w.Cleanup(transport.CloseIdleConnections)
	var err error
	m.process, err = m.node.Start(c)
	require.NoError(w, err)
	w.Cleanup(m.explain)
	return m
}

// explain shows the end of what the process said, if the test failed.
func (m *machine) explain() {
	if !m.Failed() {
		return
	}
	for _, file := range []string{m.process.Stdout, m.process.Stderr} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		m.Logf("%s, %s:\n%s", m.name, file, text[max(0, len(text)-2000):])
	}
}

// url is the door's, by loopback: whatever the links are like, it can be reached.
const url = "http://127.0.0.1:8545"

// door is a client of the machine's door at a path; the caller closes it.
func (m *machine) door(path string) *rpc.Client {
	m.Helper()
	client, err := rpc.DialOptions(context.Background(), url+path, rpc.WithHTTPClient(m.http))
	require.NoError(m, err)
	return client
}

// call asks the machine's door.
func (m *machine) call(result any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, err := rpc.DialOptions(ctx, url, rpc.WithHTTPClient(m.http))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.CallContext(ctx, result, method, args...)
}

// A header is what is compared of a block.
type header struct {
	Number    hexutil.Uint64 `json:"number"`
	Hash      common.Hash    `json:"hash"`
	StateRoot common.Hash    `json:"stateRoot"`
}

// header is that of a block by number or tag.
func (m *machine) header(at string) (*header, error) {
	var h *header
	err := m.call(&h, "eth_getHeaderByNumber", at)
	if err == nil && h == nil {
		err = fmt.Errorf("%s has no block %s", m.name, at)
	}
	return h, err
}

// head is the number of a head by its tag.
func (m *machine) head(tag string) uint64 {
	m.Helper()
	var number uint64
	m.await("head "+tag, func() error {
		h, err := m.header(tag)
		if err == nil {
			number = uint64(h.Number)
		}
		return err
	})
	return number
}

// reaches waits until a head is at a block, or after it.
func (m *machine) reaches(tag string, target uint64) {
	m.Helper()
	m.await(fmt.Sprintf("%s block %d", tag, target), func() error {
		h, err := m.header(tag)
		if err == nil && uint64(h.Number) < target {
			err = fmt.Errorf("is at block %d", h.Number)
		}
		return err
	})
}

// await tries until there is no error. That the process ended meanwhile is one for good.
func (m *machine) await(what string, try func() error) {
	m.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		require.True(m, m.running(), "%s has ended", m.name)
		require.True(m, time.Now().Before(deadline), "%s: no %s: %v", m.name, what, err)
	}
}

func (m *machine) running() bool {
	select {
	case <-m.process.Done():
		return false
	default:
		return true
	}
}

// kill is SIGKILL: nothing is flushed and nobody is told.
func (m *machine) kill() {
	m.Helper()
	require.True(m, m.running(), "%s has ended by itself", m.name)
	m.process.Kill()
	m.http.CloseIdleConnections()
}

func (m *machine) restart() {
	m.Helper()
	var err error
	m.process, err = m.process.Restart()
	require.NoError(m, err)
}

// said waits for a line of the process's output that contains text, and returns its rest.
func (m *machine) said(text string) (rest string) {
	m.Helper()
	m.await(fmt.Sprintf("line with %q", text), func() error {
		output, err := os.ReadFile(m.process.Stdout)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(output)) {
			if _, after, ok := strings.Cut(line, text); ok && strings.HasSuffix(after, "\n") {
				rest = strings.TrimSpace(after)
				return nil
			}
		}
		return fmt.Errorf("not among %d bytes", len(output))
	})
	return rest
}

// metric is what the machine's door counts under a name, over all labels.
func (m *machine) metric(name string) (sum float64) {
	m.Helper()
	m.await(name, func() (err error) {
		answer, err := m.http.Get(url + "/metrics")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		sum, err = sumOf(string(text), name)
		return err
	})
	return sum
}

// sumOf adds up what a text in Prometheus' format says under a name.
func sumOf(text, name string) (sum float64, err error) {
	err = errors.New("it is not counted")
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		var value float64
		if _, err = fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &value); err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, err
}

// counts waits until a metric is as high, or higher.
func (m *machine) counts(name string, least float64) {
	m.Helper()
	m.await(fmt.Sprintf("%s of %v", name, least), func() error {
		if got := m.metric(name); got < least {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}
