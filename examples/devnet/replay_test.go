package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/statediff"
)

func TestReplay(t *testing.T) {
	dir := testdata.Mainnet(t)
	var out, errs bytes.Buffer
	code := run([]string{"-replay=" + dir, "-v", "-json"}, &out, &errs)
	require.Zero(t, code, errs.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var s replaySummary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &s))
	require.Equal(t, s.Blocks, s.BlocksOK)
	require.Positive(t, s.Gas)
	require.Positive(t, s.Seconds)
	require.Positive(t, s.DiffBytesPerTx)
	require.Equal(t, fmt.Sprintf("replayed %d/%d blocks, %d tx", s.Blocks, s.Blocks, s.Transactions), lines[len(lines)-2])
	archive, err := mainnet.Open(dir)
	require.NoError(t, err)
	require.Len(t, archive.Numbers(), s.Blocks)
	for _, number := range archive.Numbers() {
		require.Contains(t, out.String(), fmt.Sprintf(" %d │", number), "row of block %d", number)
	}
}

// byzantium and later: a block with a receipts root, small enough to be repeated.
const smallBlock = 19426587

func loadBlock(t *testing.T) *mainnet.Block {
	archive, err := mainnet.Open(testdata.Mainnet(t))
	require.NoError(t, err)
	b, err := archive.Block(smallBlock)
	require.NoError(t, err)
	return b
}

// Whatever a header claims wrongly is named, with what was got and what was
// wanted.
func TestReplayNamesMismatch(t *testing.T) {
	for field, spoil := range map[string]func(*chain.Header){
		"gasUsed":      func(h *chain.Header) { h.GasUsed++ },
		"receiptsRoot": func(h *chain.Header) { h.ReceiptsRoot[0]++ },
		"logsBloom":    func(h *chain.Header) { h.LogsBloom[7] ^= 1 },
		"blobGasUsed":  func(h *chain.Header) { *h.BlobGasUsed++ },
	} {
		t.Run(field, func(t *testing.T) {
			b := loadBlock(t)
			spoil(b.Header)
			pipe, err := newPipeline(params.MainnetChainConfig)
			require.NoError(t, err)
			err = pipe.run(context.Background(), b, new(replayed))
			var mismatch *chain.MismatchError
			require.True(t, errors.As(err, &mismatch), err)
			require.Equal(t, uint64(smallBlock), mismatch.Block)
			require.Equal(t, field, mismatch.Field)
			require.NotEqual(t, mismatch.Got, mismatch.Want)
		})
	}
}

func TestReplayNamesSender(t *testing.T) {
	b := loadBlock(t)
	b.Senders[3][0] ^= 1
	pipe, err := newPipeline(params.MainnetChainConfig)
	require.NoError(t, err)
	require.ErrorContains(t, pipe.run(context.Background(), b, new(replayed)), "sender of transaction 3")
}

// A codec that loses something on the way to the full node.
type lossyCodec struct{ chain.DiffEncoder }

func (l lossyCodec) Decode(c *chain.Changes, src []byte, prior chain.StateView) error {
	err := l.DiffEncoder.Decode(c, src, prior)
	c.Accounts[0].After.Nonce++
	return err
}

// go-ethereum comes to the same root of the partial state, or the replay fails.
func TestReplayCompares(t *testing.T) {
	pipe, err := newPipeline(params.MainnetChainConfig)
	require.NoError(t, err)
	pipe.peer = compare
	var row replayed
	require.NoError(t, pipe.run(context.Background(), loadBlock(t), &row))
	require.Positive(t, row.peer.execute)
	require.Positive(t, row.peer.verify)

	_, err = compare(context.Background(), loadBlock(t), common.Hash{1})
	var mismatch *chain.MismatchError
	require.True(t, errors.As(err, &mismatch), err)
	require.Equal(t, "stateRoot (partial) by go-ethereum", mismatch.Field)
}

func TestReplayNoticesWrongDiff(t *testing.T) {
	pipe, err := newPipeline(params.MainnetChainConfig)
	require.NoError(t, err)
	pipe.decoder = lossyCodec{statediff.New(statediff.Config{})}
	err = pipe.run(context.Background(), loadBlock(t), new(replayed))
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.ErrorContains(t, err, "by the full node")
}

func TestPostStateIsCompared(t *testing.T) {
	ctx := context.Background()
	b := loadBlock(t)
	pipe, err := newPipeline(params.MainnetChainConfig)
	require.NoError(t, err)
	result, err := pipe.executor.Execute(ctx, b.Block, b.Hashes, b.Pre)
	require.NoError(t, err)
	node, err := loadPartial(ctx, b)
	require.NoError(t, err)
	require.NoError(t, node.commit(ctx, b.Header.ID(), result.Changes))
	require.NoError(t, node.check(smallBlock, result.Changes))

	for what, spoil := range map[string]func(*chain.Changes){
		"account": func(c *chain.Changes) { c.Accounts[0].After.Nonce++ },
		"slot": func(c *chain.Changes) {
			for i := range c.Accounts {
				if slots := c.Accounts[i].Slots; len(slots) > 0 {
					slots[0].After.AddUint64(&slots[0].After, 1)
					return
				}
			}
		},
	} {
		var other chain.Changes
		raw, err := result.Changes.AppendBinary(nil)
		require.NoError(t, err)
		require.NoError(t, other.UnmarshalBinary(raw))
		spoil(&other)
		err = node.check(smallBlock, &other)
		require.ErrorIs(t, err, chain.ErrMismatch, what)
		require.ErrorContains(t, err, what)
	}
}

// A broken file counts as a block that is not ok, and does not keep the others
// from being replayed.
func TestReplayOfDamagedData(t *testing.T) {
	data := testdata.Mainnet(t)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "blocks"), 0o755))
	copyFile := func(name string, alter func([]byte)) {
		b, err := os.ReadFile(filepath.Join(data, name))
		require.NoError(t, err)
		alter(b)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	copyFile("codes.rlp", func([]byte) {})
	copyFile("blocks/00046147.rlp", func([]byte) {})
	copyFile("blocks/00930196.rlp", func(b []byte) { b[100] ^= 1 })
	var out, errs bytes.Buffer
	code := run([]string{"-replay=" + dir, "-json"}, &out, &errs)
	require.Equal(t, cli.ExitError, code)
	require.Contains(t, out.String(), "\nreplayed 1/2 blocks, 1 tx\n")
	require.Contains(t, errs.String(), "replay of block 930196")

	require.Equal(t, cli.ExitError, run([]string{"-replay=" + t.TempDir()}, &out, &errs))
}

func TestRebase(t *testing.T) {
	b := loadBlock(t)
	pre, post := common.Hash{1}, common.Hash{2}
	block, parent := rebase(b, new(chain.Result), pre, post)
	require.NoError(t, block.Header.CheckParent(parent))
	require.Equal(t, pre, parent.StateRoot)
	require.Equal(t, post, block.Header.StateRoot)
	require.Equal(t, b.Header.GasUsed, block.Header.GasUsed)
	require.NotEqual(t, post, b.Header.StateRoot, "the archived header is as it was")
}
