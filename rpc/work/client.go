package work

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

// ClientConfig says whose work a Client takes. URL, ChainID and Signer are required.
type ClientConfig struct {
	// URL is the sequencer's door: http or https.
	URL     string
	ChainID uint64
	// Signer is the prover's, as in prover.Config: requests are signed with the key that
	// signs the attestations.
	Signer attest.Signer
	// Objects makes the Client ask the sequencer for the objects of its jobs at once, for
	// provers that cannot reach the data-availability layer. What it does not get, the prover
	// fetches from there. One job is leased at a time then. Without, the sequencer is asked
	// for what the layer does not give.
	Objects bool
	// PollMin is the pause before there is asked for work again when there is none; it
	// doubles from one to the next, up to PollMax. Defaults 100 ms and 1 s.
	PollMin, PollMax time.Duration
	// Timeout is how long a request may take, ObjectsTimeout how long one for a page of objects.
	// Defaults 10 s and 1 min.
	Timeout, ObjectsTimeout time.Duration
	// ObjectsBytes bounds the objects of a job together, which come in pages. Default 1 GiB.
	ObjectsBytes int
	// HTTP makes the requests. Default: a client of its own, which follows no redirects.
	HTTP *http.Client
}

func (c ClientConfig) withDefaults() (*ClientConfig, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("work: ClientConfig.URL is %q, want http://host:port", c.URL)
	case c.ChainID == 0:
		return nil, errors.New("work: ClientConfig.ChainID is required")
	case c.Signer == nil:
		return nil, errors.New("work: ClientConfig.Signer is required")
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{
		{&c.PollMin, 100 * time.Millisecond}, {&c.PollMax, time.Second},
		{&c.Timeout, 10 * time.Second}, {&c.ObjectsTimeout, time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if c.ObjectsBytes <= 0 {
		c.ObjectsBytes = 1 << 30
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
				IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 16, MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &c, nil
}

// A Client takes work from a sequencer's door: a prover.Source. A sequencer that is
// not there passes; that it serves no namespace prover, or does not know our key, does
// not.
type Client struct {
	cfg     *ClientConfig
	begun   bool          // Lease has released what an earlier process left
	reading chan struct{} // has one while objects are asked for
}

var _ prover.ObjectSource = (*Client)(nil)

// NewClient checks the Config. It asks nobody yet.
func NewClient(c ClientConfig) (*Client, error) {
	cfg, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, reading: make(chan struct{}, 1)}, nil
}

// Close closes idle connections. Nothing else must be in progress.
func (c *Client) Close() { c.cfg.HTTP.CloseIdleConnections() }

// Sizes of answers, in bytes: what the door's own envelope and small answers take, and
// what a lease's publication does.
const (
	answerSmall = 64 << 10
	answerLease = 64 << 10
)

// Lease implements prover.Source. The first call releases what an earlier process leased under
// the same key.
func (c *Client) Lease(ctx context.Context, n int) ([]prover.Job, error) {
	n = min(n, LeaseMax)
	if c.cfg.Objects {
		n = 1
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	for pause := c.cfg.PollMin; ; pause = min(2*pause, c.cfg.PollMax) {
		jobs, err := c.lease(ctx, n)
		if err != nil || len(jobs) > 0 {
			return jobs, err
		}
		if err := sched.Sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (c *Client) lease(ctx context.Context, n int) ([]prover.Job, error) {
	var (
		leases []Lease
		asked  = time.Now()
	)
	err := c.callStamped(ctx, &leases, answerSmall+n*answerLease, ask{method: "lease", number: uint64(n)}, hexutil.Uint64(n))
	if err != nil {
		return nil, err
	}
	if len(leases) > n {
		return nil, broken(ctx, fmt.Errorf("%d leases where %d were asked for", len(leases), n))
	}
	jobs := make([]prover.Job, len(leases))
	for i := range leases {
		if jobs[i], err = leases[i].job(asked); err != nil {
			return nil, broken(ctx, err)
		}
	}
	if c.cfg.Objects && len(jobs) > 0 {
		c.objects(ctx, &jobs[0])
	}
	return jobs, nil
}

// objectsTries is how often the sequencer is asked for objects before the prover has to
// find them elsewhere.
const objectsTries = 3

// objects adds the objects to a job. Without them, they are fetched from the
// data-availability layer, whatever it was that failed here. Nobody renews the lease meanwhile,
// so that is given half of its time.
func (c *Client) objects(ctx context.Context, job *prover.Job) {
	ctx, cancel := context.WithTimeout(ctx, time.Until(job.Deadline)/2)
	defer cancel()
	for range objectsTries {
		block, witness, diff, err := c.Objects(ctx, job.Publication.Block.Number)
		switch {
		case err == nil:
			job.Block, job.Witness, job.Diff = block, witness, diff
			return
		case !errors.Is(err, da.ErrTransient) && !errors.Is(err, chain.ErrBusy):
			return
		case sched.Sleep(ctx, c.cfg.PollMin) != nil:
			return
		}
	}
}

// Objects implements prover.ObjectSource. The sequencer reads for each prover one block at a
// time, so that is how they are asked for.
func (c *Client) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return nil, nil, nil, ctx.Err()
	}
	var o objects
	for done := false; !done; {
		var (
			page ObjectsPage
			from = uint64(len(o.whole))
		)
		if err := c.callStamped(ctx, &page, answerSmall+2*pageMax, *askObjects(number, from), hexutil.Uint64(number), hexutil.Uint64(from)); err != nil {
			return nil, nil, nil, err
		}
		done, err = o.add(&page, c.cfg.ObjectsBytes)
		switch {
		case errors.Is(err, chain.ErrTooLarge):
			return nil, nil, nil, err
		case err != nil:
			return nil, nil, nil, broken(ctx, err)
		}
	}
	block, witness, diff = o.payloads()
	return block, witness, diff, nil
}

// begin releases, once, what an earlier process of the prover's has leased and, killed, not
// released.
func (c *Client) begin(ctx context.Context) error {
	if c.begun {
		return nil
	}
	if err := c.Release(ctx, sequencer.AllLeases, nil); err != nil && !errors.Is(err, prover.ErrLeaseLost) {
		return err
	}
	c.begun = true
	return nil
}

// Renew implements prover.Source.
func (c *Client) Renew(ctx context.Context, lease uint64) (time.Time, error) {
	var (
		ttl   hexutil.Uint64
		asked = time.Now()
	)
	if err := c.callStamped(ctx, &ttl, answerSmall, ask{method: "renew", number: lease}, hexutil.Uint64(lease)); err != nil {
		return time.Time{}, err
	}
	return deadline(asked, ttl), nil
}

// Release implements prover.Source.
func (c *Client) Release(ctx context.Context, lease uint64, why error) error {
	text := ""
	if why != nil {
		if text = da.Excerpt([]byte(why.Error())); text == "" {
			text = "for no reason"
		}
	}
	var done bool
	return c.callStamped(ctx, &done, answerSmall, ask{method: "release", number: lease, text: text}, hexutil.Uint64(lease), text)
}

// Submit implements prover.Source.
func (c *Client) Submit(ctx context.Context, a *chain.Attestation) error {
	raw, err := a.AppendBinary(nil)
	if err != nil {
		return err
	}
	var done bool
	return c.call(ctx, &done, answerSmall, "submit", hexutil.Bytes(raw))
}

// Status asks for prover_status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.call(ctx, &s, 1<<20, "status"); err != nil {
		return nil, err
	}
	return &s, nil
}

// Evidence asks for the words of provers that contradict blocks, from number from on:
// some of them, none when there are no more. Nothing of them is checked.
func (c *Client) Evidence(ctx context.Context, from uint64) ([]Evidence, error) {
	var list []Evidence
	if err := c.call(ctx, &list, 1<<20, "evidence", hexutil.Uint64(from)); err != nil {
		return nil, err
	}
	return list, nil
}
