package eigenda

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
)

// Version bytes of commitments (common/types/certs/eigenda.go). The number of the
// certificate's own version is one more.
const (
	versionV1   = 0x00
	versionLast = 0x03
)

// A mode is what the two modes differ in.
type mode struct {
	name   string
	prefix []byte // of commitments, before the version
	query  string
}

var modes = [...]mode{
	Standard:  {name: "standard", query: "?commitment_mode=standard"},
	OPGeneric: {name: "op generic", prefix: []byte{0x01, 0x00}}, // generic, EigenDA
}

// version of a commitment that check let pass.
func (m *mode) version(commitment []byte) byte { return commitment[len(m.prefix)] }

// check looks at the form of a commitment: prefix, a version that is known, and
// something of a certificate, which is opaque to us. The error matches ErrCorrupt.
func (m *mode) check(commitment []byte) error {
	fail := func(offset int, err error) error {
		return &chain.CorruptError{What: "commitment of mode " + m.name, Offset: int64(offset), Err: err}
	}
	at := len(m.prefix)
	switch {
	case !bytes.HasPrefix(commitment, m.prefix):
		return fail(0, fmt.Errorf("begins with %x, not %x", commitment[:min(at, len(commitment))], m.prefix))
	case len(commitment) < at+2:
		return fail(len(commitment), errors.New("ends before the certificate"))
	case commitment[at] > versionLast:
		return fail(at, fmt.Errorf("version 0x%02x is not known", commitment[at]))
	}
	return nil
}
