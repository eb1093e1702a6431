package datagen

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"runtime"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
)

// A Kind is what a transaction of the load does.
type Kind uint8

// The kinds.
const (
	Transfer      Kind = iota // of ether between two accounts
	TokenTransfer             // of one of the tokens, ERC-20 transfer
	Swap                      // of one token for the other, through the router
	kinds
)

func (k Kind) String() string {
	return [...]string{"transfer", "token transfer", "swap"}[k]
}

// A Mix gives the weight of each Kind, in its order. All zero is DefaultMix.
type Mix [kinds]uint

// DefaultMix is one half transfers, three tenths token transfers, two tenths
// swaps.
var DefaultMix = Mix{50, 30, 20}

func (m Mix) total() (sum uint) {
	for _, w := range m {
		sum += w
	}
	return sum
}

// MaxAccounts bounds Config.Accounts. An account takes some 600 bytes in the
// genesis state, and 32 in the Load.
const MaxAccounts = 10_000_000

// Config says what load to make.
type Config struct {
	Seed     uint64
	Accounts int // at least 2, at most MaxAccounts
	Mix      Mix
	ChainID  uint64
	// BaseFee is the highest that blocks will have, wei, at most 1000 Gwei; nil is 1 Gwei. It is also
	// the highest tip, so the fee cap is twice as much.
	BaseFee *uint256.Int
}

// A Load is a set of accounts and the contracts that they use. It may be used
// concurrently.
type Load struct {
	cfg       Config
	signer    types.Signer
	addresses []common.Address
	contracts Contracts
}

// Contracts are the addresses of the contracts of a Load.
type Contracts struct {
	Token0, Token1 common.Address // ascending, as the pair has them
	Pair           common.Address
	Router         common.Address
}

// New derives the accounts, on all processors: some 50 µs each.
func New(cfg Config) (*Load, error) {
	if cfg.Mix == (Mix{}) {
		cfg.Mix = DefaultMix
	}
	if cfg.BaseFee == nil {
		cfg.BaseFee = uint256.NewInt(params.GWei)
	}
	switch {
	case cfg.Accounts < 2 || cfg.Accounts > MaxAccounts:
		return nil, fmt.Errorf("datagen: %d accounts, must be from 2 to %d", cfg.Accounts, MaxAccounts)
	case cfg.ChainID == 0:
		return nil, errors.New("datagen: no chain id")
	case cfg.BaseFee.GtUint64(1000 * params.GWei):
		return nil, fmt.Errorf("datagen: base fee %s wei exceeds what the accounts can pay", cfg.BaseFee)
	}
	l := &Load{
		cfg:       cfg,
		signer:    types.NewPragueSigner(new(big.Int).SetUint64(cfg.ChainID)),
		addresses: make([]common.Address, cfg.Accounts),
		contracts: newContracts(),
	}
	var workers errgroup.Group
	n := runtime.GOMAXPROCS(0)
	for w := range n {
		workers.Go(func() error {
			for i := w; i < len(l.addresses); i += n {
				l.addresses[i] = crypto.PubkeyToAddress(l.Key(i).PublicKey)
			}
			return nil
		})
	}
	return l, workers.Wait()
}

// newContracts gives the contracts addresses, which do not depend on the seed.
func newContracts() Contracts {
	at := func(name string) common.Address {
		h := chain.Keccak256([]byte("vivace datagen " + name))
		return common.BytesToAddress(h[12:])
	}
	c := Contracts{Token0: at("token 0"), Token1: at("token 1"), Pair: at("pair"), Router: at("router")}
	if c.Token1.Cmp(c.Token0) < 0 {
		c.Token0, c.Token1 = c.Token1, c.Token0
	}
	return c
}

// Contracts returns where the contracts are.
func (l *Load) Contracts() Contracts { return l.contracts }

// Accounts is the number of accounts.
func (l *Load) Accounts() int { return len(l.addresses) }

// Address is the address of account i.
func (l *Load) Address(i int) common.Address { return l.addresses[i] }

// Key is the private key of account i, a function of the seed and i. It is not
// kept: a million keys would be worth a hundred megabytes.
func (l *Load) Key(i int) *ecdsa.PrivateKey {
	secret := l.secret(i)
	key, err := crypto.ToECDSA(secret[:])
	if err != nil {
		panic(fmt.Sprintf("datagen: key %d: %v", i, err)) // secret made it valid
	}
	return key
}

// secret is a uniform scalar below the order of the curve.
func (l *Load) secret(i int) common.Hash {
	var src [24]byte
	binary.BigEndian.PutUint64(src[:], l.cfg.Seed)
	binary.BigEndian.PutUint64(src[8:], uint64(i))
	for {
		h := chain.Keccak256([]byte("vivace datagen key"), src[:])
		if d := new(big.Int).SetBytes(h[:]); d.Sign() > 0 && d.Cmp(crypto.S256().Params().N) < 0 {
			return h
		}
		src[23]++ // has yet to happen: one hash in 2^128
	}
}

// signingKey is Key without the public half, which signing does not need and
// which is dearer than the signature.
func (l *Load) signingKey(i int) *ecdsa.PrivateKey {
	secret := l.secret(i)
	return &ecdsa.PrivateKey{
		PublicKey: ecdsa.PublicKey{Curve: crypto.S256()},
		D:         new(big.Int).SetBytes(secret[:]),
	}
}
