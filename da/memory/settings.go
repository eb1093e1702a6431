package memory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vivace-chain/vivace/da"
)

// Settings are the knobs of a Layer. Zero is a layer without faults.
type Settings struct {
	// MaxBlobSizeBytes bounds the encoded blob. Default 16 MiB, which holds
	// 16,252,897 bytes.
	MaxBlobSizeBytes uint64
	// BlobExpiration is how long blobs are kept; 0 is for ever. EigenDA's is 25 minutes.
	BlobExpiration time.Duration
	PutLatency     time.Duration
	GetLatency     time.Duration
	// PutReturnsFailoverError makes every put fail with 503.
	PutReturnsFailoverError bool
	// Dropped, if it is not nil, is what gets of the blobs put from now on answer.
	Dropped *da.DroppedError
	// CertVersion of new certificates, 3 or 4; the version byte of commitments is one
	// less. Default 4.
	CertVersion int

	// Jitter is the most that is added to a latency, drawn for each call: calls
	// overtake each other.
	Jitter time.Duration
	// Shares of all puts and gets, from 0 to 1, in all at most 1 together with those below.
	HangRate     float64 // no answer, until the caller leaves
	ErrorRate    float64 // status 500
	BusyRate     float64 // status 429, with RetryAfter
	FailoverRate float64 // status 503
	CutRate      float64 // the connection ends within the answer; a put was done
	// Shares of gets.
	TruncateRate float64 // the answer ends early, and seems whole
	EmptyRate    float64 // the answer has no bytes
	FlipRate     float64 // one bit of the answer is another
	// Share of puts.
	LoseRate float64 // it succeeds, and the blob is not kept
	// RetryAfter goes with status 429, in whole seconds over HTTP.
	RetryAfter time.Duration
	// BytesPerSecond slows the bodies of gets over HTTP; 0 is at once.
	BytesPerSecond int
	// MissingStatus answers gets of what is not there, over HTTP. Default 500, as
	// EigenDA's proxy; other proxies have 404.
	MissingStatus int
}

func (s Settings) withDefaults() Settings {
	if s.MaxBlobSizeBytes == 0 {
		s.MaxBlobSizeBytes = 16 << 20
	}
	if s.CertVersion == 0 {
		s.CertVersion = 4
	}
	if s.MissingStatus == 0 {
		s.MissingStatus = http.StatusInternalServerError
	}
	return s
}

func (s *Settings) validate() error {
	sum := 0.0
	for _, rate := range s.rates() {
		if !(rate.share >= 0 && rate.share <= 1) {
			return fmt.Errorf("a rate of %v is not from 0 to 1", rate.share)
		}
		sum += rate.share
	}
	switch {
	case sum > 1+1e-9:
		return fmt.Errorf("rates add up to %v", sum)
	case s.CertVersion != 3 && s.CertVersion != 4:
		return fmt.Errorf("certificates of version %d are not known", s.CertVersion)
	case s.Dropped != nil && (s.Dropped.Code < da.DropUnparsed || s.Dropped.Code > da.DropUndecodable):
		return fmt.Errorf("status code %d of a derivation error is not from 1 to 4", s.Dropped.Code)
	case min(s.PutLatency, s.GetLatency, s.Jitter, s.BlobExpiration, s.RetryAfter) < 0 || s.BytesPerSecond < 0:
		return errors.New("a duration or rate of bytes is negative")
	case s.MissingStatus < 400 || s.MissingStatus > 599:
		return fmt.Errorf("status %d is not one of an error", s.MissingStatus)
	}
	return nil
}

// settingsJSON is Settings on the wire: what is nil stays as it is.
type settingsJSON struct {
	MaxBlobSizeBytes        *uint64
	BlobExpiration          *duration
	PutLatency              *duration
	GetLatency              *duration
	PutReturnsFailoverError *bool
	// of a PATCH only
	NullableDerivationError *nullableError `json:",omitempty"`
	CertVersion             *int

	Jitter         *duration
	HangRate       *float64
	ErrorRate      *float64
	BusyRate       *float64
	FailoverRate   *float64
	CutRate        *float64
	TruncateRate   *float64
	EmptyRate      *float64
	FlipRate       *float64
	LoseRate       *float64
	RetryAfter     *duration
	BytesPerSecond *int
	MissingStatus  *int
}

// A nullableError sets a derivation error, or with Reset takes it away
// (NullableDerivationError in memconfig/http_handlers.go).
type nullableError struct {
	derivationError
	Reset bool
}

type derivationError struct {
	StatusCode da.DropCode
	Msg        string
}

// A duration is written as Go writes it: "1m30s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// fields are those of s, by reference.
func (s *Settings) fields() settingsJSON {
	return settingsJSON{
		MaxBlobSizeBytes: &s.MaxBlobSizeBytes, BlobExpiration: (*duration)(&s.BlobExpiration),
		PutLatency: (*duration)(&s.PutLatency), GetLatency: (*duration)(&s.GetLatency),
		PutReturnsFailoverError: &s.PutReturnsFailoverError, CertVersion: &s.CertVersion,
		Jitter: (*duration)(&s.Jitter), HangRate: &s.HangRate, ErrorRate: &s.ErrorRate, BusyRate: &s.BusyRate,
		FailoverRate: &s.FailoverRate, CutRate: &s.CutRate, TruncateRate: &s.TruncateRate, EmptyRate: &s.EmptyRate,
		FlipRate: &s.FlipRate, LoseRate: &s.LoseRate, RetryAfter: (*duration)(&s.RetryAfter), BytesPerSecond: &s.BytesPerSecond,
		MissingStatus: &s.MissingStatus,
	}
}

// MarshalJSON writes what GET /memstore/config answers.
func (s Settings) MarshalJSON() ([]byte, error) {
	out := struct {
		settingsJSON
		OverwritePutWithDerivationError *derivationError
	}{settingsJSON: s.fields()}
	if s.Dropped != nil {
		out.OverwritePutWithDerivationError = &derivationError{s.Dropped.Code, s.Dropped.Msg}
	}
	return json.Marshal(out)
}

// patched returns s with what a body of PATCH /memstore/config changes.
func (s Settings) patched(body []byte) (Settings, error) {
	update := s.fields() // of the copy: the decoder writes into the fields themselves
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err := in.Decode(&update); err != nil {
		return s, err
	}
	if e := update.NullableDerivationError; e != nil {
		s.Dropped = nil
		if !e.Reset {
			s.Dropped = &da.DroppedError{Code: e.StatusCode, Msg: e.Msg}
		}
	}
	s = s.withDefaults()
	return s, s.validate()
}
