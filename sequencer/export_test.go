package sequencer

// Keeps reports whether the objects of a block are kept.
func (s *Sequencer) Keeps(number uint64) bool { return s.kept.has(number) }
