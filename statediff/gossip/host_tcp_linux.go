package gossip

import (
	"time"

	"golang.org/x/sys/unix"
)

// setAckPatience sets how long TCP waits for a sign that what it sent has come; see tcp(7).
func setAckPatience(fd uintptr, d time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
