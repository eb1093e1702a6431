// Package zkvm proves blocks by running a guest: an executable that knows nothing but
// what it is handed, in a machine of its own. A Backend is a prover.ProofBackend that
// starts a command for each block, gives it the guest and the input frame, and takes
// back public outputs. Package program says what the guest computes and in which
// formats; guest is its executable.
//
// # What this is worth
//
// The default command is qemu-riscv64: an emulator of the kind of machine that zkVMs
// prove, without the proof. So the Output has no Proof, and an attestation under this
// Program says what a re-execution says: the signer ran it, believe the signer. What
// it shows is that the check is ready to be proven: it compiles for rv64 without
// assembly and without C, reads only its input, comes to the outputs of the native
// check bit by bit, and takes a number of instructions that is known (count has the
// plugin that counts them, and the tests print it by block and by gas).
//
// # A real zkVM
//
// Config.Command is where one is plugged in: a host program, called with the path of
// the guest as its last argument, that has the machine run it on standard input,
// writes the public outputs as the guest committed to them, and behind them the
// proof, at most Config.ProofMax bytes. Its guest is a main that hands the machine's
// own input and output to program.Run, for the target that the machine's toolchain
// has; the executable's hash then is in Program, and Verify of that zkVM must compare
// it with its own name for the guest. Nothing here verifies a proof: prover.Config.Proven
// is given it, and who wants to rely on it verifies it where attestations are collected.
// Guests for machines that are proven are usually built for less than linux
// (rv32im or rv64im, no kernel): how Go is brought there is the machine's affair.
//
// # Trouble and verdicts
//
// A refusal, which is the guest's word that a block does not hold, matches ErrRefused.
// Whatever else goes wrong with a command (it cannot be started, crashes, hangs, floods
// its output, answers for another input) is no verdict about the block, and matches
// da.ErrTransient: another try, or another prover, may have more luck.
//
// A command is killed with its whole process group when its time is up, when it says
// more than it may, and when ctx ends; what it left running when it ended, too. It
// gets an environment of two variables, so nobody's secrets. A guest under qemu-user
// can call the host's kernel: what is executed is the guest, which is known by its
// hash and safe as far as Go is, so that is the fence; who wants a second one puts a
// sandbox in front in Command.
//
// # Rejected
//
// To link an emulator: the machine is to be exchanged. A long-running command with
// many blocks: what one block leaves behind must not reach the next, and a start costs
// nine million instructions beside hundreds of millions for a block. Resource limits set by this package: qemu
// bounds the guest's memory itself, and Go cannot set limits between fork and exec.
package zkvm
