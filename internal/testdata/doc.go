// Package testdata finds the data sets that tests and benchmarks run on. They are
// read where they lie and are no part of the repository: each has an environment
// variable that says where it is, and otherwise is looked for beside the
// repository, in ../shared.
//
// Without its data a test is skipped, and names the variable; under CI=true it
// fails, so that a run that proves nothing is not green.
package testdata
