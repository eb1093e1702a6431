package ethapi

import "time"

// SetClock replaces the clock by which filters expire.
func (a *API) SetClock(now func() time.Time) { a.filters.now = now }

// Filters is how many filters are kept, expired ones among them.
func (a *API) Filters() int {
	a.filters.mu.Lock()
	defer a.filters.mu.Unlock()
	return len(a.filters.byID)
}

// Precompiles is the table of eth_config.
var Precompiles = precompiles
