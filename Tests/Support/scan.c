// A port scanner for acceptance tests: which ports of an address answer.
//
//   scan tcp|udp ADDRESS FIRST LAST [--bind ADDRESS] [--at-once COUNT] [--timeout MILLISECONDS]
//
// TCP: a port is open when a connection is made. UDP: when a datagram is answered; whoami answers any. Prints one JSON
// object, ports in ascending order:
//
//   {"open":[22,8080],"refused":65000,"silent":533,"failed":0}
//
// The exit status is 0 when all ports were asked, 2 when the arguments are wrong.
//
//   cc -O2 -Wall -Werror -o scan scan.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_at_once = 4096, most_ports = 65536 };
enum outcome { closed = 1, open_port, silent, failed };

struct address {
    struct sockaddr_storage value;
    socklen_t size;
};

static unsigned char outcomes[most_ports];

static int parse(const char *text, int port, struct address *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&address->value;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address->value;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((unsigned short)port);
        address->size = sizeof(*four);
        return 1;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((unsigned short)port);
        address->size = sizeof(*six);
        return 1;
    }
    return 0;
}

static enum outcome judge(int error)
{
    switch (error) {
    case 0: return open_port;
    case ECONNREFUSED: return closed;
    case EHOSTUNREACH: case ENETUNREACH: case EACCES: case EPERM: case ENOPROTOOPT: return closed;
    case ETIMEDOUT: return silent;
    default: return failed;
    }
}

// Starts to ask one port; the socket, or -1 when the outcome is known already.
static int ask(int is_tcp, const char *target, int port, const struct address *from)
{
    struct address to;
    int kind = (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int file;

    parse(target, port, &to);
    file = socket(to.value.ss_family, kind, 0);
    if (file < 0) {
        outcomes[port] = failed;
        return -1;
    }
    if (is_tcp) {
        // Ends with a reset, so that nothing is left behind on either side.
        struct linger none = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(file, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    if (from->size && bind(file, (const struct sockaddr *)&from->value, from->size) != 0) goto failure;
    if (connect(file, (struct sockaddr *)&to.value, to.size) != 0 && errno != EINPROGRESS) goto failure;
    if (!is_tcp && send(file, "scan\n", 5, 0) < 0) goto failure;
    return file;
failure:
    outcomes[port] = judge(errno);
    close(file);
    return -1;
}

// Whether the port's outcome is known now.
static int settle(int is_tcp, int file, int port)
{
    int error = 0;
    socklen_t size = sizeof(error);
    char answer[64];

    if (is_tcp) {
        getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &size);
    } else if (recv(file, answer, sizeof(answer), 0) < 0) {
        if (errno == EAGAIN) return 0;
        error = errno;
    }
    outcomes[port] = judge(error);
    return 1;
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// Asks `count` ports all at once.
static void batch(
    int is_tcp, const char *target, const int *ports, int count, const struct address *from, int timeout)
{
    static struct pollfd polled[most_at_once];
    long end = now() + timeout;
    int waiting = 0;

    for (int i = 0; i < count; i++) {
        polled[i].fd = ask(is_tcp, target, ports[i], from);
        polled[i].events = is_tcp ? POLLOUT : POLLIN;
        if (polled[i].fd >= 0) waiting++;
    }
    while (waiting > 0) {
        long rest = end - now();
        if (rest <= 0 || poll(polled, (nfds_t)count, (int)rest) <= 0) break;
        for (int i = 0; i < count; i++) {
            if (polled[i].fd < 0 || !polled[i].revents || !settle(is_tcp, polled[i].fd, ports[i])) continue;
            close(polled[i].fd);
            polled[i].fd = -1;
            waiting--;
        }
    }
    for (int i = 0; i < count; i++) {
        if (polled[i].fd < 0) continue;
        outcomes[ports[i]] = silent;
        close(polled[i].fd);
    }
}

static void report(int first, int last)
{
    int counts[failed + 1] = { 0 };
    const char *comma = "";

    printf("{\"open\":[");
    for (int port = first; port <= last; port++) {
        counts[outcomes[port]]++;
        if (outcomes[port] != open_port) continue;
        printf("%s%d", comma, port);
        comma = ",";
    }
    printf("],\"refused\":%d,\"silent\":%d,\"failed\":%d}\n", counts[closed], counts[silent], counts[failed]);
}

int main(int count, char **words)
{
    struct rlimit files = { most_at_once + 64, most_at_once + 64 };
    struct address from = { .size = 0 }, target;
    int at_once = 1024, timeout = 1000;
    static int ports[most_ports];

    if (count < 5 || (strcmp(words[1], "tcp") && strcmp(words[1], "udp")) || !parse(words[2], 0, &target)) return 2;
    int is_tcp = !strcmp(words[1], "tcp"), first = atoi(words[3]), last = atoi(words[4]);
    if (first < 1 || last > 65535 || first > last) return 2;
    for (int i = 5; i + 1 < count; i += 2) {
        if (!strcmp(words[i], "--bind")) {
            if (!parse(words[i + 1], 0, &from)) return 2;
        } else if (!strcmp(words[i], "--at-once")) at_once = atoi(words[i + 1]);
        else if (!strcmp(words[i], "--timeout")) timeout = atoi(words[i + 1]);
        else return 2;
    }
    if (at_once < 1 || at_once > most_at_once || timeout < 1) return 2;
    setrlimit(RLIMIT_NOFILE, &files);
    // Alone, so that every neighbour on the way is known before thousands of packets wait for it.
    batch(is_tcp, words[2], &first, 1, &from, timeout);
    // Those that say nothing are asked once more: a busy machine loses packets, and connect(2) repeats after a second.
    for (int round = 0; round < 2; round++) {
        int total = 0;
        for (int port = first; port <= last; port++) {
            if (round == 0 || outcomes[port] == silent) ports[total++] = port;
        }
        for (int at = 0; at < total; at += at_once) {
            batch(is_tcp, words[2], ports + at, total - at < at_once ? total - at : at_once, &from, timeout);
        }
    }
    report(first, last);
    return 0;
}
