package sequencer

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// refusalPause is the time from one line about words of provers that were refused to the
// next of the same kind.
const refusalPause = time.Minute

// refusals bring to the log that words of provers are refused. Whoever reaches us can send
// words, as many as he likes, so there is a line at once for the first of a kind, and after
// that one in refusalPause, which says how many there were.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[refusal]*refused
}

// A refusal is a kind of them. There are no more than reasons, for each of our provers and
// for all strangers together: these have as many addresses as they like.
type refusal struct {
	reason error
	prover common.Address // zero: a stranger, or nobody knows who
}

type refused struct {
	said   time.Time // when there was a line
	silent int       // refused since
}

// refusalReasons are the errors of words that are refused. Others, as at the end of a
// sequencer, are not about the word.
var refusalReasons = []error{chain.ErrMismatch, ErrNotAllowed, chain.ErrNotFound, chain.ErrCorrupt}

// note notes what became of a word of somebody; the zero address is a stranger.
func (r *refusals) note(prover common.Address, err error) {
	for _, reason := range refusalReasons {
		if errors.Is(err, reason) {
			r.refuse(refusal{reason, prover}, err)
			return
		}
	}
}

func (r *refusals) refuse(kind refusal, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, k := r.now(), r.kinds[kind]
	switch {
	case k == nil:
		k = new(refused)
		r.kinds[kind] = k
	case now.Sub(k.said) < refusalPause:
		k.silent++
		return
	}
	r.log.Warn("attestation refused", "error", err, "others like it since the last line", k.silent)
	*k = refused{said: now}
}
