package trie

// A path is a sequence of nibbles, one per byte. The path of a whole key ends
// with terminator, so that no key's path is the prefix of another's and a key
// that ends in a branch needs no rule of its own.
const terminator = 16

// pathSize is the length of the path of a hashed key.
const pathSize = 2*32 + 1

// appendPath appends the path of a whole key.
func appendPath(dst, key []byte) []byte {
	for _, b := range key {
		dst = append(dst, b>>4, b&15)
	}
	return append(dst, terminator)
}

// commonPrefix is the number of nibbles with which both a and b begin.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Flags in the first nibble of a compact path.
const (
	flagOdd  = 0x10
	flagLeaf = 0x20
)

// appendCompact appends the compact form of a path (Yellow Paper, appendix C,
// hex-prefix encoding): two nibbles to a byte, after a nibble that tells leaf
// from extension and odd from even.
func appendCompact(dst, path []byte) []byte {
	var flags byte
	if n := len(path); n > 0 && path[n-1] == terminator {
		flags, path = flagLeaf, path[:n-1]
	}
	if len(path)%2 == 1 {
		flags, path = flags|flagOdd|path[0], path[1:]
	}
	dst = append(dst, flags)
	for i := 0; i < len(path); i += 2 {
		dst = append(dst, path[i]<<4|path[i+1])
	}
	return dst
}

// parseCompact returns the path that appendCompact wrote, and false for bytes
// that it does not write.
func parseCompact(src []byte) (path []byte, ok bool) {
	if len(src) == 0 || src[0] >= flagLeaf<<1 {
		return nil, false
	}
	path = make([]byte, 0, 2*len(src))
	switch {
	case src[0]&flagOdd != 0:
		path = append(path, src[0]&15)
	case src[0]&15 != 0:
		return nil, false
	}
	for _, b := range src[1:] {
		path = append(path, b>>4, b&15)
	}
	if src[0]&flagLeaf != 0 {
		path = append(path, terminator)
	}
	return path, true
}
