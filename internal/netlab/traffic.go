package netlab

import "sync/atomic"

// Traffic is what a node has sent and received, since the lab began. Of a switch these
// are IP packets and their bytes; of a bridge, Ethernet frames with ARP and their 14
// bytes of header, as the node's device counts them, without the dropped.
type Traffic struct {
	PacketsOut, BytesOut uint64 // sent by the node, whatever became of them
	PacketsIn, BytesIn   uint64 // delivered to the node

	// Of PacketsOut:
	Lost     uint64 // by Conditions.Loss
	Overflow uint64 // by Conditions.Rate, or too many at once
	Cut      uint64 // by a partition
	Stray    uint64 // addressed to no node, or refused by the node's device
}

// counters are a Traffic that one goroutine may write while others read.
type counters struct {
	packetsOut, bytesOut, packetsIn, bytesIn atomic.Uint64
	lost, overflow, cut, stray               atomic.Uint64
}

func (c *counters) traffic() Traffic {
	return Traffic{
		PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(),
		PacketsIn: c.packetsIn.Load(), BytesIn: c.bytesIn.Load(),
		Lost: c.lost.Load(), Overflow: c.overflow.Load(), Cut: c.cut.Load(), Stray: c.stray.Load(),
	}
}

func (c *counters) sent(size int) {
	c.packetsOut.Add(1)
	c.bytesOut.Add(uint64(size))
}

func (c *counters) received(size int) {
	c.packetsIn.Add(1)
	c.bytesIn.Add(uint64(size))
}
