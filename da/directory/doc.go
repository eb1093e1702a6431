// Package directory is a data-availability layer in a directory of this machine:
// for development, for tests, and for roles that share a disk. Blobs are files,
// named by the keccak256 of their content, which is also their BlobID.
//
//	DIR/LOCK          held by the one Store that writes
//	DIR/ab/abcdef...  a blob, in one of 256 directories
//
// # Durability
//
// When Put returns, the blob survives a power failure: its bytes are synced
// before it gets its name, and then the name is. A crash before that leaves no
// blob, or the whole blob, or a file with the suffix .tmp that nobody reads and
// the next Store removes. Nothing is ever removed otherwise.
//
// # Checks
//
// Get compares the content with its name, so a blob that rotted is ErrCorrupt and
// never data. Putting it again heals it.
package directory
