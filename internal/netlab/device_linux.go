package netlab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	tunPath = "/dev/net/tun"
	// deviceName is what a node's way out is called, in its namespace.
	deviceName = "lab0"
	// queueLength is how many packets the kernel keeps until the switch reads them.
	// The usual 500 are less than what one burst of a fast connection brings while
	// this process waits for a processor.
	queueLength = 10_000
)

// supported says what is missing.
func supported(f Fabric) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: needs root", ErrUnsupported)
	}
	if f == Bridge {
		if _, err := exec.LookPath("ip"); err != nil {
			return err
		}
		return nil
	}
	if _, err := os.Stat(tunPath); err != nil {
		return err
	}
	return nil
}

// refused marks what a container without the rights answers.
func refused(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOSYS) {
		return err
	}
	return err
}

// openTUN makes the namespace's device, with an address in the lab's network, and
// opens its other end.
func (s *space) openTUN(addr netip.Addr) (tun *os.File, err error) {
	err = s.do(func() error {
		if tun, err = newTUN(); err != nil {
			return err
		}
		return device(deviceName).configure(addr)
	})
	if err != nil && tun != nil {
		err = errors.Join(err, tun.Close())
	}
	return tun, refused(err)
}

// newTUN is a TUN device without the four bytes of packet information. It is opened
// without blocking, so that reads may have a deadline.
func newTUN() (*os.File, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tunPath, Err: err}
	}
	r, err := unix.NewIfreq(deviceName)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		return nil, errors.Join(fmt.Errorf("TUNSETIFF: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), tunPath), nil
}

// A device is a network device of the thread's namespace, by name.
type device string

// configure gives it the address and brings it up.
func (d device) configure(addr netip.Addr) error {
	mask := [4]byte{0xff, 0xff, 0, 0} // of network
	for _, set := range []struct {
		request uint
		value   func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr.AsSlice()) }},
		{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		{unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }},
		{unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(queueLength); return nil }},
	} {
		if err := d.request(set.request, set.value); err != nil {
			return err
		}
	}
	return d.up()
}

func (d device) up() error {
	return d.request(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil })
}

// request is one question of netdevice(7).
func (d device) request(what uint, value func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(string(d))
	if err != nil {
		return err
	}
	if err := value(r); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, what, r); err != nil {
		return fmt.Errorf("device %s: request %#x: %w", d, what, err)
	}
	return nil
}

// bridge joins the nodes by a bridge in a namespace of its own.
func (l *Lab) bridge() (err error) {
	if l.hub, err = newSpace(); err != nil {
		return err
	}
	if err := l.hub.add("bridge", "type", "bridge"); err != nil {
		return err
	}
	for _, n := range l.nodes {
		port := "port" + strconv.Itoa(n.index)
		if err := l.wire(n, port); err != nil {
			return fmt.Errorf("node %d: %w", n.index, err)
		}
	}
	return l.hub.ip("link", "set", "bridge", "up")
}

// wire leads a veth pair from the bridge to a node.
func (l *Lab) wire(n *Node, port string) error {
	if err := l.hub.add(port, "type", "veth", "peer", "name", deviceName); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", deviceName, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.space.file.Fd())},
		{"link", "set", port, "master", "bridge", "up"},
	} {
		if err := l.hub.ip(args...); err != nil {
			return err
		}
	}
	return n.space.do(func() error { return device(deviceName).configure(n.Addr()) })
}

// add makes a device. That there is none is for the kernel to say, which may be built
// without its type; ip passes the answer on in words only.
func (s *space) add(args ...string) error {
	if err := s.ip(append([]string{"link", "add"}, args...)...); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

// ip is a call of the command in the namespace.
func (s *space) ip(args ...string) error {
	return s.do(func() error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	})
}

// deviceTraffic reads what the device has counted. proc_net(5): after the name come
// eight columns of what was received and eight of what was sent, bytes and packets first.
func (s *space) deviceTraffic() (t Traffic, err error) {
	err = s.do(func() error {
		f, err := os.Open("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			name, figures, _ := strings.Cut(lines.Text(), ":")
			if strings.TrimSpace(name) == deviceName {
				_, err := fmt.Sscanf(figures, "%d %d %d %d %d %d %d %d %d %d", &t.BytesIn, &t.PacketsIn,
					new(int), new(int), new(int), new(int), new(int), new(int), &t.BytesOut, &t.PacketsOut)
				return err
			}
		}
		return fmt.Errorf("netlab: no device %s", deviceName)
	})
	return t, err
}
