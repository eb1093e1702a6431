package deptest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const geth = "github.com/ethereum/go-ethereum"

// budgets are how many packages outside std and this module a package may need.
// DO NOT CHANGE THIS DATA TO FIX BUILDS.
var budgets = []struct {
	pkg  string
	most int
	why  string
}{
	{"chain", 5, "everyone pays for the vocabulary: uint256, go-ethereum/common and what that needs, no more"},
	{"state", 6, "a store of plain data needs no trie, no EVM and no codec"},
	{"da", 6, "a client of a data-availability layer moves bytes"},
	{"da/directory", 6, "a store in a directory is std and our own framing"},
	{"da/eigenda", 6, "a client over HTTP is std; EigenDA's own modules stay out"},
	{"da/altda", 6, "a client and a server over HTTP are std; the OP stack's modules stay out"},
	{"da/memory", 6, "other people's tests import it"},
	{"da/unassigned", 6, "it refuses, politely"},
	{"trie", 12, "it is to be imported alone into other stacks"},
	{"statediff", 16, "it is to be imported alone; a compressor is what it may add"},
	{"prover/zkvm/guest", 112, "whatever is linked into a guest is in its name, and has to be believed"},
	{"internal/envelope", 16, "whoever checks a signed message has this: a compressor, and secp256k1 without a C compiler"},
	{"statediff/gossip", 200, "libp2p over TCP, Noise and yamux alone; with QUIC and WebRTC, which libp2p.New brings, it would be twice as many"},
	{"prover/attest", 8, "full nodes check the words of provers, and execute nothing: chain's five, and secp256k1 without a C compiler"},
	{"rpc/work", 110, "a prover has this: what its executor needs, and std for the wire; neither a server nor a database"},
}

func TestBudgets(t *testing.T) {
	g := load(t)
	for _, b := range budgets {
		t.Run(b.pkg, func(t *testing.T) {
			if g[module+"/"+b.pkg] == nil {
				t.Fatalf("package %s is gone: take its line out of the floor plan too", b.pkg)
			}
			foreign := g.foreign(b.pkg)
			if len(foreign) > b.most {
				t.Errorf("%s needs %d packages outside std, at most %d may be (%s):\n\t%s",
					b.pkg, len(foreign), b.most, b.why, strings.Join(foreign, "\n\t"))
			}
			t.Logf("%d of %d", len(foreign), b.most)
		})
	}
}

// siblings never import each other, nor anything below each other, through
// whatever other package: what travels between them is chain's nouns.
var siblings = []string{"execution", "state", "trie", "statediff", "da"}

func TestSiblings(t *testing.T) {
	g := load(t)
	for _, name := range siblings {
		if g[module+"/"+name] == nil {
			t.Errorf("package %s is gone", name)
		}
		others := slices.DeleteFunc(slices.Clone(siblings), func(s string) bool { return s == name })
		for _, pkg := range g.own() {
			if !under(pkg, name) {
				continue
			}
			if way := g.path(pkg, anyUnder(others...), nothing); way != nil {
				t.Errorf("siblings are useful alone because they share only package chain: %s", arrows(way))
			}
		}
	}
}

