/* What Swift cannot import by itself: calls behind _GNU_SOURCE, and the kernel's netlink numbers. */
#ifndef CLINUX_H
#define CLINUX_H

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>

/* Moves the calling thread, and no other, into the network namespace behind a descriptor. Returns 0 or errno. */
int clinux_enter_network_namespace(int descriptor);

/* Gives the calling thread, and no other, a network namespace of its own. Returns 0 or errno. */
int clinux_new_network_namespace(void);

/* Two ends of a pipe that no child inherits by accident. Returns 0 or errno. */
int clinux_pipe(int ends[2]);

/* A descriptor that another thread can poll for, and the way to make it readable. -1 on failure, errno is set. */
int clinux_event(void);
void clinux_event_signal(int descriptor);

/* Loads a program of type BPF_PROG_TYPE_CGROUP_SOCK_ADDR, and lets it go. Returns 0 or errno. */
int clinux_try_cgroup_program(void);

#endif
