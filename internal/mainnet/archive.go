package mainnet

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// An Archive is a data set, opened. It may be used concurrently.
type Archive struct {
	dir     string
	numbers []uint64
	codes   map[common.Hash][]byte
}

// Open reads the codes of the data set in dir, and lists its blocks.
func Open(dir string) (*Archive, error) {
	a := &Archive{dir: dir}
	files, err := os.ReadDir(filepath.Join(dir, "blocks"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".rlp")
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not named after a block: %w", f.Name(), err)
		}
		a.numbers = append(a.numbers, number)
	}
	slices.Sort(a.numbers)
	data, err := os.ReadFile(filepath.Join(dir, "codes.rlp"))
	if err != nil {
		return nil, err
	}
	a.codes, err = decodeCodes(data)
	return a, err
}

// Numbers are those of the blocks, ascending. Read only.
func (a *Archive) Numbers() []uint64 { return a.numbers }

// Block reads one block.
func (a *Archive) Block(number uint64) (*Block, error) {
	name := filepath.Join(a.dir, "blocks", fmt.Sprintf("%08d.rlp", number))
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	b, err := Decode(data, a.codes)
	if err == nil && b.Header.Number != number {
		err = corrupt(fmt.Errorf("holds block %d", b.Header.Number))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// Load reads all blocks of the data set in dir, ascending, one at a time. The
// first error ends it.
func Load(dir string) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		a, err := Open(dir)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, number := range a.numbers {
			b, err := a.Block(number)
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}
