package main

import (
	"fmt"
	"strconv"
)

// A rate is how many transactions per second the load sends.
type rate int

// Rates that are no number of transactions.
const (
	noLoad  rate = 0
	fastest rate = -1 // as fast as answers come back
)

const highestRate = 10_000_000

// UnmarshalText implements encoding.TextUnmarshaler, for flags.
func (r *rate) UnmarshalText(text []byte) error {
	if string(text) == "max" {
		*r = fastest
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > highestRate {
		return fmt.Errorf("%q is neither max nor a number from 0 to %d", text, highestRate)
	}
	*r = rate(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r rate) MarshalText() ([]byte, error) {
	if r == fastest {
		return []byte("max"), nil
	}
	return strconv.AppendInt(nil, int64(r), 10), nil
}
