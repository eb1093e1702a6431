package gossip_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// What is said in the network is there for whoever reads its topics.
func ExampleNode_Subscribe() {
	key := must(gossip.NewKey(append(make([]byte, 31), 1)))
	node := must(gossip.New(gossip.Config{
		ChainID: 7777, Genesis: common.Hash{1}, Signer: key,
		Signers: map[common.Address]gossip.Grant{key.Address(): {}},
	}))
	defer node.Close()
	ctx := context.Background()
	var before common.Hash
	for i := range uint32(3) {
		f := &chain.Frame{Number: 5, Index: i, Term: 1, Parent: before, Last: i == 2}
		if i == 0 {
			f.Env = &chain.Env{Number: 5, ExtraData: []byte{7: 1}}
		}
		before = f.Digest()
		noun := must(f.AppendBinary(nil))
		_ = must(node.Publish(ctx, gossip.TopicFeed, gossip.AppendFeed(nil, gossip.KindFrame, noun)))
	}

	next := must(node.Subscribe(ctx, gossip.TopicFeed, gossip.SeqOf(chain.Place{Number: 5, Index: 1})))
	for range 2 {
		seq, msg, err := next(ctx)
		check(err)
		_, noun, err := gossip.ParseFeed(msg)
		check(err)
		f := new(chain.Frame)
		check(f.UnmarshalBinary(noun))
		fmt.Println(gossip.PlaceOf(seq), f.Last)
	}
	// Output:
	// 5/1 false
	// 5/2 true
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
