package sequencer

// Keeps reports whether the objects of a block are kept in memory.
func (s *Sequencer) Keeps(number uint64) bool {
	_, ok := s.keptObjects(number)
	return ok
}
