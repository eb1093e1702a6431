package link

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func FuzzParseFeed(f *testing.F) {
	f.Fuzz(func(t *testing.T, msg []byte) {
		kind, payload, err := ParseFeed(msg)
		if err != nil {
			require.ErrorIs(t, err, chain.ErrCorrupt)
			return
		}
		if again := AppendFeed(nil, kind, payload); !bytes.Equal(again, msg) {
			t.Fatalf("accepted %x, which is %x", msg, again)
		}
	})
}
