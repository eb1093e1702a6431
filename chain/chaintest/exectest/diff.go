package exectest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/chain"
)

// diff names the first difference between two results, or returns the empty
// string. Hints and Last are left out.
func diff(got, want *chain.Result) string {
	switch {
	case len(got.Receipts) != len(want.Receipts):
		return fmt.Sprintf("%d receipts, want %d", len(got.Receipts), len(want.Receipts))
	case got.GasUsed != want.GasUsed:
		return fmt.Sprintf("gas used %d, want %d", got.GasUsed, want.GasUsed)
	case got.BlobGasUsed != want.BlobGasUsed:
		return fmt.Sprintf("blob gas used %d, want %d", got.BlobGasUsed, want.BlobGasUsed)
	case got.LogsBloom != want.LogsBloom:
		return "logs bloom differs"
	case (got.Requests == nil) != (want.Requests == nil) || !slices.EqualFunc(got.Requests, want.Requests, bytes.Equal):
		return fmt.Sprintf("requests %x, want %x", got.Requests, want.Requests)
	}
	for i := range got.Receipts {
		if g, w := describe(got.Receipts[i]), describe(want.Receipts[i]); g != w {
			return fmt.Sprintf("receipt %d: got\n%s\nwant\n%s", i, g, w)
		}
	}
	if got.Changes.Digest() != want.Changes.Digest() {
		return fmt.Sprintf("changes: got\n%+v\nwant\n%+v", got.Changes, want.Changes)
	}
	if d := got.Accesses.Diff(want.Accesses); d != "" {
		return "access set: " + d
	}
	return ""
}

// describe is everything in a receipt.
func describe(r *chain.Receipt) string {
	plain := *r
	plain.Logs, plain.ContractAddress, plain.BlobGasPrice = nil, nil, nil
	return fmt.Sprintf("%x %+v %v %v", r.AppendConsensus(nil), plain, r.ContractAddress, r.BlobGasPrice)
}
