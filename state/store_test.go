package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/vfs"
)

func TestStore(t *testing.T) {
	for name, cfg := range map[string]Config{
		"memory":  {},
		"retain8": {Retain: chaintest.StateStoreRetain},
		"log":     {Dir: "state", Retain: chaintest.StateStoreRetain, SegmentSize: 8 << 10, CheckpointSize: 8 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			chaintest.TestStateStore(t, func(t testing.TB) chain.StateStore {
				if cfg.Dir != "" {
					cfg.FS = vfs.NewCrash(1)
				}
				s, err := Open(cfg)
				require.NoError(t, err)
				t.Cleanup(func() { // the store was closed: its rules must hold to the end
					require.NoError(t, s.check())
				})
				return s
			})
		})
	}
}
