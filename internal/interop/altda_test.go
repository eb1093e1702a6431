package interop

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/directory"
)

// opModule is the module with the OP stack's programs.
const opModule = "op"

// opProgram is the OP stack's da-server or the client in opModule, built as they are.
// Optimism needs a newer Go than we do: where this one is older, or told to be the only
// one (GOTOOLCHAIN=local, as in Go's own containers), it fetches the one that op/go.mod names.
func opProgram(t *testing.T, name, pkg string) string {
	t.Helper()
	if os.Getenv("VIVACE_INTEROP") != "1" {
		t.Skip("the OP stack's programs are not run: VIVACE_INTEROP is not 1")
	}
	t.Setenv("GOTOOLCHAIN", "auto")
	path := filepath.Join(t.TempDir(), name)
	if err := run(opModule, "go", "build", "-o", path, pkg); err != nil {
		missing(t, "the OP stack's programs are not run: %v", err)
	}
	return path
}

// blobSizes are those of blobs that cross. OP's client refuses empty ones itself.
var blobSizes = []string{"1", "33", "4096", "1000003"}

// OP's client at our server: both kinds of commitments.
func TestOPClient(t *testing.T) {
	client := opProgram(t, "client", "./client")
	for _, mode := range []altda.Mode{altda.Keccak, altda.Generic} {
		layer, err := directory.Open(directory.Config{Directory: t.TempDir()})
		require.NoError(t, err)
		server, err := altda.NewServer(altda.ServerConfig{Client: layer, Mode: mode})
		require.NoError(t, err)
		at := httptest.NewServer(server)
		out, err := exec.CommandContext(t.Context(), client, append([]string{at.URL, modeName(mode)}, blobSizes...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		lines := strings.Fields(string(out))
		require.Len(t, lines, len(blobSizes))
		for i, line := range lines { // what OP stored, we read
			commitment, err := hex.DecodeString(line)
			require.NoError(t, err)
			require.Equal(t, byte(mode), commitment[0])
			blob := getRaw(t, at.URL, commitment)
			require.Equal(t, blobSizes[i], fmt.Sprint(len(blob)))
		}
		at.Close()
		require.NoError(t, layer.Close())
	}
}

func getRaw(t *testing.T, url string, commitment []byte) []byte {
	response, err := http.Get(fmt.Sprintf("%s/get/0x%x", url, commitment))
	require.NoError(t, err)
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, body.String())
	return body.Bytes()
}

func modeName(m altda.Mode) string { return [...]string{"keccak", "generic"}[m] }

// Our client at OP's server, which does not look at what it is given: our client does.
func TestOPServer(t *testing.T) {
	program := opProgram(t, "daserver", "github.com/ethereum-optimism/optimism/op-alt-da/cmd/daserver")
	for _, mode := range []altda.Mode{altda.Keccak, altda.Generic} {
		url := startDAServer(t, program, mode)
		client, err := altda.New(altda.Config{URL: url, Mode: mode})
		require.NoError(t, err)
		var ids []chain.BlobID
		for size := range 5 {
			blob := bytes.Repeat([]byte{byte(size), 1}, 1<<(4*size))
			id, err := client.Put(t.Context(), blob)
			require.NoError(t, err)
			got, err := client.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, blob, got)
			ids = append(ids, id)
		}
		absent := bytes.Clone(ids[0])
		absent[1] ^= 1
		_, err = client.Get(t.Context(), absent)
		require.ErrorIs(t, err, da.ErrNotFound)

		// Whoever reaches the server may put something else in the place of a blob.
		commitment := ids[1]
		if mode == altda.Generic {
			commitment = commitment[:len(commitment)-32]
		}
		response, err := http.Post(fmt.Sprintf("%s/put/0x%x", url, []byte(commitment)), "application/octet-stream", strings.NewReader("another"))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		if response.StatusCode == http.StatusOK {
			_, err = client.Get(t.Context(), ids[1])
			require.ErrorIs(t, err, chain.ErrCorrupt)
		}
		// An object of ours, through OP's server.
		block := chain.BlockID{Number: 7, Hash: chain.Keccak256([]byte("block"))}
		id, _, err := da.Put(t.Context(), client, &da.Object{Kind: da.Diff, Block: block, Payload: []byte("changes")})
		require.NoError(t, err)
		object, err := da.Get(t.Context(), client, id, da.Want{Kind: da.Diff, Block: block})
		require.NoError(t, err)
		require.Equal(t, "changes", string(object.Payload))
	}
}

// startDAServer runs OP's server until the test ends.
func startDAServer(t *testing.T, program string, mode altda.Mode) (url string) {
	t.Helper()
	port := freePort(t)
	args := []string{"--addr", "127.0.0.1", "--port", port, "--file.path", t.TempDir()}
	if mode == altda.Generic {
		args = append(args, "--generic-commitment")
	}
	cmd := exec.Command(program, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			require.NoError(t, conn.Close())
			return "http://127.0.0.1:" + port
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("da-server ended: %v\n%s", err, log.String())
		case <-ctx.Done():
			t.Fatal(errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
