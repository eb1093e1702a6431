package main

import (
	"bytes"
	"context"
	"math/bits"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
)

func TestInjectionNames(t *testing.T) {
	for _, name := range []injection{injectNothing, injectDiffBit, injectWitnessDrop, injectWrongRoot} {
		var got injection
		text, err := name.MarshalText()
		require.NoError(t, err)
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, name, got)
	}
	require.ErrorContains(t, new(injection).UnmarshalText([]byte("diff")), "diff-bit")
}

func frameMessage(t *testing.T, number uint64, txs uint32) []byte {
	f := chain.Frame{Number: number, Index: 3, TxCount: txs, Diff: []byte("the diff of a mini-block")}
	payload, err := f.AppendBinary(nil)
	require.NoError(t, err)
	return link.AppendFeed(nil, link.FeedFrame, payload)
}

func TestDiffBit(t *testing.T) {
	s := &saboteur{injection: injectDiffBit}
	for _, msg := range [][]byte{frameMessage(t, 1, 5), frameMessage(t, 2, 0), {link.FeedFrame, 1, 2}, {}, headerMessage(t, 2)} {
		require.Equal(t, bytes.Clone(msg), s.tap(link.TopicFeed, msg), "nothing to spoil yet")
	}
	good := frameMessage(t, 2, 5)
	require.Equal(t, bytes.Clone(good), s.tap(link.TopicPublications, good))
	_, want, err := link.ParseFeed(good)
	require.NoError(t, err)
	_, got, err := link.ParseFeed(s.tap(link.TopicFeed, bytes.Clone(good)))
	require.NoError(t, err, "the message itself is good")
	flipped := 0
	for i := range want {
		flipped += bits.OnesCount8(want[i] ^ got[i])
	}
	require.Equal(t, 1, flipped)
	require.Equal(t, good, s.tap(link.TopicFeed, bytes.Clone(good)), "once")
}

func headerMessage(t *testing.T, number uint64) []byte {
	s := chain.Sealed{Header: &chain.Header{Number: number, StateRoot: common.Hash{1, 2, 3}}}
	payload, err := s.AppendBinary(nil)
	require.NoError(t, err)
	return link.AppendFeed(nil, link.FeedHeader, payload)
}

func TestWrongRoot(t *testing.T) {
	s := &saboteur{injection: injectWrongRoot}
	require.Equal(t, headerMessage(t, 1), s.tap(link.TopicFeed, headerMessage(t, 1)))
	require.Equal(t, frameMessage(t, 2, 5), s.tap(link.TopicFeed, frameMessage(t, 2, 5)))
	var got chain.Sealed
	_, payload, err := link.ParseFeed(s.tap(link.TopicFeed, headerMessage(t, 2)))
	require.NoError(t, err)
	require.NoError(t, got.UnmarshalBinary(payload))
	require.Equal(t, common.Hash{0: 1, 1: 2, 2: 3, 31: 1}, got.Header.StateRoot)
	require.Equal(t, headerMessage(t, 3), s.tap(link.TopicFeed, headerMessage(t, 3)), "once")
}

// oneBlob is a DAClient that has one blob.
type oneBlob struct {
	chain.DAClient
	blob []byte
}

func (o *oneBlob) Get(context.Context, chain.BlobID) ([]byte, error) { return bytes.Clone(o.blob), nil }

func TestWitnessDrop(t *testing.T) {
	var under oneBlob
	require.Equal(t, chain.DAClient(&under), new(saboteur).wrap(&under))
	client := (&saboteur{injection: injectWitnessDrop}).wrap(&under)
	get := func(kind da.Kind, number uint64) *da.Object {
		w := chain.Witness{Nodes: [][]byte{{1}, {2}, {3}}}
		payload, err := w.AppendBinary(nil)
		require.NoError(t, err)
		under.blob, err = (&da.Object{Kind: kind, Block: chain.BlockID{Number: number}, Payload: payload}).AppendBinary(nil)
		require.NoError(t, err)
		blob, err := client.Get(context.Background(), chain.BlobID("id"))
		require.NoError(t, err)
		got := new(da.Object)
		require.NoError(t, got.UnmarshalBinary(blob), "the object itself is good")
		require.Equal(t, kind, got.Kind)
		return got
	}
	nodes := func(o *da.Object) [][]byte {
		var w chain.Witness
		require.NoError(t, w.UnmarshalBinary(o.Payload))
		return w.Nodes
	}
	require.Len(t, nodes(get(da.Witness, 1)), 3)
	require.Len(t, nodes(get(da.Diff, 2)), 3)
	require.Equal(t, [][]byte{{1}, {3}}, nodes(get(da.Witness, 2)))
	require.Len(t, nodes(get(da.Witness, 3)), 3, "once")
}
