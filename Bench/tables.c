// From a command to the moment at which the last of several namespaces has heard of it, in a map of a table.
//
//   tables NAMESPACE[,NAMESPACE...] TABLE MAP SECONDS COMMAND...
//
// Runs COMMAND, and waits until each namespace's kernel has said that an element of MAP changed (nft monitor). Prints
// {"ms":MS,"first_ms":MS}: to the last namespace, and to the first, both from the moment before COMMAND was started.
//
//   cc -O2 -Wall -Werror -static -o tables tables.c
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most_namespaces = 64 };

static struct pollfd sockets[most_namespaces];
static const char *names[most_namespaces];
static double heard[most_namespaces];

// Seconds, from an arbitrary moment.
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// A socket stays in the namespace that it was opened in.
static int listen_in(const char *name) {
    char path[256];
    int group = NFNLGRP_NFTABLES, size = 8 << 20, file;
    snprintf(path, sizeof path, "/run/netns/%s", name);
    if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0 || setns(file, CLONE_NEWNET))
        err(1, "cannot enter the namespace %s", name);
    close(file);
    file = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (file < 0 || setsockopt(file, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group))
        err(1, "cannot listen for changes of tables in %s", name);
    setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return file;
}

static int is_attribute(const struct nlattr *attribute, int type, const char *text) {
    return (attribute->nla_type & NLA_TYPE_MASK) == type &&
           attribute->nla_len == NLA_HDRLEN + strlen(text) + 1 &&
           !strcmp((const char *)attribute + NLA_HDRLEN, text);
}

// Whether a message says that an element of the map came or went.
static int is_about(const struct nlmsghdr *message, const char *table, const char *map) {
    int type = message->nlmsg_type, found = 0;
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    if (type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM) &&
        type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELSETELEM))
        return 0;
    while (at + NLA_HDRLEN <= message->nlmsg_len) {
        const struct nlattr *attribute = (const void *)((const char *)message + at);
        if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > message->nlmsg_len) break;
        found += is_attribute(attribute, NFTA_SET_ELEM_LIST_TABLE, table);
        found += is_attribute(attribute, NFTA_SET_ELEM_LIST_SET, map);
        at += NLA_ALIGN(attribute->nla_len);
    }
    return found == 2;
}

// Reads all that there is; returns whether some of it was about the map.
static int hear(int file, const char *name, const char *table, const char *map) {
    static char bytes[1 << 18] __attribute__((aligned(8)));
    int found = 0;
    for (;;) {
        ssize_t count = recv(file, bytes, sizeof bytes, 0);
        if (count < 0 && errno == EAGAIN) return found;
        if (count < 0) err(1, "the changes in %s were lost", name);
        unsigned left = (unsigned)count;
        for (struct nlmsghdr *m = (void *)bytes; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
            found |= is_about(m, table, map);
    }
}

static pid_t start(char **command) {
    pid_t child = fork();
    if (child) return child;
    if (!freopen("/dev/null", "w", stdout)) err(127, "/dev/null");
    execvp(command[0], command);
    err(127, "%s", command[0]);
}

// Nobody has heard of it before it happened: what is there already is thrown away.
static void begin(int count, const char *table, const char *map) {
    for (int i = 0; i < count; i++) hear(sockets[i].fd, names[i], table, map);
}

int main(int words, char **word) {
    int count = 0, missing, status, own;
    if (words < 6) errx(2, "see the head of tables.c for its arguments");
    const char *table = word[2], *map = word[3];
    if ((own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) err(1, "/proc/self/ns/net");
    for (char *name = strtok(word[1], ","); name && count < most_namespaces; name = strtok(NULL, ",")) {
        names[count] = name;
        sockets[count].fd = listen_in(name);
        sockets[count++].events = POLLIN;
    }
    if (setns(own, CLONE_NEWNET)) err(1, "cannot return to where it was started");
    begin(count, table, map);

    double from = now(), until = from + atof(word[4]), first = 0, last = 0;
    pid_t child = start(word + 5);
    for (missing = count; missing > 0;) {
        double left = until - now();
        if (left <= 0) errx(1, "%d of %d namespaces have not heard of it within %s s", missing, count, word[4]);
        if (poll(sockets, (nfds_t)count, (int)(left * 1000) + 1) < 0 && errno != EINTR) err(1, "poll");
        for (int i = 0; i < count; i++) {
            if (!sockets[i].revents || !hear(sockets[i].fd, names[i], table, map) || heard[i] > 0) continue;
            heard[i] = last = now();
            if (missing-- == count) first = last;
        }
    }
    if (waitpid(child, &status, 0) == child && status) errx(1, "the command failed");
    printf("{\"ms\":%.2f,\"first_ms\":%.2f}\n", (last - from) * 1e3, (first - from) * 1e3);
    return 0;
}
