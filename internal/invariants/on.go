//go:build invariants || race

package invariants

import "math/rand/v2"

// Enabled is true in builds with the tag "invariants" or with -race.
const Enabled = true

// Sometimes is true in the given percentage of calls when invariants are enabled,
// and false otherwise.
func Sometimes(percent int) bool { return rand.IntN(100) < percent }

// Mangle overwrites b when invariants are enabled: a buffer whose owner is done
// with it, to catch those who kept it.
func Mangle(b []byte) {
	for i := range b {
		b[i] = 0xcc
	}
}
