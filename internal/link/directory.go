package link

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// A Directory is a transport between processes that share a file system: each
// topic is a directory, each message a file that is named by its number. A file
// appears under its name whole, by link(2), which also decides between publishers
// that want the same number. Subscribers poll. Nothing is synced: who needs a
// message to be durable has it in a log of its own. All methods may be called
// concurrently, by any number of processes.
type Directory struct {
	dir  string
	keep uint64
	poll time.Duration

	mu     sync.Mutex
	ranges map[string]*numbers // what this process knows of each topic
}

// numbers are bounds of a topic: at least as old, and at least as new.
type numbers struct{ first, next uint64 }

// NewDirectory uses dir, which it creates if needed, and keeps the newest keep
// messages of each topic.
func NewDirectory(dir string, keep int) (*Directory, error) {
	d := &Directory{dir: dir, keep: uint64(keep), poll: time.Millisecond, ranges: make(map[string]*numbers)}
	for _, topic := range []string{TopicFeed, TopicBodies, TopicPublications, TopicAttestations, TopicSnapshots} {
		if err := os.MkdirAll(filepath.Join(dir, topic), 0o755); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Directory) path(topic string, seq uint64) string {
	return filepath.Join(d.dir, topic, fmt.Sprintf("%020d", seq))
}

// Publish gives msg the next free number of the topic.
func (d *Directory) Publish(_ context.Context, topic string, msg []byte) (uint64, error) {
	tmp, err := os.CreateTemp(filepath.Join(d.dir, topic), "new-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(msg)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.known(topic)
	if err != nil {
		return 0, err
	}
	for ; ; n.next++ {
		if n, err = d.caughtUp(topic, n); err != nil {
			return 0, err
		}
		err := os.Link(tmp.Name(), d.path(topic, n.next))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return 0, err
		}
	}
	for ; n.first+d.keep <= n.next; n.first++ {
		if err := os.Remove(d.path(topic, n.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	n.next++
	return n.next - 1, nil
}

// known is what this process knows of the topic; the caller holds mu. The
// directory is read once, not for each message.
func (d *Directory) known(topic string) (*numbers, error) {
	if n := d.ranges[topic]; n != nil {
		return n, nil
	}
	first, next, err := d.bounds(topic)
	if err != nil {
		return nil, err
	}
	d.ranges[topic] = &numbers{first, next}
	return d.ranges[topic], nil
}

// caughtUp is n, or what the directory says if others have published so much since
// we looked that our next number was used and its message pruned: it looks free,
// but no subscriber would ever come by there. The caller holds mu.
func (d *Directory) caughtUp(topic string, n *numbers) (*numbers, error) {
	if n.next == 0 {
		return n, nil
	}
	_, err := os.Stat(d.path(topic, n.next-1))
	if errors.Is(err, fs.ErrNotExist) {
		delete(d.ranges, topic)
		return d.known(topic)
	}
	return n, err
}

// bounds are the number of the oldest message and the one after the newest.
func (d *Directory) bounds(topic string) (first, next uint64, err error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, topic)) // ascending by name
	if err != nil {
		return 0, 0, err
	}
	seen := false
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "new-") {
			continue
		}
		seq, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("link: %s is not a message: %w", filepath.Join(d.dir, topic, e.Name()), err)
		}
		if !seen {
			first, seen = seq, true
		}
		next = seq + 1
	}
	return first, next, nil
}

// goneEvery is the number of polls between two looks at what is still kept.
const goneEvery = 1000

// Subscribe reads the topic from message number from on.
func (d *Directory) Subscribe(_ context.Context, topic string, from uint64) (Next, error) {
	oldest := from == Oldest
	return func(ctx context.Context) (uint64, []byte, error) {
		if oldest {
			seq, msg, err := d.oldest(ctx, topic)
			oldest, from = err != nil, seq+1
			return seq, msg, err
		}
		for polls := 0; ; polls++ {
			msg, err := os.ReadFile(d.path(topic, from))
			if err == nil {
				from++
				return from - 1, msg, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return 0, nil, err
			}
			// Reading the directory is dear; a message that is gone was gone before
			// the wait, or is so far behind that it need not be seen at once.
			if polls%goneEvery == 0 {
				if first, next, err := d.bounds(topic); err != nil {
					return 0, nil, err
				} else if next > 0 && from < first {
					return 0, nil, fmt.Errorf("%w: message %d of %s is gone, the oldest kept is %d", chain.ErrOutOfStep, from, topic, first)
				}
			}
			if err := d.wait(ctx); err != nil {
				return 0, nil, err
			}
		}
	}, nil
}

// oldest waits for a first message and reads the oldest. While the directory is read,
// a publisher may prune what was the oldest in it; then a newer one is tried, and with
// each time one that is further away from the end that is pruned.
func (d *Directory) oldest(ctx context.Context, topic string) (uint64, []byte, error) {
	for margin := uint64(0); ; {
		first, next, err := d.bounds(topic)
		if err != nil {
			return 0, nil, err
		}
		if next == 0 {
			if err := d.wait(ctx); err != nil {
				return 0, nil, err
			}
			continue
		}
		seq := min(first+margin, next-1)
		msg, err := os.ReadFile(d.path(topic, seq))
		if !errors.Is(err, fs.ErrNotExist) {
			return seq, msg, err
		}
		margin = 2*margin + 1
	}
}

// wait is the time between two polls.
func (d *Directory) wait(ctx context.Context) error {
	select {
	case <-time.After(d.poll):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Latest returns the newest message of a topic; chain.ErrNotFound if there is none.
func (d *Directory) Latest(_ context.Context, topic string) (uint64, []byte, error) {
	for {
		_, next, err := d.bounds(topic)
		if err != nil {
			return 0, nil, err
		}
		if next == 0 {
			return 0, nil, fmt.Errorf("%w: no message of %s", chain.ErrNotFound, topic)
		}
		msg, err := os.ReadFile(d.path(topic, next-1))
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned between the two looks
		}
		return next - 1, msg, err
	}
}
