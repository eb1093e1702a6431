// Package statediff turns chain.Changes into compact bytes and back, against the
// state before them. It is what full nodes are fed with: they apply diffs and
// compare roots, and never execute.
//
// New makes the default chain.DiffEncoder. One Codec is one end of one stream:
// the sender's encodes, the receiver's decodes in the same order, and both carry
// a model that says where in the stream they are. A diff that is lost, repeated
// or another stream's is ErrOutOfStep, and so is one that is decoded against
// another state than the one it was made against.
//
// With Config.Stateless every diff stands alone: it needs the state before it and
// no stream. Block diffs in the data-availability layer and snapshots use that.
//
// # What a decoder promises
//
// The bytes may come from anyone. Decode looks at all sizes before it takes
// memory, decoded sizes too; it accepts exactly the bytes that the encoder
// makes for those Changes (zstd's own choices aside); and after an error the
// Changes and the model are what they were.
//
// # The model
//
// The model of version 1 is a position: how many diffs came before and a digest
// over all of them. It learns nothing from what it sees, so it can be handed to a
// late joiner in sixteen bytes (AppendModel, SetModel), and Mark and Rollback are
// copies of it.
//
// FORMAT.md, beside this file, describes the bytes.
package statediff
