// Package vfs is a small seam between us and the file system: as much of it as a
// log, a snapshot and a directory of blobs need, and no more.
//
// OS is the real one. NewCrash makes one in memory that knows which bytes and
// which directory entries a power failure would leave, so that a test can crash
// a program at any operation and look at what it finds afterwards.
//
// # What is durable when
//
// POSIX promises little, and code above this seam may count on no more than that:
//
//   - Write, Truncate and Reserve are durable after File.Sync: the bytes and the
//     length are, other facts of the file (its times) are not.
//   - A name (by Create, Rename, Remove, MkdirAll) is durable after SyncDir of the
//     directory that holds it. File.Sync does not make the file's name durable.
//   - Rename replaces its target atomically.
//   - A sector of 512 bytes may be written in part when the power fails, but a
//     write does not harm bytes that were synced before ("powersafe overwrite").
//   - After a failed Sync nothing is known about the file's unsynced bytes; a
//     later Sync that succeeds does not vouch for them.
//
// Writes go from a file's beginning to its end, and never twice to one place but
// after Truncate. That keeps both sides simple, and nothing here needs more. Reserve
// lets the file be longer than what is written: then a Sync finds the length as it
// was, and has nothing to write but data.
//
// Errors of a missing file match fs.ErrNotExist.
package vfs
