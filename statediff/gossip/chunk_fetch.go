package gossip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/vivace-chain/vivace/chain"
)

const (
	// sourcesMax is how many peers give chunks at once, each one answer at a time.
	sourcesMax = 4
	// chunksPatience is how long a peer may take to say what the chunks are.
	chunksPatience = 3 * time.Second
	// strikeBusy and strikeEmpty are what it counts that a peer had no time, or gave
	// nothing; with strikesMax it is not asked again for the same contents.
	strikeBusy, strikeEmpty, strikesMax = 1, 10, 20
	// chunksRate is how fast contents have to come from all peers together, in bytes a
	// second, after a minute for those who are silent: the layer may be there again by then,
	// or others who give it.
	chunksRate, chunksGrace = 128 << 10, time.Minute
	// nobodyMax is how often peers are looked for, one mendAgain after the other, when
	// all have enough requests of ours.
	nobodyMax = 50
)

// A download is contents on their way here. Each chunk is checked as it comes, so that a
// lie costs an answer, and who told it is known.
type download struct {
	*Node
	digest common.Hash // of chunks
	stop   context.CancelCauseFunc

	mu      sync.Mutex
	chunks  *chain.Chunks   // nil until a peer said
	blob    []byte          // the chunks that came, in their places
	todo    []int           // those that nobody is asked for, ascending
	left    int             // those that have not come
	moved   chan struct{}   // closed and replaced when todo or left did
	strikes map[peer.ID]int // in a row
	late    *time.Timer     // of begin
}

// errSlow: peers give what they have, and nobody could wait for the end of it.
var errSlow = errors.New("peers give it too slowly")

// timeFor is how long contents may take to come.
func timeFor(size uint64) time.Duration {
	return chunksGrace + time.Duration(size)*time.Second/chunksRate
}

// download gets a blob from peers, by the digest of its chain.Chunks. Without one that has
// it the error matches chain.ErrNotFound; it is chain.ErrTooLarge for more than
// Config.SnapshotMax. It ends with ctx.
func (n *Node) download(ctx context.Context, digest common.Hash) ([]byte, *chain.Chunks, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d := &download{Node: n, digest: digest, stop: stop, moved: make(chan struct{}), strikes: make(map[peer.ID]int)}
	defer d.end()
	for nobody := 0; nobody < nobodyMax; nobody++ {
		ids, some := d.sources()
		if !some {
			break
		}
		if len(ids) > 0 {
			nobody = 0
		}
		left := d.left
		d.drainAll(ctx, ids)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if d.chunks != nil && d.left == 0 {
			return d.blob, d.chunks, nil
		}
		if d.left == left {
			pause(ctx, mendAgain)
		}
	}
	return nil, nil, fmt.Errorf("contents of a snapshot: %w", errNobody)
}

func (d *download) end() {
	if d.late != nil {
		d.late.Stop()
	}
}

// sources are the peers that may be asked now; some: there may be others later.
func (d *download) sources() (ids []peer.ID, some bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	useless := func(id peer.ID) bool { return d.strikes[id] >= strikesMax }
	ids = slices.DeleteFunc(d.peers.best(askChunks, func(*status) bool { return true }), useless)
	return ids, slices.ContainsFunc(d.host.Network().Peers(), func(id peer.ID) bool { return !useless(id) })
}

// drainAll takes chunks from peers, a few of them at once, until all came or each peer
// failed. Who can give more stays for what others were asked for in vain.
func (d *download) drainAll(ctx context.Context, ids []peer.ID) {
	var lanes sync.WaitGroup
	defer lanes.Wait()
	slots := make(chan struct{}, sourcesMax)
	for _, id := range ids {
		slots <- struct{}{}
		lanes.Go(func() {
			defer func() { <-slots }()
			for ctx.Err() == nil && d.askOnce(ctx, id) {
			}
		})
	}
}

// askOnce asks a peer once, and reports whether to ask it again.
func (d *download) askOnce(ctx context.Context, id peer.ID) bool {
	d.mu.Lock()
	known, left, moved := d.chunks != nil, d.left, d.moved
	first, count := d.take()
	d.mu.Unlock()
	var (
		got int
		err error
	)
	switch {
	case !known:
		got, err = d.learn(ctx, id)
	case left == 0:
		return false
	case count == 0: // somebody is asked for all that is left
		select {
		case <-moved:
		case <-ctx.Done():
		}
		return true
	default:
		got, err = d.get(ctx, id, first, count)
	}
	if ctx.Err() != nil {
		return false
	}
	return d.judge(id, got, err)
}

