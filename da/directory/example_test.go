package directory_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/vivace-chain/vivace/da/directory"
)

func Example() {
	dir, err := os.MkdirTemp("", "da")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := directory.Open(directory.Config{Directory: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	id, _ := store.Put(context.Background(), []byte("hello"))
	fmt.Printf("%x\n", id) // keccak256 of the content
	blob, err := store.Get(context.Background(), id)
	fmt.Printf("%s, %v\n", blob, err)
	// Output:
	// 1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8
	// hello, <nil>
}
