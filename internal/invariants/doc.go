// Package invariants switches costly checks on in builds with the tag
// "invariants" or under the race detector, and off in all others, where they cost
// nothing: Enabled is a constant, so what stands behind it is not compiled.
//
//	if invariants.Enabled {
//		s.check()
//	}
package invariants
