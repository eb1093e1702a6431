package invariants

import (
	"bytes"
	"testing"
)

func TestMangle(t *testing.T) {
	b := []byte("a buffer that someone kept")
	before := bytes.Clone(b)
	Mangle(b)
	if bytes.Equal(b, before) == Enabled {
		t.Fatalf("Enabled is %t, and Mangle made %q of %q", Enabled, b, before)
	}
}

func TestSometimes(t *testing.T) {
	const calls = 10_000
	for percent, limits := range map[int][2]int{0: {0, 0}, 50: {4_000, 6_000}, 100: {calls, calls}} {
		n := 0
		for range calls {
			if Sometimes(percent) {
				n++
			}
		}
		if !Enabled {
			limits = [2]int{}
		}
		if n < limits[0] || n > limits[1] {
			t.Errorf("Sometimes(%d): %d of %d calls, want %v", percent, n, calls, limits)
		}
	}
}
