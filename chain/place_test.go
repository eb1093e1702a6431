package chain_test

import (
	"math"
	"testing"

	"github.com/vivace-chain/vivace/chain"
)

// Places in the order of the stream, with their texts.
var places = []struct {
	place chain.Place
	text  string
}{
	{chain.Place{}, "0/0"},
	{chain.HeaderPlace(0), "0/header"},
	{chain.Place{Number: 1}, "1/0"},
	{chain.Place{Number: 1, Index: 1}, "1/1"},
	{chain.Place{Number: 1, Index: chain.HeaderIndex - 1}, "1/4294967294"},
	{chain.HeaderPlace(1), "1/header"},
	{chain.Place{Number: 2}, "2/0"},
	{chain.HeaderPlace(math.MaxUint64), "18446744073709551615/header"},
}

func TestPlaceOrder(t *testing.T) {
	for i, a := range places {
		for j, b := range places {
			if got := a.place.Before(b.place); got != (i < j) {
				t.Errorf("%s before %s: %t", a.text, b.text, got)
			}
			if got := a.place.Compare(b.place); (got == 0) != (i == j) || got != -b.place.Compare(a.place) {
				t.Errorf("%s and %s compare as %d", a.text, b.text, got)
			}
		}
	}
}

func TestPlaceText(t *testing.T) {
	for _, p := range places {
		if got := p.place.String(); got != p.text {
			t.Errorf("got %s, want %s", got, p.text)
		}
		if header := p.text[len(p.text)-1] == 'r'; p.place.IsHeader() != header {
			t.Errorf("%s is a header: %t", p.text, !header)
		}
	}
	if got := (&chain.Frame{Number: 7, Index: 2}).Place(); got != (chain.Place{Number: 7, Index: 2}) {
		t.Errorf("frame 7/2 is at %s", got)
	}
}
