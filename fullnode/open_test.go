package fullnode_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// The open block is known from its first mini-block up to its last.
func TestOpenEnv(t *testing.T) {
	spec, feed := record(t)
	script := new(scripted)
	n := newNode(t, spec, script)
	defer func() { require.NoError(t, n.Close()) }()
	require.Nil(t, n.OpenEnv(), "at genesis")
	var open uint64 // or 0
	for i, msg := range feed {
		script.feed = feed[:i+1]
		require.ErrorIs(t, n.Run(context.Background()), errEnd)
		kind, body, err := link.ParseFeed(msg)
		require.NoError(t, err)
		if kind == link.FeedFrame {
			frame := new(chain.Frame)
			require.NoError(t, frame.UnmarshalBinary(body))
			open = frame.Number
			if frame.Last {
				open = 0
			}
		}
		if open == 0 {
			require.Nil(t, n.OpenEnv(), "message %d", i)
			continue
		}
		require.NotNil(t, n.OpenEnv(), "message %d", i)
		require.Equal(t, open, n.OpenEnv().Number, "message %d", i)
	}
}