// judge is what an answer says of its peer: whether to ask it again now.
func (d *download) judge(id peer.ID, got int, err error) bool {
	d.peers.brought(id, askChunks, got > 0)
	if got > 0 {
		d.tally.answered.Add(1)
		d.tally.chunksTaken.Add(uint64(got))
		d.peers.reward(id, scoreServed)
	}
	lied := isCorrupt(err)
	if lied {
		d.tally.chunksRefused.Add(1)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case lied:
		d.strikes[id] = strikesMax
	case got > 0:
		d.strikes[id] = 0
	case errors.Is(err, chain.ErrBusy):
		d.strikes[id] += strikeBusy
	default:
		d.strikes[id] += strikeEmpty
	}
	return got > 0 && !lied
}

// take takes chunks that follow each other for one answer. The caller holds mu.
func (d *download) take() (first, count int) {
	if len(d.todo) == 0 {
		return 0, 0
	}
	first, count = d.todo[0], 1
	for count < min(len(d.todo), questions[askChunks].items) && d.todo[count] == first+count {
		count++
	}
	d.todo = d.todo[count:]
	return first, count
}

// learn asks a peer what the chunks are.
func (d *download) learn(ctx context.Context, id peer.ID) (got int, err error) {
	ctx, cancel := context.WithTimeout(ctx, chunksPatience)
	defer cancel()
	r := request{question: askChunks, from: chain.Place{Number: nameOf(d.digest), Index: chunksIndex}, most: 1}
	items, err := d.ask(ctx, id, r)
	if len(items) == 0 {
		return 0, err
	}
	if said := chain.Keccak256(items[0]); said != d.digest {
		return 0, d.wrong(id, r, "chunks", d.digest, said)
	}
	chunks := new(chain.Chunks)
	if err := chunks.UnmarshalBinary(items[0]); err != nil {
		d.stop(err) // the signer's fault
		return 0, nil
	}
	if chunks.Size > uint64(d.SnapshotMax) {
		d.stop(fmt.Errorf("%w: contents of a snapshot have %d bytes, at most %d are taken", chain.ErrTooLarge, chunks.Size, d.SnapshotMax))
		return 0, nil
	}
	d.begin(chunks)
	return 1, nil
}

// wrong takes a lie from a peer's score, and says what it was.
func (d *download) wrong(id peer.ID, r request, what string, want, got common.Hash) error {
	err := &chain.CorruptError{What: what, Offset: -1, Err: fmt.Errorf("want %s, got %s", want, got)}
	d.blame(id, scoreBadAnswer, r, err)
	return err
}

// begin knows what the chunks are, unless it did.
func (d *download) begin(chunks *chain.Chunks) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chunks != nil {
		return
	}
	d.late = time.AfterFunc(d.timeFor(chunks.Size), func() { d.stop(errSlow) })
	d.chunks, d.blob, d.left = chunks, make([]byte, chunks.Size), len(chunks.Digests)
	for i := range chunks.Digests {
		d.todo = append(d.todo, i)
	}
}

// get asks a peer for chunks. What did not come, or was wrong, others are asked for.
func (d *download) get(ctx context.Context, id peer.ID, first, count int) (got int, err error) {
	r := request{question: askChunks, from: chain.Place{Number: nameOf(d.digest), Index: uint32(first)}, most: uint16(count)}
	items, err := d.ask(ctx, id, r)
	for _, item := range items {
		i := first + got
		if said := chain.Keccak256(item); said != d.chunks.Digests[i] {
			err = d.wrong(id, r, fmt.Sprintf("chunk %d", i), d.chunks.Digests[i], said)
			break
		}
		from, _ := d.chunks.Span(i)
		copy(d.blob[from:], item) // nobody else was asked for it
		got++
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left -= got
	for i := first + got; i < first+count; i++ {
		d.todo = append(d.todo, i)
	}
	slices.Sort(d.todo)
	close(d.moved)
	d.moved = make(chan struct{})
	return got, err
}
