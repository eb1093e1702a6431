# What CI says after a review, `make check` says before.

FUZZTIME ?= 10s
BENCH    ?= .
COUNT    ?= 1
ROUNDS   ?= 3
HARMS    ?= 15

.PHONY: check test race fuzz fixtures fixtures-slow bench lint devnet clients kill floods door guest links measure-links simulate-links

check:
	.ci/run

test:
	go test ./...

race:
	.ci/run invariants race

lint:
	.ci/run gofmt vet staticcheck
	go test ./internal/lint ./internal/deptest

# Every fuzz target there is, one after the other.
fuzz:
	@set -e; \
	for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "== $$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

# The totals of the conformance suites.
fixtures:
	VIVACE_FIXTURES_ALL=1 go test -v ./internal/oracle -run Fixtures

# The pack that takes hours.
fixtures-slow:
	VIVACE_FIXTURES_SLOW=1 go test ./internal/oracle -run Fixtures -timeout 0

# Ours beside others: make bench BENCH=Commit COUNT=10 | benchstat -col /impl -
bench:
	go test ./bench -run '^$$' -bench '$(BENCH)' -count $(COUNT) -timeout 0

# The clients that people use, unmodified, against sequencer and full node. Needs npm
# and Python 3.
clients:
	VIVACE_INTEROP=1 go test -count=1 -v ./internal/interop

# The door beside its rivals, with its limits. On a quiet machine; needs anvil in PATH or
# where VIVACE_ANVIL points.
door:
	VIVACE_QUIET=1 go test -count=1 -v ./bench -run TestDoorLimits -timeout 0

# A million junk transactions and other floods over a sequencer, beside honest requests.
# For a machine that does nothing else: their latency is held to bounds, and printed.
floods:
	VIVACE_JUNK=1000000 VIVACE_QUIET=1 go test -count=1 -v ./rpc -run Floods -timeout 0

# The sequencer is killed a hundred times under load.
kill:
	VIVACE_KILLS=100 go test -count=1 -v ./examples/sequencer -run TestKill -timeout 0

# The stateless verifier as a RISC-V program, under an emulator that counts. Needs
# qemu-user and gcc.
guest:
	GOOS=linux GOARCH=riscv64 CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o bin/guest.elf ./prover/zkvm/guest
	VIVACE_GUEST=1 go test -count=1 -v -run 'TestGuest$$|Instructions' ./prover/zkvm

# The programs in network namespaces: full nodes, prover and sequencer killed, cut off and
# slowed down, so many HARMS of each kind for each role; without their data-availability
# layer, lied to by it, by provers and by peers. Needs Linux and root.
links:
	VIVACE_LINKS=$(HARMS) go test -count=1 -v ./internal/netlab/links -timeout 0

# What 5 and 20 full nodes make of a mini-block every 10 ms, over veth and a bridge of the
# kernel, and over the switch of internal/netlab without and with delay and loss: medians
# of so many ROUNDS, of some minutes each. PROFILE=directory writes CPU profiles of full nodes there.
measure-links:
	VIVACE_MEASURE=$(ROUNDS) VIVACE_PROFILE=$(PROFILE) go test -count=1 -v ./internal/netlab/links -run TestMeasureLinks -timeout 0

# Five hundred nodes of the p2p network, simulated: modelled delay and loss, and
# processors that cost nothing.
simulate-links:
	VIVACE_SIMULATED_NODES=500 go test -count=1 -v ./statediff/gossip -run TestSimulated -timeout 0

devnet:
	go run ./examples/devnet
