//go:build unix

package gossip

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// BenchmarkMesh is what a frame of 1 KiB costs each of six nodes over TCP, one each 10
// ms: processor time, with the encryption and the router, and bytes of messages.
func BenchmarkMesh(b *testing.B) {
	const nodes = 6
	x := newWorld(b)
	all := []*running{x.sequencer()}
	for i := range nodes - 1 {
		all = append(all, x.node(all[0].Node, all[i].Node))
	}
	x.meshed(all...)
	next, err := all[nodes-1].Subscribe(b.Context(), link.TopicFeed, 0)
	require.NoError(b, err)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	parent := sampleGenesis
	index := uint32(0)
	publish := func() {
		m := frameMessage(b, &chain.Frame{Number: 1, Index: index, Term: 1, Parent: parent, Diff: randomBytes(1 << 10)})
		parent, index = m.Content, index+1
		x.publish(all[0], m)
	}
	for range 10 {
		publish()
		_, _, err := next(ctx)
		require.NoError(b, err)
	}
	before, in, out := processorTime(b), uint64(0), uint64(0)
	for _, n := range all {
		in, out = in-n.Stats().Received, out-n.Stats().Sent
	}
	for b.Loop() {
		tick := time.After(10 * time.Millisecond)
		publish()
		_, _, err := next(ctx)
		require.NoError(b, err)
		<-tick
	}
	for _, n := range all {
		in, out = in+n.Stats().Received, out+n.Stats().Sent
	}
	each := float64(nodes * b.N)
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/each, "us-cpu/message/node")
	b.ReportMetric(float64(in)/each, "B-in/message/node")
	b.ReportMetric(float64(out)/each, "B-out/message/node")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
