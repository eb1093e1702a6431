package eigenda_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/eigenda"
	"github.com/vivace-chain/vivace/da/memory"
)

// A blob goes to EigenDA's proxy and comes back. What fails says what to do about it.
func Example() {
	layer, err := memory.New(memory.Config{}) // stands for the proxy
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(layer)
	defer server.Close()

	client, err := eigenda.New(eigenda.Config{URL: server.URL}) // "http://127.0.0.1:3100"
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	id, err := client.Put(ctx, []byte("hello"))
	if err != nil {
		log.Fatal(err)
	}
	commitment, hash, _ := da.Unbind(id)
	fmt.Printf("version 0x%02x, content %x...\n", commitment[0], hash[:4])
	blob, err := client.Get(ctx, id)
	fmt.Printf("%s, %v\n", blob, err)

	if err := layer.Set(memory.Settings{PutReturnsFailoverError: true}); err != nil {
		log.Fatal(err)
	}
	_, err = client.Put(ctx, []byte("hello"))
	fmt.Println("fail over:", errors.Is(err, da.ErrFailover))
	// Output:
	// version 0x03, content 1c8aff95...
	// hello, <nil>
	// fail over: true
}
