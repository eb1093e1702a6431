package bench

import (
	"context"
	"fmt"
	"runtime"
	"testing"
)

// A recorder stands in for the test that a check would end.
type recorder struct {
	testing.TB
	word string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return context.Background() }

// Fatalf implements testing.TB.
func (r *recorder) Fatalf(format string, args ...any) {
	r.word = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Fatal implements testing.TB.
func (r *recorder) Fatal(args ...any) {
	r.word = fmt.Sprint(args...)
	runtime.Goexit()
}

// failure is the word with which a check ends its test, empty if it does not.
func failure(check func(tb testing.TB)) string {
	r, done := new(recorder), make(chan struct{})
	go func() {
		defer close(done)
		check(r)
	}()
	<-done
	return r.word
}
