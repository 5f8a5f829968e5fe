#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
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