// bans are imports, direct or through others, that nobody in from may have. Ways
// through a package in through are its own affair.
// DO NOT CHANGE THIS DATA TO FIX BUILDS.
var bans = []struct {
	name    string
	from    func(pkg string) bool
	to      func(importPath string) bool
	through func(importPath string) bool
	why     string
}{
	{
		"full node without executor",
		in("fullnode"), anyUnder("execution", geth+"/core/vm", geth+"/core", "internal/oracle"), nothing,
		"a full node applies diffs and checks roots; that it cannot execute is what it promises",
	},
	{
		"core/vm only under execution",
		notIn("execution", "rpc/tracers", "internal/oracle", "bench", "examples", "chain/chaintest/exectest", "rpc/internal/rpctest"),
		anyUnder(geth + "/core/vm"),
		anyUnder("execution", "rpc/tracers"),
		// (the kit for executors writes its contracts with the names of the opcodes,
		// and is a package of its own so that the other kits need not; tracers of
		// go-ethereum come with its opcodes)
		"the engine is replaced behind chain.Executor; who reaches around it keeps go-ethereum's for ever",
	},
	{
		"referee only beside the product",
		notIn("internal", "bench", "examples"), anyUnder("internal/oracle"), nothing,
		"what checks the product is no part of it",
	},
	{
		"no lab in the product",
		notIn("internal", "bench"), anyUnder("internal/netlab"), nothing,
		"it makes namespaces and devices as root, for tests and measurements",
	},
	{
		"no test library in production",
		notIn("internal/testdata", "internal/oracle", "chain/chaintest", "bench"), anyUnder("github.com/stretchr/testify", "go.uber.org/goleak", "github.com/cockroachdb/datadriven"), nothing,
		"tests may use them; a library that does puts them into every user's binary",
	},
	{
		"kits and data finders only in tests",
		in("chain", "execution", "state", "trie", "statediff", "da", "sequencer", "prover", "fullnode"), anyUnder("chain/chaintest", "internal/testdata"), anyUnder("chain/chaintest"),
		"they import package testing",
	},
	{
		"kits only in tests of the door",
		func(pkg string) bool { return under(pkg, "rpc") && pkg != "rpc/internal/rpctest" },
		anyUnder("chain/chaintest", "internal/testdata", "rpc/internal/rpctest"), nothing,
		"they import package testing",
	},
	{
		"nothing below the door knows of it",
		in("chain", "execution", "state", "trie", "statediff", "da", "sequencer", "prover", "fullnode"), anyUnder("rpc", geth+"/rpc"), nothing,
		"roles are embedded without a server; the door is put in front of them",
	},
	{
		"a history only where it is asked for",
		in("sequencer", "prover"), anyUnder("fullnode/history", "go.etcd.io/bbolt"), nothing,
		"a sequencer tells whoever wants to know, and needs no database for that",
	},
	{
		"no metrics library",
		notIn("examples", "internal/oracle"), anyUnder("github.com/prometheus"), anyUnder("github.com/libp2p"),
		// (libp2p's packages import it whatever they are told; nothing is registered
		// unless its metrics are asked for, which we do not)
		"libraries count and have Stats; the binaries make metrics of them",
	},
	{
		"no C compiler for a hash",
		in("chain", "state", "trie", "statediff", "da", "fullnode"), exactly(geth + "/crypto"), nothing,
		"crypto takes 25 CPU seconds and cgo to build; chain.Keccak256 is the same hash",
	},
	{
		"no foreign database",
		notIn("internal/oracle", "bench"), anyUnder(geth+"/ethdb/pebble", geth+"/ethdb/leveldb", "github.com/cockroachdb/pebble"), nothing,
		"227 packages behind one import; state keeps its own log and snapshots",
	},
	{
		"go-ethereum's trie only as a referee",
		in("chain", "state", "trie", "statediff", "da", "fullnode", "sequencer"), anyUnder(geth+"/trie", geth+"/triedb"), anyUnder("execution"),
		"ours is what we compare with it",
	},
	{
		"a guest interprets",
		in("prover/zkvm"), anyUnder("execution/jit", "execution/internal/jit"), nothing,
		"machines whose execution is proven run no code that is made while they run; and a check must be the same on all",
	},
	{
		"the vocabulary is at the bottom",
		func(pkg string) bool { return pkg == "chain" }, func(p string) bool {
			return under(p, module) && p != module+"/internal/rlp"
		}, nothing,
		"a contract that imports one of its implementations is none",
	},
}

func in(roots ...string) func(string) bool {
	return func(pkg string) bool {
		return slices.ContainsFunc(roots, func(root string) bool { return under(pkg, root) && !under(pkg, root+"/chaintest") })
	}
}

