/*
 * count is a plugin for QEMU's TCG that counts the instructions that a guest executes:
 * for each block of translated code a callback adds the block's length to a counter of
 * the vCPU, of which a Go program has several, one for each of its threads. The
 * counters are written, a line each, to the file named by the argument out=FILE when
 * the guest ends.
 *
 * A block that is left in its middle by a signal counts whole; so three digits are to
 * be believed. Rejected: qemu's inline counters, which lose what two threads add at
 * once; `-d exec` without chaining, which writes a line for each instruction.
 *
 *     gcc -O2 -shared -fPIC -DVERSION=1 -o count.so count.c
 *     qemu-riscv64 -plugin ./count.so,out=counts ./guest <input
 *
 * VERSION is that of the interface: QEMU takes it between two bounds of its own,
 * which are 0 and 1 in QEMU 7.2.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "plugin.h"

#ifndef VERSION
#define VERSION 1
#endif

#define EXPORT __attribute__((visibility("default")))

enum { VCPUS = 64 }; /* vCPU 64 shares with vCPU 0: the sum is right all the same */

EXPORT int qemu_plugin_version = VERSION;

static _Atomic uint64_t executed[VCPUS];
static FILE *out;

static void execute(unsigned int vcpu, void *length)
{
	atomic_fetch_add_explicit(&executed[vcpu % VCPUS], (uintptr_t)length, memory_order_relaxed);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, execute, QEMU_PLUGIN_CB_NO_REGS,
					     (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

static void finish(qemu_plugin_id_t id, void *unused)
{
	(void)id, (void)unused;
	for (int i = 0; i < VCPUS; i++)
		if (executed[i])
			fprintf(out, "%d %" PRIu64 "\n", i, (uint64_t)executed[i]);
	fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
		fputs("count: the one argument is out=FILE\n", stderr);
		return -1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror("count");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
