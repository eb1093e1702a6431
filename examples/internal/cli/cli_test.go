package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type settings struct {
	rate int
	dir  string
	last time.Duration
	port int
}

func newCommand(s *settings) (*Command, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	c := New("probe", "Probes.")
	c.Stdout, c.Stderr = &out, &errs
	c.Group("Load", func(f *flag.FlagSet) {
		f.IntVar(&s.rate, "rate", 1000, "`tx/s` to send")
		f.DurationVar(&s.last, "last", time.Second, "for how long")
	})
	c.Group("Storage", func(f *flag.FlagSet) { f.StringVar(&s.dir, "data-dir", "", "a `directory`") })
	c.Group("Door", func(f *flag.FlagSet) { f.IntVar(&s.port, "http.port", 8545, "a `port`") })
	return c, &out, &errs
}

func writeFile(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "probe.toml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestPrecedence(t *testing.T) {
	t.Setenv("VIVACE_DATA_DIR", "from env")
	t.Setenv("VIVACE_LAST", "2s")
	file := writeFile(t, "rate = 7\nlast = \"3s\"\ndata-dir = \"from file\"\n")
	var s settings
	c, _, errs := newCommand(&s)
	code := c.Run([]string{"-config", file, "-data-dir=from flag"}, func(context.Context) error { return nil })
	require.Equal(t, ExitOK, code, errs)
	require.Equal(t, settings{rate: 7, dir: "from flag", last: 2 * time.Second, port: 8545}, s)
}

func TestUsageErrors(t *testing.T) {
	for name, args := range map[string][]string{
		"unknown flag":       {"-no-such"},
		"argument":           {"word"},
		"value":              {"-rate=much"},
		"log level":          {"-log-level=loud"},
		"log format":         {"-log-format=xml"},
		"missing file":       {"-config=/does/not/exist"},
		"unknown key":        {"-config=" + writeFile(t, "rates = 7\n")},
		"unknown table":      {"-config=" + writeFile(t, "[load]\nrate = 7\n")},
		"file is not a TOML": {"-config=" + writeFile(t, "rate : 7\n")},
	} {
		t.Run(name, func(t *testing.T) {
			var s settings
			c, out, errs := newCommand(&s)
			code := c.Run(args, func(context.Context) error { panic("must not run") })
			require.Equal(t, ExitUsage, code)
			require.Contains(t, errs.String(), "probe: ")
			require.Empty(t, out.String())
		})
	}
}

func TestDumpConfigComesFirst(t *testing.T) {
	var s settings
	c, _, errs := newCommand(&s)
	require.Equal(t, ExitUsage, c.Run([]string{"-rate=5", "dumpconfig"}, func(context.Context) error { panic("must not run") }))
	require.Contains(t, errs.String(), "dumpconfig comes first, before the flags")
}

func TestHelp(t *testing.T) {
	var s settings
	c, out, _ := newCommand(&s)
	require.Equal(t, ExitOK, c.Run([]string{"-h"}, func(context.Context) error { panic("must not run") }))
	require.Equal(t, `Probes.

Usage: probe [dumpconfig] [flags]

Load:
  -last duration       for how long (default 1s)
  -rate tx/s           tx/s to send (default 1000)

Storage:
  -data-dir directory  a directory

Door:
  -http.port port      a port (default 8545)

General:
  -config file         read flags from this TOML file, by their names
  -log-format form     form of the log: text or json (default text)
  -log-level level     least level to log: debug, info, warn or error (default warn)

Every flag is also an environment variable (-log-level: VIVACE_LOG_LEVEL) and a key of
the TOML file (log-level = "info"). Flags win over variables, variables over the file.
A variable that is no flag's is ignored, and the log says so.
`, out.String())
}

// A typing error in the name of a variable is said, once; those of others are not read.
func TestUnknownVariables(t *testing.T) {
	for _, v := range []string{"VIVACE_HTTP_PORT", "VIVACE_HTTPPORT", "VIVACE_BOGUS", "VIVACESS"} {
		t.Setenv(v, "1")
	}
	var s settings
	c, _, errs := newCommand(&s)
	require.Equal(t, ExitOK, c.Run(nil, func(context.Context) error { return nil }))
	require.Equal(t, 1, s.port)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"))
	for v, said := range map[string]bool{"VIVACE_HTTPPORT": true, "VIVACE_BOGUS": true, "VIVACE_HTTP_PORT": false, "VIVACESS": false} {
		require.Equal(t, said, strings.Contains(errs.String(), v), errs.String())
	}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, ExitOK},
		{errors.New("roots differ"), ExitError},
		{fmt.Errorf("%w: -a excludes -b", ErrUsage), ExitUsage},
	} {
		var s settings
		c, _, _ := newCommand(&s)
		require.Equal(t, test.code, c.Run(nil, func(context.Context) error { return test.err }))
	}
}

func TestSignalEndsContext(t *testing.T) {
	var s settings
	c, _, errs := newCommand(&s)
	code := c.Run([]string{"-log-level=info", "-log-format=json"}, func(ctx context.Context) error {
		c.Log.Info("started", "rate", s.rate)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Second):
			return errors.New("no signal")
		}
	})
	require.Equal(t, ExitOK, code)
	require.Contains(t, errs.String(), `"msg":"started","rate":1000`)
}

// What dumpconfig prints is a file that comes to the same.
func TestDumpConfig(t *testing.T) {
	t.Setenv("VIVACE_HTTP_PORT", "1")
	var s settings
	c, out, errs := newCommand(&s)
	code := c.Run([]string{"dumpconfig", "-rate=5", "-data-dir", "a \"dir\""}, func(context.Context) error { panic("must not run") })
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out.String(), "# Load\n# for how long\nlast = \"1s\"\n")
	require.NoError(t, os.Unsetenv("VIVACE_HTTP_PORT"))

	var again settings
	c, _, errs = newCommand(&again)
	code = c.Run([]string{"-config", writeFile(t, out.String())}, func(context.Context) error { return nil })
	require.Equal(t, ExitOK, code, errs)
	require.Equal(t, settings{rate: 5, dir: `a "dir"`, last: time.Second, port: 1}, again)
}

func TestList(t *testing.T) {
	require.Equal(t, []string{"a", "b c"}, List(" a, ,b c,"))
	for _, none := range []string{"", " , "} {
		require.NotNil(t, List(none))
		require.Empty(t, List(none))
	}
}
