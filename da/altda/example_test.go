package altda_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
)

// A layer is served to OP's nodes, and read by a client of ours.
func Example() {
	handler, err := altda.NewServer(altda.ServerConfig{Client: inprocess.New()}) // or directory.Open, or a layer of your own
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	client, err := altda.New(altda.Config{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	id, err := client.Put(context.Background(), []byte("hello"))
	fmt.Printf("%x %v\n", id, err)
	blob, err := client.Get(context.Background(), id)
	fmt.Printf("%s %v\n", blob, err)
	// Output:
	// 001c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8 <nil>
	// hello <nil>
}
