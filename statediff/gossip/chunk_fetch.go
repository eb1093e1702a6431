package gossip

import (
	"cmp"
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
	// slowPart: who takes more than this part of the time for an answer makes room for
	// others, if there are any.
	slowPart = 4
	// strikeBusy and strikeEmpty are what it counts that a peer had no time, or gave
	// nothing; with strikesMax it is not asked again for the same contents.
	strikeBusy, strikeEmpty, strikesMax = 1, 10, 20
	// chunksRate is how fast contents have to come from all peers together, in bytes a
	// second, after a minute for those who are silent: the layer may be there again by then,
	// or others who give it.
	chunksRate, chunksGrace = 128 << 10, time.Minute
	// nobodyFor is how long a peer is looked for that may be asked, and goneFor how long for
	// those who gave something and went: they come back, or others come.
	nobodyFor, goneFor = 5 * time.Second, time.Minute
)

// A download is contents on their way here. Each chunk is checked as it comes, so that a
// lie costs an answer, and who told it is known.
type download struct {
	*Node
	digest common.Hash // of chunks
	stop   context.CancelCauseFunc
	whole  chan struct{} // closed when all came

	mu      sync.Mutex
	chunks  *chain.Chunks // nil until a peer said
	blob    []byte        // the chunks that came, in their places
	todo    []int         // those that nobody is asked for, ascending
	left    int           // those that have not come
	moved   chan struct{} // closed and replaced when todo or left did
	sources map[peer.ID]*source
	slow    int         // how often a source was
	late    *time.Timer // of begin
}

// A source is a peer that is asked for contents.
type source struct {
	asked   bool // it has a lane
	gave    bool // something
	lied    bool
	strikes int // in a row, and since it came
	slow    int // the download's, when this one was: who was so last is asked last
}

func (s *source) useless() bool { return s.lied || s.strikes >= strikesMax }

// errSlow: peers give what they have, and nobody could wait for the end of it.
var errSlow = errors.New("peers give it too slowly")

// timeFor is how long contents may take to come.
func timeFor(size uint64) time.Duration {
	return chunksGrace + time.Duration(size)*time.Second/chunksRate
}

func (n *Node) newDownload(digest common.Hash, stop context.CancelCauseFunc) *download {
	return &download{
		Node: n, digest: digest, stop: stop, whole: make(chan struct{}),
		moved: make(chan struct{}), sources: make(map[peer.ID]*source),
	}
}

// download gets a blob from peers, by the digest of its chain.Chunks. Without one that has
// it the error matches chain.ErrNotFound; it is chain.ErrTooLarge for more than
// Config.SnapshotMax. It ends with ctx, and with the node.
func (n *Node) download(ctx context.Context, digest common.Hash) ([]byte, *chain.Chunks, error) {
	ctx, stop := context.WithCancelCause(ctx)
	d := n.newDownload(digest, stop)
	var lanes sync.WaitGroup
	defer d.end()
	defer lanes.Wait()
	defer stop(nil)
	for idle := time.Duration(0); ; idle += mendAgain {
		busy, hope := d.lend(ctx, &lanes)
		switch {
		case busy:
			idle = 0
		case idle >= hope:
			return nil, nil, fmt.Errorf("contents of a snapshot: %w", errNobody)
		}
		select {
		case <-d.whole:
			return d.blob, d.chunks, nil
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-n.ctx.Done():
			return nil, nil, errClosed
		case <-time.After(mendAgain):
		}
	}
}

func (d *download) end() {
	if d.late != nil {
		d.late.Stop()
	}
}

// of is what is known of a peer. The caller holds mu.
func (d *download) of(id peer.ID) *source {
	if d.sources[id] == nil {
		d.sources[id] = new(source)
	}
	return d.sources[id]
}

// lend gives lanes, of which there are a few, to peers that may be asked: the best first,
// and who was slow after all others. It reports whether anybody has one, and else how long
// somebody may be worth waiting for.
func (d *download) lend(ctx context.Context, lanes *sync.WaitGroup) (busy bool, hope time.Duration) {
	ids := d.peers.best(askChunks, func(*status) bool { return true })
	there := d.host.Network().Peers()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.SortStableFunc(ids, func(a, b peer.ID) int { return cmp.Compare(d.of(a).slow, d.of(b).slow) })
	free := sourcesMax
	for id, s := range d.sources {
		if s.asked {
			free--
		}
		if !slices.Contains(there, id) {
			s.strikes = 0 // it may come back as one that can
		}
	}
	for _, id := range ids {
		if s := d.of(id); free > 0 && !s.asked && !s.useless() {
			s.asked = true
			free--
			lanes.Go(func() { d.drain(ctx, id, s) })
		}
	}
	return free < sourcesMax, d.hope(there)
}

// hope is how long it may be worth to wait for somebody who may be asked. The caller holds
// mu.
func (d *download) hope(there []peer.ID) (most time.Duration) {
	for _, id := range there {
		if !d.of(id).useless() {
			most = nobodyFor
		}
	}
	for _, s := range d.sources {
		if s.gave && !s.useless() {
			most = goneFor
		}
	}
	return most
}

// drain takes chunks from a peer, until all came, or it fails, or is slow and makes room for
// others. One that can give more stays for what others were asked for in vain.
func (d *download) drain(ctx context.Context, id peer.ID, s *source) {
	for ctx.Err() == nil && d.askOnce(ctx, id, s) {
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s.asked = false
}

// askOnce asks a peer once, and reports whether to ask it again at once.
func (d *download) askOnce(ctx context.Context, id peer.ID, s *source) bool {
	d.mu.Lock()
	known, left, moved := d.chunks != nil, d.left, d.moved
	first, count := d.take()
	d.mu.Unlock()
	var (
		got   int
		err   error
		began = time.Now()
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
	if ctx.Err() != nil && got == 0 {
		return false
	}
	return d.judge(id, s, got, err, time.Since(began))
}

// judge is what an answer says of its peer: whether to ask it again at once.
func (d *download) judge(id peer.ID, s *source, got int, err error, took time.Duration) bool {
	d.peers.brought(id, askChunks, got > 0)
	if got > 0 {
		d.tally.answered.Add(1)
		d.peers.reward(id, scoreServed)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case isCorrupt(err):
		d.tally.chunksRefused.Add(1)
		s.lied = true
	case got > 0:
		s.strikes, s.gave = 0, true
	case errors.Is(err, chain.ErrBusy):
		s.strikes += strikeBusy
	default:
		s.strikes += strikeEmpty
	}
	if slow := took > questions[askChunks].patience/slowPart; slow {
		d.slow++
		s.slow = d.slow
		return false
	}
	return got > 0 && !s.lied
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
	d.move()
}

// move says that todo or left did. The caller holds mu.
func (d *download) move() {
	if d.left == 0 {
		close(d.whole)
	}
	close(d.moved)
	d.moved = make(chan struct{})
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
	d.tally.chunksTaken.Add(uint64(got))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left -= got
	for i := first + got; i < first+count; i++ {
		d.todo = append(d.todo, i)
	}
	slices.Sort(d.todo)
	d.move()
	return got, err
}
