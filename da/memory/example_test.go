package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
)

// A test of somebody who puts blobs: the layer is busy, then it takes them.
func Example() {
	layer, err := memory.New(memory.Config{Settings: memory.Settings{BusyRate: 1}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = layer.Put(ctx, []byte("hello"))
	fmt.Println("busy:", errors.Is(err, da.ErrBusy))

	if err := layer.Set(memory.Settings{}); err != nil {
		log.Fatal(err)
	}
	id, _ := layer.Put(ctx, []byte("hello"))
	blob, err := layer.Get(ctx, id)
	fmt.Printf("%s, %v\n", blob, err)
	// Output:
	// busy: true
	// hello, <nil>
}
