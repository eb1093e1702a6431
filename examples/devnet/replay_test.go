package main

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/stretchr/testify/require"
)

func TestReplay(t *testing.T) {
	var out bytes.Buffer
	err := replay(context.Background(), &options{replay: testdata.Mainnet(t), json: true, verbose: true}, &out)
	os.Stdout.Write(out.Bytes())
	require.NoError(t, err)
}
