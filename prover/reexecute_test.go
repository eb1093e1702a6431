package prover_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

// counting is an executor that executes nothing.
type counting struct{ calls int }

func (c *counting) Execute(context.Context, *chain.Block, chain.Ancestors, chain.StateView) (*chain.Result, error) {
	c.calls++
	return &chain.Result{GasUsed: 7}, nil
}

// A body that is not what the header commits to is not executed.
func TestReexecuteLooksAtTheBody(t *testing.T) {
	executor := new(counting)
	execute := prover.Reexecute(executor)
	good := &chain.Block{Header: &chain.Header{TransactionsRoot: chain.EmptyRoot, OmmersHash: chain.EmptyOmmersHash}}
	result, err := execute(t.Context(), good, nil, nil)
	require.NoError(t, err)
	require.EqualValues(t, 7, result.GasUsed)
	bad := &chain.Block{Header: good.Header, Txs: []*chain.Tx{chain.NewTx([]byte{0xc0})}}
	_, err = execute(t.Context(), bad, nil, nil)
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.Equal(t, 1, executor.calls)
}
