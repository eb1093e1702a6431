// Package deptest holds the tests of what may depend on what: the floor plan, as
// rules. It has no code of its own.
//
// Each rule stands in a table beside its reason. DO NOT CHANGE THIS DATA TO FIX
// BUILDS: an import that a table refuses is a decision about the design, and the
// reason beside the rule says what it would cost those who import one package of
// this module. Where the decision changes, change table, reason and RATIONALE.md in
// one commit.
package deptest
