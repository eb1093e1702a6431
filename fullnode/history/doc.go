// Package history keeps what blocks held and did.
package history
