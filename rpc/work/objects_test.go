package work

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"
)

// A slowDesk takes its time to read objects.
type slowDesk struct {
	*fakeDesk
	began, end chan struct{}
}

func (d *slowDesk) Allows(common.Address) bool { return true }

func (d *slowDesk) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	d.began <- struct{}{}
	<-d.end
	return d.fakeDesk.Objects(ctx, number)
}

// A prover that asks for objects while his are being read gets none, and keeps nobody
// else from theirs.
func TestObjectsAreReadOncePerProver(t *testing.T) {
	d := &slowDesk{newFakeDesk(t), make(chan struct{}), make(chan struct{})}
	api := newAPI(t, d, nil)
	objects := func(n byte, number hexutil.Uint64) error {
		_, err := api.Objects(context.Background(), number, stampOf(t, ask{method: "objects", number: uint64(number)}, key(t, n), time.Now()))
		return err
	}
	done := make(chan error, 2)
	for _, n := range []byte{1, 2} {
		go func() { done <- objects(n, 3) }()
		<-d.began
	}
	for _, n := range []byte{1, 2} {
		require.Equal(t, codeLimitExceeded, code(objects(n, 4)))
	}
	close(d.end)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	go func() { <-d.began }()
	require.NoError(t, objects(1, 4))
}
