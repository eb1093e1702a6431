package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer"
)

// txMax is the longest body that is read, in bytes.
const txMax = 128 << 10

// A receipt is the answer to a transaction.
type receipt struct {
	TransactionHash  common.Hash    `json:"transactionHash"`
	BlockNumber      hexutil.Uint64 `json:"blockNumber"`
	TransactionIndex hexutil.Uint64 `json:"transactionIndex"`
	Status           hexutil.Uint64 `json:"status"`
	GasUsed          hexutil.Uint64 `json:"gasUsed"`
}

// serveDoor takes transactions: POST / with the raw bytes answers with the receipt
// once it is durable; GET /nonce/ADDRESS answers with the account's nonce in the
// newest mini-block.
func serveDoor(l net.Listener, s *sequencer.Sequencer) (stop func() error) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, txMax))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		rec, err := s.Submit(r.Context(), raw)
		if err != nil {
			http.Error(w, err.Error(), statusOf(err))
			return
		}
		answer(w, receipt{rec.TxHash, hexutil.Uint64(rec.BlockNumber), hexutil.Uint64(rec.TransactionIndex),
			hexutil.Uint64(rec.Status), hexutil.Uint64(rec.GasUsed)})
	})
	mux.HandleFunc("GET /nonce/{address}", func(w http.ResponseWriter, r *http.Request) {
		view, _ := s.View()
		account, _, err := view.Account(common.HexToAddress(r.PathValue("address")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, account.Nonce)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Shutdown(ctx)
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that has gone does not concern us
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, chain.ErrBusy):
		return http.StatusTooManyRequests
	case errors.Is(err, chain.ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, chain.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}
