package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/peterbourgon/ff/v3"
	"github.com/peterbourgon/ff/v3/fftoml"
)

// EnvPrefix begins the environment variable of every flag: -log-level is
// VIVACE_LOG_LEVEL.
const EnvPrefix = "VIVACE"

// Exit codes.
const (
	ExitOK    = 0
	ExitError = 1 // the program did its work and it failed
	ExitUsage = 2 // the command line, the environment or the file makes no sense
)

// A Command is one program. Make it with New, add flags with Group, then Run.
type Command struct {
	// Stdout gets help; Stderr gets log and errors. They default to the process's.
	Stdout, Stderr io.Writer
	// Log is set when Run calls the program, and LogLevel alters what it takes.
	Log      *slog.Logger
	LogLevel slog.LevelVar

	name, summary string
	flags         *flag.FlagSet
	groups        []group
	logLevel      string
	logFormat     string
}

type group struct {
	title string
	flags []*flag.Flag
}

// ErrUsage makes Run end with ExitUsage. A program wraps it when flags contradict
// each other.
var ErrUsage = errors.New("usage")

// New makes a command with the flags that all programs have.
func New(name, summary string) *Command {
	c := &Command{
		Stdout: os.Stdout, Stderr: os.Stderr,
		name: name, summary: summary,
		flags: flag.NewFlagSet(name, flag.ContinueOnError),
	}
	c.flags.SetOutput(io.Discard) // Run says it better
	return c
}

// Group adds the flags that define declares, under a title of their own.
func (c *Command) Group(title string, define func(*flag.FlagSet)) {
	before := make(map[string]bool)
	c.flags.VisitAll(func(f *flag.Flag) { before[f.Name] = true })
	define(c.flags)
	g := group{title: title}
	c.flags.VisitAll(func(f *flag.Flag) {
		if !before[f.Name] {
			g.flags = append(g.flags, f)
		}
	})
	c.groups = append(c.groups, g)
}

// Run parses args, then the environment, then the file that -config names (in this
// order of precedence; an unknown key is an error), and calls the program with a
// context that SIGINT or SIGTERM ends; a second signal kills. With dumpconfig as the
// first argument it prints, as such a file, what the rest comes to, and ends. It
// returns the process's exit code.
func (c *Command) Run(args []string, program func(context.Context) error) int {
	c.Group("General", func(f *flag.FlagSet) {
		f.String("config", "", "read flags from this TOML `file`, by their names")
		f.StringVar(&c.logLevel, "log-level", "warn", "least `level` to log: debug, info, warn or error")
		f.StringVar(&c.logFormat, "log-format", "text", "`form` of the log: text or json")
	})
	dump := len(args) > 0 && args[0] == "dumpconfig"
	if dump {
		args = args[1:]
	}
	if err := c.parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			c.help(c.Stdout)
			return ExitOK
		}
		fmt.Fprintf(c.Stderr, "%s: %v\nTry '%s -h'.\n", c.name, err, c.name)
		return ExitUsage
	}
	if dump {
		c.dumpConfig(c.Stdout)
		return ExitOK
	}
	c.warnOfVariables(os.Environ())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	c.Log.Info("begins", "program", c.name)
	asked := context.AfterFunc(ctx, func() { c.Log.Info("is asked to end", "program", c.name) })
	err := program(ctx)
	asked()
	c.Log.Info("ends", "program", c.name, "err", err)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(c.Stderr, "%s: %v\nTry '%s -h'.\n", c.name, err, c.name)
		return ExitUsage
	}
	fmt.Fprintf(c.Stderr, "%s: %v\n", c.name, err)
	return ExitError
}

func (c *Command) parse(args []string) error {
	err := ff.Parse(c.flags, args,
		ff.WithEnvVarPrefix(EnvPrefix),
		ff.WithConfigFileFlag("config"),
		ff.WithConfigFileParser(fftoml.Parser))
	if err != nil {
		return err
	}
	if c.flags.NArg() > 0 {
		if c.flags.Arg(0) == "dumpconfig" {
			return errors.New("dumpconfig comes first, before the flags")
		}
		return fmt.Errorf("unexpected argument %q", c.flags.Arg(0))
	}
	return c.openLog()
}

// List splits the value of a flag at commas. It is not nil: an empty list is none, and not
// the default.
func List(s string) []string {
	out := []string{}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// warnOfVariables logs, in one line, which of environ look like a flag's and are none: a
// typing error, or meant for another program.
func (c *Command) warnOfVariables(environ []string) {
	known := make(map[string]bool)
	c.flags.VisitAll(func(f *flag.Flag) {
		known[EnvPrefix+"_"+strings.ToUpper(strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(f.Name))] = true
	})
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, EnvPrefix+"_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		c.Log.Warn("No flag has these environment variables: they are ignored.", "variables", strings.Join(unknown, " "))
	}
}

func (c *Command) openLog() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return fmt.Errorf("-log-level: %w", err)
	}
	c.LogLevel.Set(level)
	o := &slog.HandlerOptions{Level: &c.LogLevel}
	switch c.logFormat {
	case "text":
		c.Log = slog.New(slog.NewTextHandler(c.Stderr, o))
	case "json":
		c.Log = slog.New(slog.NewJSONHandler(c.Stderr, o))
	default:
		return fmt.Errorf("-log-format: %q is neither text nor json", c.logFormat)
	}
	return nil
}

// dumpConfig prints every flag with its value, as a file for -config.
func (c *Command) dumpConfig(w io.Writer) {
	for _, g := range c.groups {
		fmt.Fprintf(w, "# %s\n", g.title)
		for _, f := range g.flags {
			if f.Name == "config" {
				continue
			}
			_, usage := flag.UnquoteUsage(f)
			fmt.Fprintf(w, "# %s\n%s = %s\n", usage, f.Name, tomlValue(f.Value.String()))
		}
		fmt.Fprintln(w)
	}
}

// tomlValue is a flag's value as TOML has it: numbers and booleans bare.
func tomlValue(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil || v == "true" || v == "false" {
		return v
	}
	return strconv.Quote(v)
}

// help prints the flags by group, with their defaults.
func (c *Command) help(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nUsage: %s [dumpconfig] [flags]\n", c.summary, c.name)
	width := 0
	for _, g := range c.groups {
		for _, f := range g.flags {
			width = max(width, len(heading(f)))
		}
	}
	for _, g := range c.groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, f := range g.flags {
			_, usage := flag.UnquoteUsage(f)
			fmt.Fprintf(w, "  %-*s  %s%s\n", width, heading(f), usage, defaultOf(f))
		}
	}
	fmt.Fprintf(w, "\nEvery flag is also an environment variable (-log-level: %s_LOG_LEVEL) and a key of\n"+
		"the TOML file (log-level = \"info\"). Flags win over variables, variables over the file.\n"+
		"A variable that is no flag's is ignored, and the log says so.\n", EnvPrefix)
}

// heading is the flag with the name of its value.
func heading(f *flag.Flag) string {
	value, _ := flag.UnquoteUsage(f)
	return strings.TrimSpace("-" + f.Name + " " + value)
}

func defaultOf(f *flag.Flag) string {
	switch f.DefValue {
	case "", "false":
		return ""
	}
	return " (default " + f.DefValue + ")"
}
