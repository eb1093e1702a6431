package rpctest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Suite reads the files of execution-apis' test suite, by name: the conversations as
// method/case.io, and the chain that they are about.
func Suite(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := readSuite(filepath.Join(testdata.Fixtures(tb), "rpc-compat.tar.zst"))
	if err != nil {
		tb.Fatalf("rpctest: suite: %v", err)
	}
	return files
}

func readSuite(name string) (map[string][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	files := make(map[string][]byte)
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		files[strings.TrimPrefix(path.Clean(header.Name), "rpc-compat/")] = data
	}
}

// NewSuite is a node with the chain of the suite whose files these are.
func NewSuite(tb testing.TB, files map[string][]byte) *Node {
	tb.Helper()
	spec, err := genesis.Read(bytes.NewReader(files["genesis.json"]))
	if err != nil {
		tb.Fatalf("rpctest: suite: %v", err)
	}
	node := New(tb, spec, Options{Hold: true})
	node.ImportAll(bytes.NewReader(files["chain.rlp"]))
	return node
}
