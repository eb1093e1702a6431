package da_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

func TestBind(t *testing.T) {
	name, blob := []byte("name"), []byte("blob")
	id := da.Bind(name, blob)
	clear(name)
	got, hash, ok := da.Unbind(id)
	if !ok || string(got) != "name" || hash != chain.Keccak256(blob) {
		t.Errorf("%q, %s, %t", got, hash, ok)
	}
	for n := range 33 {
		if _, _, ok := da.Unbind(make(chain.BlobID, n)); ok {
			t.Errorf("%d bytes hold a name and a hash", n)
		}
	}
	if err := da.CheckBlob(blob, hash); err != nil {
		t.Error(err)
	}
	if err := da.CheckBlob([]byte("blab"), hash); !errors.Is(err, da.ErrCorrupt) {
		t.Errorf("other bytes: %v", err)
	}
	if err := da.CheckBlob(nil, hash); !errors.Is(err, da.ErrTransient) || errors.Is(err, da.ErrCorrupt) {
		t.Errorf("no bytes: %v", err)
	}
	if err := da.CheckBlob(nil, chain.Keccak256()); err != nil {
		t.Errorf("the empty blob: %v", err)
	}
}

// TestErrors is the table of what matches what.
func TestErrors(t *testing.T) {
	all := []error{da.ErrNotFound, da.ErrTooLarge, da.ErrCorrupt, da.ErrBusy, da.ErrTransient, da.ErrFailover, da.ErrDropped, da.ErrRefused}
	for _, c := range []struct {
		err   error
		want  []error
		final bool
	}{
		{&da.BusyError{}, []error{da.ErrBusy, da.ErrTransient}, false},
		{&da.DroppedError{Code: 1}, []error{da.ErrDropped}, true},
		{&da.StatusError{Kind: da.ErrTooLarge}, []error{da.ErrTooLarge}, true},
		{&da.StatusError{Kind: da.ErrRefused}, []error{da.ErrRefused}, false},
		{&chain.MismatchError{}, nil, true},
		{da.ErrNotFound, []error{da.ErrNotFound}, false},
		{da.ErrCorrupt, []error{da.ErrCorrupt}, false},
		{da.ErrFailover, []error{da.ErrFailover}, false},
	} {
		for _, sentinel := range all {
			want := false
			for _, w := range c.want {
				want = want || w == sentinel
			}
			if errors.Is(c.err, sentinel) != want {
				t.Errorf("%v: matches %v is %t", c.err, sentinel, !want)
			}
		}
		if da.Final(c.err) != c.final {
			t.Errorf("%v: final is %t", c.err, !c.final)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, body := range []string{"", "short", strings.Repeat("é", 300), string(bytes.Repeat([]byte{0xff}, 300)), "x" + strings.Repeat("é", 300)} {
		got := da.Excerpt([]byte(body))
		if len(got) > 256 || !utf8.ValidString(got) || !strings.HasPrefix(body, got) {
			t.Errorf("%q of %q", got, body)
		}
	}
}
