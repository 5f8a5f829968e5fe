#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/icmp.h>
#include <linux/sockios.h>
#include <linux/if.h>
#include <linux/magic.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int clinux_is_in_memory(const char *path)
{
	struct statfs found;

	if (statfs(path, &found) != 0)
		return -1;
	return found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC;
}

int clinux_enter_network_namespace(int descriptor)
{
	return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : errno;
}

int clinux_new_network_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ? 0 : errno;
}

int clinux_new_mount_namespace(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		return errno;
	return mount("", "/", "none", MS_SLAVE | MS_REC, NULL) == 0 ? 0 : errno;
}

int clinux_spawn_close_others(posix_spawn_file_actions_t *actions)
{
	return posix_spawn_file_actions_addclosefrom_np(actions, 3);
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

int clinux_receive_batch(int descriptor, struct clinux_batch *batch)
{
	struct mmsghdr messages[CLINUX_BATCH];
	struct iovec pieces[CLINUX_BATCH];
	int count;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < CLINUX_BATCH; i++) {
		pieces[i].iov_base = batch->bytes + (size_t)i * batch->size;
		pieces[i].iov_len = batch->size;
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &batch->names[i];
		messages[i].msg_hdr.msg_namelen = sizeof(batch->names[i]);
	}
	count = recvmmsg(descriptor, messages, CLINUX_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		batch->lengths[i] = messages[i].msg_len;
		batch->name_lengths[i] = messages[i].msg_hdr.msg_namelen;
	}
	return count;
}

int clinux_send_batch(int descriptor, struct clinux_batch *out, const struct clinux_batch *in, int count)
{
	struct mmsghdr messages[CLINUX_BATCH];
	struct iovec pieces[CLINUX_BATCH];
	int wanted = 0, sent = 0, dropped = 0;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < count; i++) {
		if (out->lengths[i] == 0)
			continue;
		pieces[wanted].iov_base = out->bytes + (size_t)i * out->size;
		pieces[wanted].iov_len = out->lengths[i];
		messages[wanted].msg_hdr.msg_iov = &pieces[wanted];
		messages[wanted].msg_hdr.msg_iovlen = 1;
		messages[wanted].msg_hdr.msg_name = (void *)&in->names[i];
		messages[wanted].msg_hdr.msg_namelen = in->name_lengths[i];
		wanted++;
	}
	while (sent < wanted) {
		int done = sendmmsg(descriptor, messages + sent, wanted - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		/* The first of the rest cannot be sent; those behind it may. */
		if (done <= 0) {
			done = 1;
			dropped++;
		}
		sent += done;
	}
	return dropped;
}

int clinux_accept(int listener, struct sockaddr *name, socklen_t *length)
{
	return accept4(listener, name, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

struct visit {
	int descriptor;
	int failure;
	void (*body)(void *);
	void *context;
};

static void *run_visit(void *argument)
{
	struct visit *visit = argument;

	visit->failure = clinux_enter_network_namespace(visit->descriptor);
	if (visit->failure == 0)
		visit->body(visit->context);
	return NULL;
}

int clinux_in_network_namespace(const char *path, void (*body)(void *), void *context)
{
	struct visit visit = { .body = body, .context = context };
	pthread_t thread;

	visit.descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (visit.descriptor < 0)
		return errno;
	visit.failure = pthread_create(&thread, NULL, run_visit, &visit);
	if (visit.failure == 0)
		pthread_join(thread, NULL);
	close(visit.descriptor);
	return visit.failure;
}

int clinux_memory_file(const char *name)
{
	return memfd_create(name, 0);
}

int clinux_termination_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -1;
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinux_keep_across_exec(int descriptor, int is_kept)
{
	return fcntl(descriptor, F_SETFD, is_kept ? 0 : FD_CLOEXEC) == 0 ? 0 : errno;
}

long clinux_receive(int descriptor, void *buffer, unsigned long size, int *nsid)
{
	char control[CMSG_SPACE(sizeof(int)) * 4];
	struct iovec part = {.iov_base = buffer, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t length = recvmsg(descriptor, &message, MSG_DONTWAIT);

	*nsid = -1;
	if (length < 0)
		return -1;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == SOL_NETLINK && header->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			memcpy(nsid, CMSG_DATA(header), sizeof(*nsid));
	return length;
}

int clinux_read_link(int descriptor, const char *name, struct clinux_link *link)
{
	struct ethtool_value checksums = { .cmd = ETHTOOL_GTXCSUM };
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(descriptor, SIOCGIFINDEX, &request) != 0)
		return errno;
	link->index = (unsigned int)request.ifr_ifindex;
	if (ioctl(descriptor, SIOCGIFMTU, &request) != 0)
		return errno;
	link->mtu = (unsigned int)request.ifr_mtu;
	request.ifr_data = (void *)&checksums;
	if (ioctl(descriptor, SIOCETHTOOL, &request) != 0)
		return errno;
	link->checksum_offload = checksums.data;
	return 0;
}

int clinux_set_checksum_offload(int descriptor, const char *name, int is_on)
{
	struct ethtool_value checksums = { .cmd = ETHTOOL_STXCSUM, .data = is_on ? 1 : 0 };
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	request.ifr_data = (void *)&checksums;
	return ioctl(descriptor, SIOCETHTOOL, &request) == 0 ? 0 : errno;
}

int clinux_hear_echo_replies(int descriptor)
{
	struct icmp_filter filter = { .data = ~(1u << ICMP_ECHOREPLY) };

	return setsockopt(descriptor, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) == 0 ? 0 : errno;
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

void clinux_share_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	/* What is less would be asked for anew with the next list. */
	mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
	mallopt(M_MMAP_THRESHOLD, 8 * 1024 * 1024);
}
