#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int clinux_enter_network_namespace(int descriptor)
{
	return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : errno;
}

int clinux_new_network_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ? 0 : errno;
}

int clinux_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
}

int clinux_event(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

void clinux_event_signal(int descriptor)
{
	/* Fails only when the counter is full, and then the descriptor is readable. */
	(void)eventfd_write(descriptor, 1);
}

int clinux_try_cgroup_program(void)
{
	/* r0 = 1; exit: let every connection be. */
	struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attributes;
	long descriptor;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
	attributes.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
	attributes.insns = (uint64_t)(uintptr_t)program;
	attributes.insn_cnt = sizeof(program) / sizeof(program[0]);
	attributes.license = (uint64_t)(uintptr_t)"GPL";
	descriptor = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	if (descriptor < 0)
		return errno;
	close((int)descriptor);
	return 0;
}