func notIn(roots ...string) func(string) bool {
	return func(pkg string) bool {
		return !slices.ContainsFunc(roots, func(root string) bool { return under(pkg, root) })
	}
}

func exactly(want string) func(string) bool { return func(p string) bool { return p == want } }

func TestBans(t *testing.T) {
	g := load(t)
	for _, ban := range bans {
		t.Run(ban.name, func(t *testing.T) {
			checked := 0
			for _, pkg := range g.own() {
				if !ban.from(pkg) {
					continue
				}
				checked++
				if way := g.path(pkg, ban.to, ban.through); way != nil {
					t.Errorf("%s: %s", arrows(way), ban.why)
				}
			}
			if checked == 0 {
				t.Error("the rule is about no package at all")
			}
		})
	}
}

// directBans are imports that stand in no file of a package, whatever others do.
// DO NOT CHANGE THIS DATA TO FIX BUILDS.
var directBans = []struct {
	from func(pkg string) bool
	to   []string
	why  string
}{
	{exactly("chain"), []string{"os", "io", "io/fs", "net", "net/http", "log", "log/slog", "time"}, "package chain has no services and does no I/O"},
	{in("chain", "execution", "state", "trie", "statediff", "da", "sequencer", "prover", "fullnode", "rpc"), []string{"flag", "os/signal", "log"}, "flags, signals and the global logger belong to the binaries"},
	{notIn("internal/oracle", "bench", "chain/chaintest"), []string{"reflect"}, "the compiler checks types better"},
	{notIn(), []string{"C"}, "CGO_ENABLED=0 builds everything"},
	{notIn("bench", "internal/oracle"), []string{"math/rand"}, "math/rand/v2 has explicit seeds"},
	{notIn(), []string{"io/ioutil", "golang.org/x/exp/slices", "golang.org/x/exp/maps"}, "std has it now"},
}

func TestDirectBans(t *testing.T) {
	g := load(t)
	for _, pkg := range g.own() {
		for _, ban := range directBans {
			if !ban.from(pkg) {
				continue
			}
			for _, p := range g[module+"/"+pkg].Imports {
				if slices.Contains(ban.to, p) {
					t.Errorf("%s imports %s: %s", pkg, p, ban.why)
				}
			}
		}
	}
}

// Tests of the packages that others import alone count in the go.sum of those
// others: `go mod tidy` looks at the tests of what it imports. Comparisons with
// heavy referees are in internal/oracle/<package>_test.go.
func TestTestsOfLightPackages(t *testing.T) {
	g := load(t)
	heavy := anyUnder(geth+"/core", geth+"/trie", geth+"/triedb", geth+"/ethdb", geth+"/params", geth+"/crypto/kzg4844", "execution", "internal/oracle")
	for _, pkg := range g.own() {
		if !in("chain", "state", "trie", "statediff", "da")(pkg) {
			continue
		}
		n := g[module+"/"+pkg]
		for _, p := range slices.Concat(n.TestImports, n.XTestImports) {
			own, isOwn := strings.CutPrefix(p, module+"/")
			way := []string{p}
			if !heavy(p) {
				if way = nil; isOwn {
					way = g.path(own, heavy, nothing)
				}
			}
			if way != nil {
				t.Errorf("tests of %s import %s: that is in every user's go.sum", pkg, arrows(way))
			}
		}
	}
}

// A replace in go.mod works for us and for nobody who imports us.
func TestNoReplace(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module                 struct{ Path string }
		Toolchain              string
		Replace, Exclude, Tool []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module {
		t.Fatalf("module is %s", mod.Module.Path)
	}
	if len(mod.Replace) > 0 || len(mod.Exclude) > 0 {
		t.Errorf("go.mod has replace %v, exclude %v: they hold here and nowhere else", mod.Replace, mod.Exclude)
	}
	if mod.Toolchain != "" || len(mod.Tool) > 0 {
		t.Errorf("go.mod has toolchain %q, tools %v: tools are pinned where they are called", mod.Toolchain, mod.Tool)
	}
}
