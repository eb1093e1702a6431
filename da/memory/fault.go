package memory

import "bytes"

// A fault is what befalls one call.
type fault uint8

const (
	none fault = iota
	hang
	internal
	busy
	failover
	cut
	truncate
	empty
	flip
	lose
)

// A rate is a fault's share of calls: of all, or of those that it may befall.
type rate struct {
	fault fault
	share float64
	calls calls
}

type calls uint8

const (
	all calls = iota
	gets
	puts
)

func (s *Settings) rates() []rate {
	return []rate{
		{hang, s.HangRate, all}, {internal, s.ErrorRate, all}, {busy, s.BusyRate, all}, {failover, s.FailoverRate, all},
		{cut, s.CutRate, all}, {truncate, s.TruncateRate, gets}, {empty, s.EmptyRate, gets}, {flip, s.FlipRate, gets},
		{lose, s.LoseRate, puts},
	}
}

// pick is the fault at a point from 0 to 1.
func (s *Settings) pick(point float64, isGet bool) fault {
	other := gets
	if isGet {
		other = puts
	}
	for _, r := range s.rates() {
		if point < r.share {
			if r.calls == other {
				return none
			}
			return r.fault
		}
		point -= r.share
	}
	return none
}

// spoil does to an answer what the fault is, at a place that point, from 0 to 1,
// names. The blob itself stays as it is.
func (f fault) spoil(blob []byte, point float64) []byte {
	switch {
	case len(blob) == 0:
	case f == empty:
		return []byte{}
	case f == truncate || f == cut:
		return blob[:int(point*float64(len(blob)))]
	case f == flip:
		bit := int(point * float64(8*len(blob)))
		blob = bytes.Clone(blob)
		blob[bit/8] ^= 1 << (bit % 8)
	}
	return blob
}
