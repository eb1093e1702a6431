package envelope

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden are envelopes whose bytes never change while the version is 1. The packed
// one is read only: another compressor may pack it otherwise.
var golden = []struct {
	name   string
	kind   Kind
	body   []byte
	packed bool
}{
	{"frame", KindFrame, []byte("a frame"), false},
	{"header", KindHeader, []byte("a header"), false},
	{"bodies", KindBodies, text(700), true},
	{"attestation", KindAttestation, []byte("an attestation"), false},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			file := filepath.Join("testdata", g.name+".hex")
			if *rewrite {
				text := hex.EncodeToString(seal(t, sample(g.kind), g.body, key(t, 1)))
				require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o644))
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			want, err := hex.DecodeString(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			if !g.packed {
				require.Equal(t, want, seal(t, sample(g.kind), g.body, key(t, 1)))
			}
			o, err := checker(t).Open(want)
			require.NoError(t, err)
			require.Equal(t, g.body, o.Body)
			require.Equal(t, g.packed, o.Packed)
			require.Equal(t, key(t, 1).Address(), o.Signer)
		})
	}
}

// The layout of the package comment, byte by byte, without the code that writes it.
func TestLayout(t *testing.T) {
	body := []byte("a frame")
	msg := seal(t, sample(KindFrame), body, key(t, 1))
	want := "5645" + "01" + "66" + "00" + "0000000000001e61" + hex.EncodeToString(sampleGenesis[:]) +
		"0000000000000002" + "000000000000000c" + "00000003" + "00000007" +
		hex.EncodeToString(crypto.Keccak256(body))
	require.Equal(t, want, hex.EncodeToString(msg[:101]))
	require.Equal(t, body, msg[166:])

	signed := crypto.Keccak256([]byte("\x19vivace envelope v1\n"), msg[:101], crypto.Keccak256(body))
	secret, err := crypto.ToECDSA(bytes.Repeat([]byte{1}, 32)) // as key makes it
	require.NoError(t, err)
	sig, err := crypto.Sign(signed, secret)
	require.NoError(t, err)
	require.Equal(t, sig, msg[101:166])
}
