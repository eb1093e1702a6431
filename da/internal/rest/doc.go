// Package rest is the HTTP that the clients and servers of data-availability layers
// share: one exchange, with a deadline of its own, no redirects, an answer that is
// bounded before memory is taken and does not stand still, and the meaning of status codes
// as package da's errors, in both directions.
//
// Rejected: http.Client.Timeout, whose error cannot be told from the caller's
// deadline; io.ReadAll, which takes whatever comes; following redirects, which turn
// a POST into a GET.
package rest
