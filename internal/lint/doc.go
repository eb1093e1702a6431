// Package lint holds small rules of our own for this repository's text, as tests:
// what a reviewer would otherwise have to say twice. It has no code of its own.
//
// Each rule is a function from a file to complaints, and has a table of what it
// must and must not complain about. staticcheck, which is larger, runs from
// `make lint` and .ci/run.
package lint
