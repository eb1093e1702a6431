package chain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestHistoryStorageCodeHash(t *testing.T) {
	code := common.FromHex("3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500")
	if got := Keccak256(code); got != HistoryStorageCodeHash {
		t.Fatalf("got %s, want %s", got, HistoryStorageCodeHash)
	}
}
