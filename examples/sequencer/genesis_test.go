package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/stretchr/testify/require"
)

// A stranger gets the beginning of the chain from its door: go-ethereum, and a full node of
// ours that is given the file, make the block of it that the chain began with.
func TestGenesis(t *testing.T) {
	bin := build(t)
	s := start(t, filepath.Join(bin, "sequencer"), append(places(t), "-http.port=0")...)
	defer s.kill(t)
	sequencer := door(s.line(t, "sequencer of chain"))
	var invitation struct {
		Genesis   common.Hash
		GenesisAt string
	}
	require.NoError(t, json.Unmarshal([]byte(page(t, sequencer+"/network")), &invitation))
	file := page(t, sequencer+invitation.GenesisAt)

	geth := new(core.Genesis)
	require.NoError(t, json.Unmarshal([]byte(file), geth))
	client, err := ethclient.Dial(sequencer)
	require.NoError(t, err)
	defer client.Close()
	block, err := client.HeaderByNumber(t.Context(), common.Big0)
	require.NoError(t, err)
	require.Equal(t, invitation.Genesis, block.Hash())
	require.Equal(t, invitation.Genesis, geth.ToBlock().Hash())

	path := filepath.Join(t.TempDir(), "genesis.json")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	node := start(t, filepath.Join(bin, "fullnode"), "-genesis="+path, "-datadir="+t.TempDir(), "-sequencer="+sequencer, "-http.port=0", "-p2p.port=0", "-print-interval=0")
	defer node.kill(t)
	fullnode := door(node.line(t, "full node of chain"))
	awaitPage(t, fullnode+"/healthz/ready", "ok\n")
	require.Equal(t, file, page(t, fullnode+invitation.GenesisAt), "what is read is written again")
	require.Contains(t, page(t, fullnode+"/"), "\n"+invitation.GenesisAt+" ")
	http.DefaultClient.CloseIdleConnections()
}
