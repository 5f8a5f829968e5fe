/* What Swift cannot import by itself: calls behind _GNU_SOURCE, and the kernel's netlink numbers. */
#ifndef CLINUX_H
#define CLINUX_H

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/net_namespace.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>

#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Moves the calling thread, and no other, into the network namespace behind a descriptor. Returns 0 or errno. */
int clinux_enter_network_namespace(int descriptor);

/* Gives the calling thread, and no other, a network namespace of its own. Returns 0 or errno. */
int clinux_new_network_namespace(void);

/* Gives the calling thread, and no other, mounts of its own, into which new ones of before still come. Returns 0 or
   errno. */
int clinux_new_mount_namespace(void);

/* Has a child begin with no descriptors but 0, 1 and 2, whatever the parent has open then. Returns 0 or errno. */
int clinux_spawn_close_others(posix_spawn_file_actions_t *actions);

/* Has all threads share one heap, and gives back to the kernel what is free at its end. To be called before there are
   many threads. */
void clinux_share_heap(void);

/* Two ends of a pipe that no child inherits by accident. Returns 0 or errno. */
int clinux_pipe(int ends[2]);

/* A descriptor that another thread can poll for, and the way to make it readable. -1 on failure, errno is set. */
int clinux_event(void);
void clinux_event_signal(int descriptor);

/* What one call reads or sends at most. */
#define CLINUX_BATCH 32

/* Datagrams, each in SIZE bytes of BYTES, with its length and the address that it came from or goes to. */
struct clinux_batch {
	unsigned char *bytes;
	unsigned int size;
	unsigned int lengths[CLINUX_BATCH];
	unsigned int name_lengths[CLINUX_BATCH];
	struct sockaddr_storage names[CLINUX_BATCH];
};

/* Reads what is there, and waits for nothing. Returns how many, or -1 with errno. */
int clinux_receive_batch(int descriptor, struct clinux_batch *batch);

/* Sends the first COUNT of OUT, each to the address of the same place in IN; those of length 0 are left out. What the
   kernel has no room for is dropped, as datagrams are. Returns how many were dropped. */
int clinux_send_batch(int descriptor, struct clinux_batch *out, const struct clinux_batch *in, int count);

/* accept4(2), for a descriptor that does not block and that no child inherits. */
int clinux_accept(int listener, struct sockaddr *name, socklen_t *length);

/* Runs BODY on a thread of its own in the network namespace behind PATH, and waits for it. The calling thread stays
   where it is. Returns 0 or errno; BODY was run only if it is 0. */
int clinux_in_network_namespace(const char *path, void (*body)(void *), void *context);

/* A file without a name, which exec keeps; a descriptor that tells of SIGTERM and SIGINT; -1 on failure. */
int clinux_memory_file(const char *name);
int clinux_termination_signals(void);

/* Whether exec keeps a descriptor. Returns 0 or errno. */
int clinux_keep_across_exec(int descriptor, int is_kept);

/* Takes a datagram of a netlink socket without waiting. Returns its length, or -1 and errno; `nsid` becomes the number
 * of the namespace that it tells of, -1 for the socket's own. */
long clinux_receive(int descriptor, void *buffer, unsigned long size, int *nsid);

/* What a link is like, asked through any socket of its namespace: its number, its MTU, and whether it leaves the checksums
   of what is sent to the hardware. Returns 0 or errno, ENODEV when there is none. */
struct clinux_link {
	unsigned int index;
	unsigned int mtu;
	unsigned int checksum_offload;
};
int clinux_read_link(int descriptor, const char *name, struct clinux_link *link);

/* Leaves the checksums of what a link sends to the hardware, or not (ethtool -K LINK tx on). Returns 0 or errno. */
int clinux_set_checksum_offload(int descriptor, const char *name, int is_on);

/* Lets nothing pass to a raw ICMP socket but the answers to echoes. Returns 0 or errno. */
int clinux_hear_echo_replies(int descriptor);

/* A socket that is shown copies of what devices send and take in, from the network header on, chosen by the COUNT
   instructions of a classic filter (struct sock_filter) if there are any. Returns a descriptor, or -1 and errno. */
struct clinux_filter {
	unsigned short code;
	unsigned char jump_true;
	unsigned char jump_false;
	unsigned int value;
};
int clinux_capture_open(const struct clinux_filter *filter, unsigned short count);

/* Takes one such copy without waiting: its first SIZE bytes, the device, whether it was sent, and when, by
   CLOCK_REALTIME. Returns its length, or -1 and errno. */
long clinux_capture(int descriptor, void *buffer, unsigned long size, unsigned int *link, int *is_outgoing,
                    unsigned long long *nanoseconds);

/* A ring buffer of SIZE bytes (a power of two) into which programs write. Returns its descriptor, or -1 and errno. */
int clinux_bpf_ring(unsigned int size);

/* Loads a program for the tracepoint whose type BTF knows by `type`, and has it called from now on. Returns a
   descriptor that keeps it so, or -1 and errno; what the verifier says is written to LOG. */
int clinux_bpf_trace(const unsigned long long *instructions, unsigned int count, unsigned int type, char *log,
                     unsigned int log_size);

/* A ring buffer as its reader sees it. NULL and errno on failure. */
struct clinux_ring;
struct clinux_ring *clinux_ring_open(int descriptor, unsigned int size);
void clinux_ring_close(struct clinux_ring *ring);

/* Takes the next record, if there is one. Returns its length, or 0. */
unsigned int clinux_ring_take(struct clinux_ring *ring, void *buffer, unsigned int size);

/* Whether what is written below PATH stays in memory: 1 or 0, or -1 and errno. */
int clinux_is_in_memory(const char *path);

/* Loads a program of type BPF_PROG_TYPE_CGROUP_SOCK_ADDR, and lets it go. Returns 0 or errno. */
int clinux_try_cgroup_program(void);

#endif
