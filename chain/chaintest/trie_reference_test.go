package chaintest

import "testing"

// TestTrieRoot holds the reference against roots that others have computed: the
// "dogs" and "puppy" of Ethereum's TrieTests.
func TestTrieRoot(t *testing.T) {
	for want, entries := range map[string]map[string][]byte{
		"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421": nil,
		"0x8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3": {
			"doe": []byte("reindeer"), "dog": []byte("puppy"), "dogglesworth": []byte("cat"),
		},
		"0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84": {
			"do": []byte("verb"), "dog": []byte("puppy"), "doge": []byte("coin"), "horse": []byte("stallion"),
		},
	} {
		if got := TrieRoot(entries).Hex(); got != want {
			t.Errorf("%d entries: got %s, want %s", len(entries), got, want)
		}
	}
}
