package statediff

import "github.com/vivace-chain/vivace/chain"

// DiffEncoder is the contract that a Codec implements.
type DiffEncoder = chain.DiffEncoder

// Config sets the limits of a Codec. The zero value is useful. Both ends of a
// stream must agree on Stateless, and the receiver's limits must not be lower
// than the sender's.
type Config struct {
	// Stateless makes every diff decodable against the state before it alone,
	// in any order. A stateless Codec and a streaming one refuse each other's
	// diffs with ErrOutOfStep.
	Stateless bool
	// MaxEncoded is the largest encoded diff in bytes, encoding and decoding.
	// Default 64 MiB.
	MaxEncoded int
	// MaxDecoded bounds the memory, in bytes, that decoding one diff may take,
	// by the weight that FORMAT.md defines. Default 256 MiB, about half a
	// million accounts with one slot each.
	MaxDecoded int
	// Marks is how many of the newest marks are remembered. Default 1024.
	Marks int
}

func (c Config) withDefaults() Config {
	if c.MaxEncoded <= 0 {
		c.MaxEncoded = 64 << 20
	}
	if c.MaxDecoded <= 0 {
		c.MaxDecoded = 256 << 20
	}
	if c.Marks <= 0 {
		c.Marks = 1024
	}
	return c
}
