package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

const (
	// askedMax is how many requests one peer has of us at once: fewer than it answers, for
	// it may still be at one that we gave up.
	askedMax = servingPerPeer - 1
	// askedPeers is how many peers are asked one thing, and askedMost how often somebody is
	// while one of them does not answer.
	askedPeers, askedMost = 3, 9
	// hedge, and twice what a peer needs there and back, is how long it may think until
	// another is asked too; hedgeMax at most.
	hedge, hedgeMax = 50 * time.Millisecond, time.Second
	rttUnknown      = 100 * time.Millisecond
)

// ask asks one peer, and counts how it did. The items are what it sent, unread. What is
// wrong costs the peer; to be late does not, but others are asked before it.
func (n *Node) ask(ctx context.Context, id peer.ID, r request) (items [][]byte, err error) {
	m := n.peers.begin(id)
	if m == nil {
		return nil, errNotAsked
	}
	began := time.Now()
	defer func() {
		shows := r.question == askStatus && err == nil || isTimeout(err)
		n.peers.finish(m, time.Since(began), shows)
	}()
	n.tally.asked.Add(1)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.patience, questions[r.question].patience))
	defer cancel()
	items, err = n.exchange(ctx, id, r)
	switch {
	case isCorrupt(err):
		n.blame(id, scoreBadAnswer, r, err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		n.blame(id, scoreCut, r, err)
	}
	return items, err
}

// errNotAsked: a peer has enough requests of ours, or is not there any more.
var errNotAsked = fmt.Errorf("%w: the peer is not asked", chain.ErrBusy)

// asked reports whether an error is a peer's answer, or its want of one, and not of our
// doing.
func asked(err error) bool { return !errors.Is(err, errNotAsked) && !errors.Is(err, context.Canceled) }

func isCorrupt(err error) bool {
	return errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrTooLarge)
}

func isTimeout(err error) bool {
	timeout := net.Error(nil) // context.DeadlineExceeded is one
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (n *Node) exchange(ctx context.Context, id peer.ID, r request) (items [][]byte, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err() // the stream's end was ours
		}
	}()
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
	return readAnswer(s, r)
}

// blame takes from a peer's score.
func (n *Node) blame(id peer.ID, by float64, r request, err error) {
	n.peers.reward(id, by)
	n.Logger.Debug("gossip: a peer answers badly", "peer", id, "question", r.question, "err", err)
}

// begin counts a request to a peer, if it may have one more; else it returns nil.
func (p *peers) begin(id peer.ID) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	if m == nil || m.asked >= askedMax {
		return nil
	}
	m.asked++
	return m
}

// finish ends it. Small answers, and those that did not come in time, show how far away
// a peer is.
func (p *peers) finish(m *member, took time.Duration, shows bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.asked--
	if shows {
		m.rtt = (m.rtt + took) / 2
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

// lacks reports whether an answer to r that is of no use shows that its peer came past what
// was asked for, and does not have it: it says so, or has signed things that stand where
// that would. One that just gives nothing may be slow, or boast.
func (a *answer) lacks(r request) bool {
	return errors.Is(a.err, errNotKept) || r.meets(a.items)
}

// errNobody: there is no peer that may have it.
var errNobody = fmt.Errorf("%w: no peer to ask", chain.ErrNotFound)

// askAround asks peers for what they may have, one after the other, each as soon as
// the one before has taken too long, until use can use what one says. While the last
// takes too long it looks again, for one may have come, or have it by now: a peer behind
// a link that is cut would hold everything up for as long as requests may take. Without
// one, the error matches errNotKept if somebody does not keep it any more: what the
// others say who bring nothing does not count. They are asked last the next time.
func (n *Node) askAround(ctx context.Context, r request, may func(*status) bool, use func(answer) bool) error {
	ids := n.peers.best(r.question, may)
	ids = ids[:min(len(ids), askedPeers)]
	if len(ids) == 0 {
		return errNobody
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, askedMost)
	var (
		flying []peer.ID // who was asked, and has not answered
		result = errNobody
	)
	for started := 0; ; {
		var patience <-chan time.Time
		switch {
		case len(flying) == 0:
			patience = closedTimer
		case started < len(ids):
			patience = time.After(min(hedge+2*n.peers.rttOf(ids[started-1]), hedgeMax))
		case started < askedMost:
			patience = time.After(hedgeMax)
		}
		select {
		case <-patience:
			if started == len(ids) {
				ids = append(ids, n.another(r, may, flying)...)
			}
			if started == len(ids) {
				continue
			}
			id := ids[started]
			started, flying = started+1, append(flying, id)
			if !n.spawn(func() { answers <- n.askSigned(ctx, id, r) }) {
				return errClosed
			}
		case a := <-answers:
			i := slices.Index(flying, a.from)
			flying = slices.Delete(flying, i, i+1)
			good := use(a)
			n.peers.brought(a.from, r.question, good)
			if good {
				return nil
			}
			if errors.Is(a.err, errNotKept) {
				result = errNotKept
			}
			if len(flying) == 0 && started == len(ids) {
				return result
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// another is the best peer to ask that is not being asked: one, or none.
func (n *Node) another(r request, may func(*status) bool, flying []peer.ID) []peer.ID {
	ids := slices.DeleteFunc(n.peers.best(r.question, may), func(id peer.ID) bool { return slices.Contains(flying, id) })
	return ids[:min(len(ids), 1)]
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
	teller := n.peers.addrOf(id)
	for _, item := range items {
		info, err := parseAddress(item)
		if err != nil {
			n.blame(id, scoreBadAnswer, r, err)
			return
		}
		info.Addrs = credible(info.Addrs, teller)
		n.peers.learn(*info)
	}
}

// addrOf is where a peer is; nil if it has gone.
func (p *peers) addrOf(id peer.ID) ma.Multiaddr {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		return m.addr
	}
	return nil
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
