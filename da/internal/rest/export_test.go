package rest

import "time"

// Stall is how long a body may stand still.
func (c *Client) Stall(d time.Duration) { c.stall = d }
