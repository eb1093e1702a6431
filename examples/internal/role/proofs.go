package role

import (
	"flag"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/prover"
)

const (
	// devProver, as one of -provers, is the development chain's.
	devProver = "dev"
	// reexecution, as one of -prover-programs, is what the program prover attests under.
	reexecution = "reexecution"
)

// proofs are the flags that say which attestations count.
type proofs struct {
	provers   string
	programs  string
	threshold int
}

// allowed are those that they name.
type allowed struct {
	provers   []common.Address
	programs  []common.Hash // any, if it is empty
	threshold int
}

// Flags declares them; usage is that of -provers.
func (o *proofs) Flags(f *flag.FlagSet, usage string) {
	f.StringVar(&o.provers, "provers", "", usage)
	f.IntVar(&o.threshold, "prover-threshold", 1, "how `many` of -provers must agree on a block")
	f.StringVar(&o.programs, "prover-programs", "", "comma-separated `programs`, hashes of 32 bytes, that may have checked a block for an attestation of it to count: that of a zkVM's guest, or reexecution for that of the program prover; any, if empty")
}

// read finds out what the flags name. On the development chain -provers may be dev, and is
// unless it names somebody. Errors match cli.ErrUsage.
func (o *proofs) read(dev bool) (a allowed, err error) {
	a.threshold = o.threshold
	if a.provers, err = proverAddresses(o.provers, dev); err != nil {
		return a, err
	}
	if n := len(a.provers); n > 0 && (o.threshold < 1 || o.threshold > n) {
		return a, fmt.Errorf("%w: -prover-threshold must be from 1 to the %d of -provers", cli.ErrUsage, n)
	}
	a.programs, err = proverPrograms(o.programs)
	return a, err
}

// completed is a, with what it leaves open as an invitation has it.
func (a allowed) completed(i *p2p.Invitation) allowed {
	if len(a.provers) == 0 {
		a.provers, a.threshold = i.Provers, i.Threshold
	}
	if len(a.programs) == 0 {
		a.programs = i.Programs
	}
	return a
}

// proverAddresses are those that -provers names; on the development chain, if it names
// none, the one whose key everybody knows.
func proverAddresses(flag string, dev bool) (out []common.Address, err error) {
	if flag == "" && dev {
		flag = devProver
	}
	for _, a := range cli.List(flag) {
		switch {
		case a == devProver && !dev:
			return nil, fmt.Errorf("%w: -provers: everybody knows the key of dev, and -genesis is not of the development chain", cli.ErrUsage)
		case a == devProver:
			key, err := cli.DevProver()
			if err != nil {
				return nil, err
			}
			out = append(out, crypto.PubkeyToAddress(key.PublicKey))
		case !common.IsHexAddress(a):
			return nil, fmt.Errorf("%w: -provers: %q is not an address", cli.ErrUsage, a)
		default:
			out = append(out, common.HexToAddress(a))
		}
	}
	return out, nil
}

// proverPrograms are those that -prover-programs names.
func proverPrograms(flag string) (out []common.Hash, err error) {
	for _, p := range cli.List(flag) {
		if p == reexecution {
			out = append(out, prover.ReexecutionProgram)
			continue
		}
		hash, err := hexutil.Decode(p)
		if err != nil || len(hash) != common.HashLength {
			return nil, fmt.Errorf("%w: -prover-programs: %q is neither %s nor a hash of %d bytes", cli.ErrUsage, p, reexecution, common.HashLength)
		}
		out = append(out, common.Hash(hash))
	}
	return out, nil
}
