package statediff

import (
	"errors"

	"github.com/holiman/uint256"
)

// A value is sent as a form and a magnitude. The form's upper two bits say what
// to do with the value before, its lower six how many bytes the magnitude has,
// 0 to 32, big-endian, without leading zeros.
const (
	formAdd = 0 << 6
	formSub = 1 << 6
	formSet = 2 << 6

	formLength = 1<<6 - 1
)

var (
	errForm     = errors.New("form is not known")
	errLength   = errors.New("more than 32 bytes")
	errLeading  = errors.New("leading zero")
	errOverflow = errors.New("overflow")
)

// appendValue appends the shortest form of after: the difference from before, or
// after itself if that is shorter.
func appendValue(forms, magnitudes []byte, before, after *uint256.Int) (_, _ []byte) {
	var (
		magnitude uint256.Int
		form      byte
	)
	if before.Lt(after) {
		form = formAdd
		magnitude.Sub(after, before)
	} else {
		form = formSub
		magnitude.Sub(before, after)
	}
	if after.ByteLen() < magnitude.ByteLen() {
		form, magnitude = formSet, *after
	}
	return append(forms, form|byte(magnitude.ByteLen())), appendMagnitude(magnitudes, &magnitude)
}

func appendMagnitude(dst []byte, v *uint256.Int) []byte {
	be := v.Bytes32()
	return append(dst, be[32-v.ByteLen():]...)
}

// readValue is the inverse of appendValue. That the form is the shortest is
// checked elsewhere, for all columns at once.
func readValue(forms, magnitudes *reader, before *uint256.Int) (after uint256.Int) {
	var (
		form      = forms.byte()
		magnitude = readMagnitude(magnitudes, int(form&formLength))
		overflow  bool
	)
	switch form &^ formLength {
	case formAdd:
		_, overflow = after.AddOverflow(before, &magnitude)
	case formSub:
		_, overflow = after.SubOverflow(before, &magnitude)
	case formSet:
		after = magnitude
	default:
		forms.fail(errForm)
	}
	if overflow {
		forms.fail(errOverflow)
	}
	return after
}

func readMagnitude(r *reader, length int) (v uint256.Int) {
	if length > 32 {
		r.fail(errLength)
		return v
	}
	b := r.bytes(length)
	if len(b) > 0 && b[0] == 0 {
		r.fail(errLeading)
		return v
	}
	v.SetBytes(b)
	return v
}
