// Package cli is what the example programs have in common: flags in groups, each
// also an environment variable and a key of a TOML file; logging; signals; exit
// codes.
//
//	func main() {
//		var dir string
//		c := cli.New("follow", "Follows a chain.")
//		c.Group("Storage", func(f *flag.FlagSet) {
//			f.StringVar(&dir, "dir", "data", "where the `directory` of the state is")
//		})
//		os.Exit(c.Run(os.Args[1:], func(ctx context.Context) error { ... }))
//	}
package cli
