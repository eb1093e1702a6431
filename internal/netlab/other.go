//go:build !linux

package netlab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// New asks supported first, so that nothing else here is ever called.
func supported(Fabric) error {
	return fmt.Errorf("%w: needs Linux, not %s", ErrUnsupported, runtime.GOOS)
}

type space struct{}

func newSpace() (*space, error)                     { return nil, ErrUnsupported }
func (*space) do(func() error) error                { return ErrUnsupported }
func (*space) openTUN(netip.Addr) (*os.File, error) { return nil, ErrUnsupported }
func (*space) deviceTraffic() (Traffic, error)      { return Traffic{}, ErrUnsupported }
func (*space) close() error                         { return nil }
func (*Lab) bridge() error                          { return ErrUnsupported }

type broom struct{}

func newBroom([]*Node) (*broom, error) { return nil, ErrUnsupported }
func (*broom) sweep() error            { return nil }

func lead(*exec.Cmd)                        {}
func signalGroup(int, syscall.Signal) error { return ErrUnsupported }
func awaitEnd(int)                          {}
func usageOf(int) Usage                     { return Usage{} }
func usageAtEnd(*os.ProcessState) Usage     { return Usage{} }
