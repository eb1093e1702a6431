package unassigned_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/unassigned"
)

func Example() {
	_, _, err := da.Put(context.Background(), unassigned.Client{}, &da.Object{Kind: da.Block})
	fmt.Println(errors.Is(err, unassigned.ErrUnassigned))

	_, err = unassigned.Client{}.Get(context.Background(), nil)
	fmt.Println(err)
	// Output:
	// true
	// no data-availability layer is assigned
}
