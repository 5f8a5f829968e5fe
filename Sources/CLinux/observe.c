#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Watching packets: copies at devices, and programs at the kernel's tracepoints. */

int clinux_capture_open(const struct clinux_filter *filter, unsigned short count)
{
	struct sock_fprog program = { .len = count, .filter = (struct sock_filter *)(uintptr_t)filter };
	struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int size = 4 << 20;
	int yes = 1;
	/* No protocol yet: nothing comes before the filter is there. */
	int descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (descriptor < 0)
		return -1;
	setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if ((count > 0
	     && setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
	    || setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) != 0
	    || bind(descriptor, (struct sockaddr *)&name, sizeof(name)) != 0) {
		int reason = errno;

		close(descriptor);
		errno = reason;
		return -1;
	}
	return descriptor;
}

long clinux_capture(int descriptor, void *buffer, unsigned long size, unsigned int *link, int *is_outgoing,
                    unsigned long long *nanoseconds)
{
	char control[CMSG_SPACE(sizeof(struct timespec)) * 2];
	struct sockaddr_ll name;
	struct iovec part = { .iov_base = buffer, .iov_len = size };
	struct msghdr message = {
		.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	ssize_t length = recvmsg(descriptor, &message, MSG_DONTWAIT);

	if (length < 0)
		return -1;
	*link = (unsigned int)name.sll_ifindex;
	*is_outgoing = name.sll_pkttype == PACKET_OUTGOING;
	*nanoseconds = 0;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec time;

			memcpy(&time, CMSG_DATA(header), sizeof(time));
			*nanoseconds = (unsigned long long)time.tv_sec * 1000000000ull + (unsigned long long)time.tv_nsec;
		}
	return length;
}

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

int clinux_bpf_ring(unsigned int size)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_type = BPF_MAP_TYPE_RINGBUF;
	attributes.max_entries = size;
	return bpf(BPF_MAP_CREATE, &attributes);
}

int clinux_bpf_trace(const unsigned long long *instructions, unsigned int count, unsigned int type, char *log,
                     unsigned int log_size)
{
	union bpf_attr attributes;
	int program, link, reason;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_TRACING;
	attributes.expected_attach_type = BPF_TRACE_RAW_TP;
	attributes.attach_btf_id = type;
	attributes.insns = (uint64_t)(uintptr_t)instructions;
	attributes.insn_cnt = count;
	attributes.license = (uint64_t)(uintptr_t)"GPL";
	program = bpf(BPF_PROG_LOAD, &attributes);
	if (program < 0 && log_size > 0) {
		/* Again, to be told why. */
		attributes.log_level = 1;
		attributes.log_buf = (uint64_t)(uintptr_t)log;
		attributes.log_size = log_size;
		program = bpf(BPF_PROG_LOAD, &attributes);
	}
	if (program < 0)
		return -1;
	memset(&attributes, 0, sizeof(attributes));
	attributes.raw_tracepoint.prog_fd = (uint32_t)program;
	link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes);
	reason = errno;
	/* The link keeps the program. */
	close(program);
	errno = reason;
	return link;
}

struct clinux_ring {
	unsigned long *consumer;
	unsigned long *producer;
	unsigned char *data;
	unsigned int size;
	unsigned int page;
};

struct clinux_ring *clinux_ring_open(int descriptor, unsigned int size)
{
	struct clinux_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return NULL;
	ring->size = size;
	ring->page = (unsigned int)sysconf(_SC_PAGESIZE);
	ring->consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	if (ring->consumer == MAP_FAILED)
		goto failed;
	/* The data is mapped twice, so that no record is torn. */
	ring->producer = mmap(NULL, ring->page + 2ul * size, PROT_READ, MAP_SHARED, descriptor, ring->page);
	if (ring->producer == MAP_FAILED) {
		munmap(ring->consumer, ring->page);
		goto failed;
	}
	ring->data = (unsigned char *)ring->producer + ring->page;
	return ring;
failed:
	free(ring);
	return NULL;
}

void clinux_ring_close(struct clinux_ring *ring)
{
	munmap(ring->consumer, ring->page);
	munmap(ring->producer, ring->page + 2ul * ring->size);
	free(ring);
}

unsigned int clinux_ring_take(struct clinux_ring *ring, void *buffer, unsigned int size)
{
	unsigned long at = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	unsigned int taken = 0;

	while (taken == 0 && at < __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE)) {
		uint32_t *header = (uint32_t *)(void *)(ring->data + (at & (ring->size - 1)));
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			taken = length < size ? length : size;
			memcpy(buffer, (unsigned char *)header + BPF_RINGBUF_HDR_SZ, taken);
		}
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		at += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return taken;
}
