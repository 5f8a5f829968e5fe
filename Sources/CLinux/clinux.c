#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
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
