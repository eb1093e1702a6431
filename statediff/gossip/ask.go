package gossip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

const (
	// askedMax is how many requests one peer has of us at once: it answers no more.
	askedMax = servingPerPeer
	// askedPeers is how many peers are asked one thing.
	askedPeers = 3
	// hedge, and twice what a peer needs there and back, is how long it may think until
	// another is asked too.
	hedge      = 50 * time.Millisecond
	rttUnknown = 100 * time.Millisecond
)

// ask asks one peer, and counts how it did. The items are what it sent, unread.
func (n *Node) ask(ctx context.Context, id peer.ID, r request) (items [][]byte, err error) {
	if !n.peers.begin(id) {
		return nil, errBusy
	}
	began := time.Now()
	defer func() { n.peers.finish(id, time.Since(began), r.question == askStatus && err == nil) }()
	n.tally.asked.Add(1)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	items, err = n.exchange(ctx, id, r)
	switch {
	case err == nil:
	case isCorrupt(err):
		n.blame(id, scoreBadAnswer, r, err)
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		n.blame(id, scoreTimeout, r, err)
	}
	return items, err
}

func isCorrupt(err error) bool {
	return errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrTooLarge)
}

func isTimeout(err error) bool {
	timeout := net.Error(nil)
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (n *Node) exchange(ctx context.Context, id peer.ID, r request) (items [][]byte, err error) {
	s, err := n.host.NewStream(ctx, id, n.syncID)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Reset()
			return
		}
		s.Close()
	}()
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := s.Write(r.append(nil)); err != nil {
		return nil, err
	}
	items, err = readAnswer(s, r)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // the stream's end was ours
	}
	return items, err
}

// blame takes from a peer's score.
func (n *Node) blame(id peer.ID, by float64, r request, err error) {
	n.peers.reward(id, by)
	n.Logger.Debug("gossip: a peer answers badly", "peer", id, "question", r.question, "err", err)
}

// begin counts a request to a peer, if it may have one more.
func (p *peers) begin(id peer.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	if m == nil || m.asked >= askedMax {
		return false
	}
	m.asked++
	return true
}

// finish ends it. Small answers show how far away a peer is.
func (p *peers) finish(id peer.ID, took time.Duration, small bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		m.asked--
		if small {
			m.rtt = (m.rtt + took) / 2
		}
	}
}

func (p *peers) rttOf(id peer.ID) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		return m.rtt
	}
	return rttUnknown
}

// An answer is what a peer sent, opened.
type answer struct {
	from  peer.ID
	sent  int // how many items; of no use were those that are not among them
	items []envelope.Opened
	err   error
}

// askSigned asks one peer for envelopes and opens them. What came before a bad one
// counts.
func (n *Node) askSigned(ctx context.Context, id peer.ID, r request) answer {
	items, err := n.ask(ctx, id, r)
	if err != nil && len(items) == 0 {
		return answer{id, 0, nil, err}
	}
	list, bad := n.readSigned(id, r, items)
	if bad != nil {
		n.blame(id, scoreBadAnswer, r, bad)
		err = bad
	}
	if len(list) > 0 {
		n.tally.answered.Add(1)
	}
	return answer{id, len(items), list, err}
}

// errNobody: there is no peer that may have it.
var errNobody = fmt.Errorf("%w: no peer to ask", chain.ErrNotFound)

// askAround asks peers for what they may have, one after the other, each as soon as
// the one before has taken too long, until use can use what one says. Without one, the
// error matches errNotKept if all that answered do not keep it any more.
func (n *Node) askAround(ctx context.Context, r request, may func(*status) bool, use func(answer) bool) error {
	ids := n.peers.best(may)
	ids = ids[:min(len(ids), askedPeers)]
	if len(ids) == 0 {
		return errNobody
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(ids))
	var (
		started, over int
		result        = errNotKept
	)
	for {
		var patience <-chan time.Time
		if started < len(ids) && started == over {
			patience = closedTimer
		} else if started < len(ids) {
			patience = time.After(hedge + 2*n.peers.rttOf(ids[started-1]))
		}
		select {
		case <-patience:
			id := ids[started]
			started++
			n.spawn(func() { answers <- n.askSigned(ctx, id, r) })
		case a := <-answers:
			over++
			if use(a) {
				return nil
			}
			if !errors.Is(a.err, errNotKept) {
				result = errNobody
			}
			if over == len(ids) {
				return result
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// closedTimer fires at once.
var closedTimer = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

// askStatusOf asks a peer what it has.
func (n *Node) askStatusOf(ctx context.Context, id peer.ID) (*status, error) {
	r := request{question: askStatus}
	items, err := n.ask(ctx, id, r)
	if err != nil {
		return nil, err
	}
	if len(items) != 1 {
		err = &chain.CorruptError{What: "status", Err: io.ErrUnexpectedEOF}
		n.blame(id, scoreBadAnswer, r, err)
		return nil, err
	}
	st, err := parseStatus(items[0])
	if err != nil {
		n.blame(id, scoreBadAnswer, r, err)
		return nil, err
	}
	n.peers.setStatus(id, st)
	return &st, nil
}

// askForPeers asks somebody for others, if there are too few.
func (n *Node) askForPeers(ctx context.Context) {
	if n.peers.count() >= n.PeersWanted {
		return
	}
	id, ok := n.peers.anyone()
	if !ok {
		return
	}
	r := request{question: askPeers}
	items, err := n.ask(ctx, id, r)
	if err != nil {
		return
	}
	for _, item := range items {
		info, err := parseAddress(item)
		if err != nil {
			n.blame(id, scoreBadAnswer, r, err)
			return
		}
		n.peers.learn(*info)
	}
}

// parseAddress reads an address that ends in a peer id. The error matches
// chain.ErrCorrupt.
func parseAddress(item []byte) (*peer.AddrInfo, error) {
	a, err := ma.NewMultiaddrBytes(item)
	if err == nil {
		var info *peer.AddrInfo
		if info, err = peer.AddrInfoFromP2pAddr(a); err == nil {
			return info, nil
		}
	}
	return nil, &chain.CorruptError{What: "address", Offset: -1, Err: err}
}
