package netlab

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkForward is the CPU time of this process for each packet that goes
// through the switch, and of the kernel for what it does meanwhile: on writing into a
// device it takes the packet all the way to the socket. Both ends are other processes.
func BenchmarkForward(b *testing.B) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run(delay.String(), func(b *testing.B) {
			l := newLab(b, Options{Nodes: 2, Conditions: Conditions{Delay: delay}})
			before, begin := usageOf(os.Getpid()).CPU, time.Now()
			receiver := start(b, l.Node(1), child(b, "sink", strconv.Itoa(b.N*mtu)))
			for { // until somebody listens
				sender := start(b, l.Node(0), child(b, "send", at(l.Node(1), 9)))
				if _ = sender.Wait(short(b)); traffic(b, l.Node(1)).BytesIn > uint64(b.N*mtu) {
					break
				}
			}
			require.NoError(b, receiver.Wait(short(b)))
			packets := traffic(b, l.Node(0)).PacketsIn + traffic(b, l.Node(1)).PacketsIn
			b.ReportMetric(float64((usageOf(os.Getpid()).CPU-before).Nanoseconds())/float64(packets), "cpu-ns/packet")
			b.ReportMetric(float64(packets)/time.Since(begin).Seconds(), "packets/s")
		})
	}
}
