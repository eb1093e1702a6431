package cli

import (
	"fmt"
	"io"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// PrintDevAccounts prints the development chain's funded accounts as anvil does.
func PrintDevAccounts(w io.Writer) {
	accounts := genesis.DevAccounts()
	fmt.Fprint(w, "\nAvailable Accounts\n==================\n")
	for i, a := range accounts {
		fmt.Fprintf(w, "(%d) %s (%d.000000000000000000 ETH)\n", i, a.Address, genesis.DevAccountEther)
	}
	fmt.Fprint(w, "\nPrivate Keys\n==================\n")
	for i, a := range accounts {
		fmt.Fprintf(w, "(%d) %s\n", i, a.Key)
	}
	fmt.Fprintf(w, "\nWallet\n==================\nMnemonic:          %s\nDerivation path:   m/44'/60'/0'/0/\n\n", genesis.DevMnemonic)
}
