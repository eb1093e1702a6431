package gossip

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/rlp"
)

func TestSealed(t *testing.T) {
	want := chain.Sealed{Header: &chain.Header{Number: 5, ExtraData: termData(3)}, Frame: common.Hash{1}, Model: make([]byte, chain.ModelMax)}
	raw, err := want.AppendBinary(nil)
	require.NoError(t, err)
	var got chain.Sealed
	require.NoError(t, got.UnmarshalBinary(raw))
	require.Equal(t, want.Header.Hash(), got.Header.Hash())
	want.Header, got.Header = nil, nil
	require.Equal(t, want, got)
	for n := range raw {
		require.ErrorIs(t, got.UnmarshalBinary(raw[:n]), chain.ErrCorrupt)
	}
	require.ErrorIs(t, got.UnmarshalBinary(append(raw, 0)), chain.ErrCorrupt)
	require.Equal(t, want, got, "an error changes nothing")

	want = chain.Sealed{Header: new(chain.Header), Model: make([]byte, chain.ModelMax+1)}
	_, err = want.AppendBinary(nil)
	require.ErrorIs(t, err, chain.ErrTooLarge)
	raw, err = want.Header.AppendBinary(nil)
	require.NoError(t, err)
	raw = rlp.WrapList(rlp.AppendBytes(rlp.AppendBytes(raw, want.Frame[:]), want.Model), 0)
	require.ErrorIs(t, got.UnmarshalBinary(raw), chain.ErrCorrupt)
}

// What a message keeps alive: its envelope, and its body where that is another memory.
func TestWeight(t *testing.T) {
	m := sampleFeed(t, 1)
	require.False(t, m[0].Packed)
	require.Equal(t, len(m[0].Envelope)+messageOverhead, m[0].weight())
	require.True(t, m[1].Packed, "a header's filter is empty here")
	require.Equal(t, len(m[1].Envelope)+len(m[1].Body)+messageOverhead, m[1].weight())
}

// A body that its own head contradicts is the signer's fault, and nothing of it is
// taken.
func TestHeadAndBody(t *testing.T) {
	feed := sampleFeed(t, 2)
	for _, good := range []*message{feed[1], feed[2]} {
		_, err := readMessage(good.Opened)
		require.NoError(t, err)
		for name, change := range map[string]func(*envelope.Opened){
			"number": func(o *envelope.Opened) { o.Place.Number++ },
			"index":  func(o *envelope.Opened) { o.Place.Index-- },
			"term":   func(o *envelope.Opened) { o.Term++ },
			"body":   func(o *envelope.Opened) { o.Body = o.Body[1:] },
		} {
			bad := good.Opened
			change(&bad)
			_, err := readMessage(bad)
			require.ErrorIs(t, err, envelope.ErrFault, "%s of a %s", name, good.Kind)
			fault := new(envelope.FaultError)
			require.True(t, errors.As(err, &fault))
			require.Equal(t, sampleKey(t).Address(), fault.Signer)
		}
		other := good.Opened
		other.Kind = envelope.KindBodies
		_, err = readMessage(other)
		require.Error(t, err)
		require.NotErrorIs(t, err, envelope.ErrFault)
	}
	genesis := chain.Sealed{Header: &chain.Header{}}
	body, err := genesis.AppendBinary(nil)
	require.NoError(t, err)
	_, err = readMessage(envelope.Opened{Header: envelope.Header{Kind: envelope.KindHeader, Place: chain.HeaderPlace(0)}, Body: body})
	require.ErrorIs(t, err, envelope.ErrFault)
}

// A block has no more mini-blocks than everybody takes: who would publish one learns it,
// and who gets one refuses it as the signer's fault, and goes on.
func TestFramesMax(t *testing.T) {
	at := func(index uint32) *chain.Frame { return &chain.Frame{Number: 1, Index: index, Term: 1} }
	last := frameMessage(t, at(chain.FramesMax-1))
	require.NotNil(t, last.Frame)
	body, err := at(chain.FramesMax).AppendBinary(nil)
	require.NoError(t, err)
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 2, 1)
	x.publish(seq, feed[0])
	_, err = seq.Publish(t.Context(), link.TopicFeed, link.AppendFeed(nil, link.FeedFrame, body))
	require.ErrorIs(t, err, chain.ErrTooLarge)
	x.publish(seq, feed[1:]...)

	n := x.idle(x.config())
	h := envelope.Header{Kind: envelope.KindFrame, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: at(chain.FramesMax).Place()}
	raw, err := envelope.Seal(nil, h, body, sampleKey(t))
	require.NoError(t, err)
	require.Equal(t, pubsub.ValidationAccept, n.hear("somebody", topicKinds[link.TopicFeed], feed[0].Envelope))
	require.Equal(t, pubsub.ValidationIgnore, n.hear("somebody", topicKinds[link.TopicFeed], raw))
	require.ErrorIs(t, n.Stats().Fault, chain.ErrTooLarge)
	for _, m := range feed[1:] {
		require.Equal(t, pubsub.ValidationAccept, n.hear("somebody", topicKinds[link.TopicFeed], m.Envelope))
	}
	require.Equal(t, chain.Place{Number: 3}, n.shelf.place())
}
