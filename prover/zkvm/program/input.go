package program

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

// Limits of an input, in bytes.
const (
	RulesMax = 64 << 10
	// InputMax bounds rules, block, witness and diff together. A block of 30 Mgas
	// has some 2 MiB; what the guest takes to check it is a multiple of that.
	InputMax = 64 << 20
)

const (
	inputMagic = "VZI1"
	inputHead  = len(inputMagic) + 4*4
)

// parts are what a frame holds, in order.
func parts(in *prover.Input) []*[]byte {
	return []*[]byte{&in.Config, &in.Block, &in.Witness, &in.Diff}
}

// InputReader is the frame of in: it reads from in's bytes, without a copy. ChainID
// is not in it, since the rules have it. The error matches chain.ErrTooLarge.
func InputReader(in *prover.Input) (io.Reader, error) {
	var (
		head    = append(make([]byte, 0, inputHead), inputMagic...)
		readers = make([]io.Reader, 1, 5)
		sizes   [4]uint64
	)
	for i, part := range parts(in) {
		sizes[i] = uint64(len(*part))
		head = binary.BigEndian.AppendUint32(head, uint32(sizes[i]))
		readers = append(readers, bytes.NewReader(*part))
	}
	if _, err := checkSizes(sizes); err != nil {
		return nil, err
	}
	readers[0] = bytes.NewReader(head)
	return io.MultiReader(readers...), nil
}

// checkSizes returns the sum.
func checkSizes(sizes [4]uint64) (total uint64, err error) {
	for _, size := range sizes {
		total += size
	}
	switch {
	case sizes[0] > RulesMax:
		return 0, fmt.Errorf("%w: rules of %d bytes, at most %d allowed", chain.ErrTooLarge, sizes[0], RulesMax)
	case total > InputMax:
		return 0, fmt.Errorf("%w: input of %d bytes, at most %d allowed", chain.ErrTooLarge, total, InputMax)
	}
	return total, nil
}

// ReadInput reads a frame and the end after it. Sizes are looked at before memory is
// taken. ChainID stays zero. The error matches chain.ErrTooLarge or chain.ErrCorrupt,
// or is r's.
func ReadInput(r io.Reader) (*prover.Input, error) {
	var head [inputHead]byte
	if err := readFull(r, head[:], "head"); err != nil {
		return nil, err
	}
	if got := string(head[:len(inputMagic)]); got != inputMagic {
		return nil, corrupt("input", fmt.Errorf("begins with %q, not %q", got, inputMagic))
	}
	var sizes [4]uint64
	for i := range sizes {
		sizes[i] = uint64(binary.BigEndian.Uint32(head[len(inputMagic)+4*i:]))
	}
	total, err := checkSizes(sizes)
	if err != nil {
		return nil, err
	}
	rest := make([]byte, total)
	if err := readFull(r, rest, "parts"); err != nil {
		return nil, err
	}
	in := new(prover.Input)
	for i, part := range parts(in) {
		*part, rest = rest[:sizes[i]:sizes[i]], rest[sizes[i]:]
	}
	return in, readEnd(r)
}

func readFull(r io.Reader, dst []byte, what string) error {
	n, err := io.ReadFull(r, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("input", fmt.Errorf("%s: %d bytes of %d", what, n, len(dst)))
	}
	return err
}

func readEnd(r io.Reader) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); {
	case err == nil:
		return corrupt("input", errors.New("bytes after its end"))
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func corrupt(what string, err error) error {
	return &chain.CorruptError{What: what, Offset: -1, Err: err}
}
