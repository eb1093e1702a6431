package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// A broom is a shell that kills every process in the namespaces of the nodes once its
// input ends: because the lab is closed, or because this process is no more.
type broom struct {
	cmd    *exec.Cmd
	input  io.Closer
	stderr bytes.Buffer
}

// sweeping compares the namespace of every process with the ones at descriptors 3 and
// up, of which $1 is the last, until it finds none to kill. What has been killed but not
// yet waited for is in no namespace any more. This process, $2, is spared: its first
// thread is what /proc shows of it, and may be inside for a Dial. After a hundred rounds of a
// tenth of a second it gives up and says so.
const sweeping = `
while read -r _; do :; done
round=0
while [ $round -lt 100 ]; do
	found=
	for process in /proc/[0-9]*; do
		fd=3
		while [ $fd -le $1 ]; do
			if [ $process != /proc/$2 ] && [ $process/ns/net -ef /proc/$$/fd/$fd ]; then
				kill -9 ${process#/proc/} 2>/dev/null
				found="$found ${process#/proc/}"
			fi
			fd=$((fd + 1))
		done
	done
	[ -z "$found" ] && exit 0
	round=$((round + 1))
	[ $round -gt 1 ] && sleep 0.1
done
echo "processes stay:$found" >&2
exit 1
`

func newBroom(nodes []*Node) (*broom, error) {
	b := &broom{cmd: exec.Command("sh", "-c", sweeping, "broom", strconv.Itoa(2+len(nodes)), strconv.Itoa(os.Getpid()))}
	for _, n := range nodes {
		b.cmd.ExtraFiles = append(b.cmd.ExtraFiles, n.space.file)
	}
	b.cmd.Stderr = &b.stderr
	lead(b.cmd) // an interrupt from the terminal is not for it
	input, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	b.input = input
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("broom: %w", errors.Join(err, input.Close()))
	}
	return b, nil
}

// sweep has the broom do its work and waits for it.
func (b *broom) sweep() error {
	_ = b.input.Close()
	if err := b.cmd.Wait(); err != nil {
		return fmt.Errorf("netlab: broom: %w: %s", err, bytes.TrimSpace(b.stderr.Bytes()))
	}
	return nil
}
