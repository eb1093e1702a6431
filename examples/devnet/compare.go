package main

import (
	"context"

	"github.com/vivace-chain/vivace/internal/mainnet"
)

func compare(context.Context, *mainnet.Block) (peerTimes, error) { return peerTimes{}, nil }
