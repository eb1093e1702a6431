package state

import "fmt"

// Durability says what a log survives.
type Durability uint8

const (
	// DurabilityFsync, the default: what was synced survives a loss of power.
	DurabilityFsync Durability = iota
	// DurabilityNone: records are never synced. What was appended has reached the
	// operating system, so it survives the end of the process (kill -9, panic),
	// but not the end of the machine: after a loss of power the log may be shorter
	// or, where the disk kept later bytes and lost earlier ones, corrupt.
	DurabilityNone
)

var durabilityNames = [...]string{DurabilityFsync: "fsync", DurabilityNone: "none"}

// String is "fsync" or "none".
func (d Durability) String() string {
	if int(d) < len(durabilityNames) {
		return durabilityNames[d]
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// MarshalText implements encoding.TextMarshaler, for flags and configuration.
func (d Durability) MarshalText() ([]byte, error) {
	if int(d) >= len(durabilityNames) {
		return nil, fmt.Errorf("no such durability: %d", uint8(d))
	}
	return []byte(durabilityNames[d]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler: "fsync" or "none".
func (d *Durability) UnmarshalText(text []byte) error {
	for i, name := range durabilityNames {
		if name == string(text) {
			*d = Durability(i)
			return nil
		}
	}
	return fmt.Errorf("durability %q: want fsync or none", text)
}
