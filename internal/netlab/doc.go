// Package netlab runs processes on a network of their own, inside one machine: nodes
// with an address each, links that delay, jitter, lose and throttle, partitions,
// and children that are killed and started again. It is for tests and measurements;
// nothing of the product imports it. The example shows how it is used.
//
// # What it promises
//
// A node is a network namespace with the address Addr(i), its own loopback and its
// own ports; all nodes may listen on the same. What one node sends another goes
// through this process, packet by packet: there it waits as long as the link's
// Conditions say, or is lost, and is counted. Packets of one way of one link keep their
// order. A packet arrives at most 0.1 ms early, and late by what the machine needs: a
// millisecond when it is idle, for the runtime's timers wait in whole ones.
// Which packets are lost depends on the seed and on how many went the same way before,
// and on nothing else.
//
// Loss is of IP packets below a real TCP: a lost one holds up what is behind it on
// its connection for a round trip at least, often for a retransmission timeout of 200 ms.
//
// # Where the test stands
//
// The test process is on none of the nodes and may act on each: Node.Dial and
// Node.Listen make sockets inside the node's namespace. Dial("tcp", "127.0.0.1:8547")
// of node 3 reaches what listens on that node, whatever the links are like, and none
// of it is counted as traffic: that is the way for control and RPC, and has the shape
// that http.Transport.DialContext wants. Dialling another node's address goes over the
// links. A server of the test's own that nodes are to reach (a DA layer, an adversary)
// listens on a node of its own: make one more node than the story needs.
//
// # What is left behind
//
// Nothing. Namespaces have no names, and end with the last process, socket or
// descriptor in them; devices end with their namespace. A small shell, the broom, holds
// the namespaces too and waits for the end of a pipe: when the lab is closed, or its
// process has ended in whatever way (panic, timeout, kill -9), it kills every process
// that is in one of them, also those that left their process group.
//
// # Two fabrics
//
// Switch, the default, is the one described. Bridge joins the nodes by veth pairs and
// a bridge of the kernel, for runs without any of our code in the way; it has
// no conditions and no partitions, and needs the ip command of iproute2.
//
// # What was rejected
//
//   - tc netem: common kernels are built without it.
//   - Named namespaces (ip netns): a test that is killed leaves them behind.
//   - A PID namespace per node, whose end would end its processes: /proc, which is
//     mounted once for all, would show them each other's figures under their own number.
//   - One goroutine per packet, or a timer each: the node's one goroutine reads its
//     device with the time at which its next packet is due as deadline.
package netlab
