package testdata

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Environment variables that say where a data set is.
const (
	FixturesVariable  = "VIVACE_FIXTURES"
	MainnetVariable   = "VIVACE_MAINNET"
	WorkloadsVariable = "VIVACE_WORKLOADS"
)

// Fixtures is the directory of the conformance suites of Ethereum, or ends the
// test as the package comment says.
func Fixtures(tb testing.TB) string {
	tb.Helper()
	return find(tb, FixturesVariable, "fixtures")
}

// Mainnet is the directory of real blocks with their state before, or ends the
// test as the package comment says. Package mainnet reads it.
func Mainnet(tb testing.TB) string {
	tb.Helper()
	return find(tb, MainnetVariable, "mainnet")
}

// Workloads is the directory of contracts that measure the EVM, or ends the test
// as the package comment says.
func Workloads(tb testing.TB) string {
	tb.Helper()
	return find(tb, WorkloadsVariable, "evm-workloads")
}

func find(tb testing.TB, variable, name string) string {
	tb.Helper()
	dir, err := locate(variable, name)
	switch {
	case err == nil:
		return dir
	case os.Getenv("CI") == "true":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
	return ""
}

// locate returns the directory that variable names, or else ../shared/name from
// the repository's root.
func locate(variable, name string) (string, error) {
	dir, set := os.LookupEnv(variable)
	if !set || dir == "" {
		root, err := repository()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(filepath.Dir(root), "shared", name)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("no data set at %s: set %s to the directory that holds it", dir, variable)
	}
	return dir, nil
}

// repository is the nearest directory with a go.mod, upwards from the one that
// the test runs in.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above %s", start)
		}
	}
}
