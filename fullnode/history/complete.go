package history

// Complete reports whether nothing is missing: every block from 1 to Head is kept
// whole, and what is unsealed follows it without a gap. Then a hash for which Tx found
// nothing, asked before, is of no transaction of these blocks; if not, it may be of one
// that was pruned or never came. Ask after the lookup, not before. It says nothing of
// blocks that the writer has yet to bring: a full node's state may be ahead of Head. A store of
// headers only never is.
func (s *Store) Complete() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	// A Persist that runs may have pruned in the file what spans still has.
	pruned := s.cfg.KeepBlocks > 0 && s.head.Number > s.cfg.KeepBlocks
	return !pruned && !s.cfg.HeadersOnly && s.gapless(s.spans)
}

// CompleteHeaders is Complete for headers, which are kept where blocks are pruned: then
// a hash for which Number found nothing is of no sealed block up to Head.
func (s *Store) CompleteHeaders() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gapless(s.heads)
}

// gapless reports whether the spans are all blocks from 1 to the head, and what is
// unsealed follows. The caller has the lock.
func (s *Store) gapless(spans []span) bool {
	return s.gapEnd() == 0 && (s.head.Number == 0 || keepsAll(spans, 1, s.head.Number))
}

// gapEnd is the number of the first unsealed block if blocks are missing between it and
// the head, or else 0. The caller has the lock.
func (s *Store) gapEnd() uint64 {
	if i := s.firstUnsealed(); i < len(s.mem) && s.mem[i].gap {
		return s.mem[i].env.Number
	}
	return 0
}
