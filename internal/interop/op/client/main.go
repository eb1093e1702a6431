// Command client uses the OP stack's own client of alt-DA servers: for each size that it
// is given it stores a blob and reads it again, then asks for one that nobody stored. It
// prints a line for each commitment, in hex, and ends with 1 if anything is not as the
// server ought to have it.
//
//	client URL keccak|generic SIZE...
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	altda "github.com/ethereum-optimism/optimism/op-alt-da"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: client URL keccak|generic SIZE...")
	}
	url, generic := args[0], args[1] == "generic"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := altda.CLIConfig{Enabled: true, DAServerURL: url, VerifyOnRead: true, GenericDA: generic}.NewDAClient()
	for _, arg := range args[2:] {
		size, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		blob := bytes.Repeat([]byte{byte(size), byte(size >> 8), 7}, size/3+1)[:size]
		commitment, err := client.SetInput(ctx, blob)
		if err != nil {
			return fmt.Errorf("put of %d bytes: %w", size, err)
		}
		back, err := client.GetInput(ctx, commitment)
		if err != nil {
			return fmt.Errorf("get of %d bytes: %w", size, err)
		}
		if !bytes.Equal(back, blob) {
			return fmt.Errorf("get of %d bytes: others came", size)
		}
		fmt.Printf("%x\n", commitment.Encode())
	}
	_, err := client.GetInput(ctx, altda.NewKeccak256Commitment([]byte("nobody stored this")))
	if !errors.Is(err, altda.ErrNotFound) {
		return fmt.Errorf("get of nothing: %w", err)
	}
	return nil
}
