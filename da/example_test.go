package da_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
)

// An object of a block goes to the layer and comes back; as anything else than it
// is, it does not.
func Example() {
	var (
		ctx    = context.Background()
		client = inprocess.New() // or directory.Open, or a layer of your own
		block  = chain.BlockID{Number: 1}
	)
	id, _, err := da.Put(ctx, client, &da.Object{Kind: da.Diff, Block: block, Payload: []byte("changes")})
	fmt.Println(len(id), err)

	o, err := da.Get(ctx, client, id, da.Want{Kind: da.Diff, Block: block})
	fmt.Printf("%s, %v\n", o.Payload, err)

	_, err = da.Get(ctx, client, id, da.Want{Kind: da.Witness, Block: block})
	fmt.Println(errors.Is(err, chain.ErrMismatch))
	// Output:
	// 32 <nil>
	// changes, <nil>
	// true
}
