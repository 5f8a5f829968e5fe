// A sender of datagrams on sockets that stay, for acceptance tests: says when which replica answered, and which errors
// the network sent back.
//
//   flow PORT RATE ADDRESS [--sockets COUNT] [--size BYTES]
//
// Each socket sends RATE datagrams in a second until SIGTERM comes. A datagram of --size is sent with "don't fragment".
// Prints a line for each event, with the time in milliseconds since 1970 and the socket's number:
//
//   1764208812345 0 answer web.1
//   1764208812355 0 error refused
//   1764208812365 0 error too-long 1300
//
// An answer is the first word of what came back. The kinds of errors are refused, unreachable, too-long (with the path's
// MTU), and the system's own words for anything else.
//
//   cc -O2 -Wall -Werror -static -o flow flow.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_sockets = 256, most_bytes = 9000 };

static volatile sig_atomic_t is_over;

static void end(int signal) {
    (void)signal;
    is_over = 1;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int usage(void) {
    fprintf(stderr, "usage: flow PORT RATE ADDRESS [--sockets COUNT] [--size BYTES]\n");
    return 2;
}

static void say(int number, const char *event, const char *what) {
    printf("%.0f %d %s %s\n", now() * 1e3, number, event, what);
    fflush(stdout);
}

static int path_mtu(int file, int family) {
    int mtu = 0;
    socklen_t size = sizeof mtu;
    if (family == AF_INET) getsockopt(file, IPPROTO_IP, IP_MTU, &mtu, &size);
    if (family == AF_INET6) getsockopt(file, IPPROTO_IPV6, IPV6_MTU, &mtu, &size);
    return mtu;
}

static void say_error(int number, int file, int family, int error) {
    char text[64];
    switch (error) {
    case ECONNREFUSED: return say(number, "error", "refused");
    case EHOSTUNREACH: case ENETUNREACH: return say(number, "error", "unreachable");
    case EMSGSIZE:
        snprintf(text, sizeof text, "too-long %d", path_mtu(file, family));
        return say(number, "error", text);
    default: return say(number, "error", strerror(error));
    }
}

static void receive(int number, int file, int family) {
    char data[most_bytes];
    for (;;) {
        ssize_t count = recv(file, data, sizeof data - 1, MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count < 0) {
            say_error(number, file, family, errno);
            continue;
        }
        data[count] = 0;
        data[strcspn(data, " \n")] = 0;
        say(number, "answer", data);
    }
}

int main(int count, char **arguments) {
    int sockets = 1, size = 0, files[most_sockets];
    if (count < 4) return usage();
    int port = atoi(arguments[1]);
    double rate = atof(arguments[2]);
    for (int i = 4; i < count; i++) {
        if (!strcmp(arguments[i], "--sockets") && i + 1 < count) sockets = atoi(arguments[++i]);
        else if (!strcmp(arguments[i], "--size") && i + 1 < count) size = atoi(arguments[++i]);
        else return usage();
    }
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int is_six = inet_pton(AF_INET, arguments[3], &four.sin_addr) != 1;
    if (is_six && inet_pton(AF_INET6, arguments[3], &six.sin6_addr) != 1) return usage();
    int is_right = port > 0 && port < 65536 && rate > 0 && sockets > 0 && sockets <= most_sockets;
    if (!is_right || size < 0 || size > most_bytes) return usage();
    int family = is_six ? AF_INET6 : AF_INET;
    for (int i = 0; i < sockets; i++) {
        files[i] = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int discover = is_six ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO;
        if (size && is_six) setsockopt(files[i], IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof discover);
        if (size && !is_six) setsockopt(files[i], IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
        const void *target = is_six ? (void *)&six : (void *)&four;
        if (files[i] < 0 || connect(files[i], target, is_six ? sizeof six : sizeof four) < 0) {
            perror("flow: cannot open a socket");
            return 1;
        }
    }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    static char data[most_bytes] = "who\n";
    size_t length = size ? (size_t)size : strlen(data);
    double begin = now();
    for (long turn = 0; !is_over; turn++) {
        for (int i = 0; i < sockets; i++) {
            if (send(files[i], data, length, MSG_NOSIGNAL) < 0) say_error(i, files[i], family, errno);
        }
        double next = begin + (turn + 1) / rate;
        do {
            struct pollfd watched[most_sockets];
            for (int i = 0; i < sockets; i++) watched[i] = (struct pollfd){.fd = files[i], .events = POLLIN};
            double pause = (next - now()) * 1e3;
            if (poll(watched, sockets, pause > 0 ? (int)pause + 1 : 0) <= 0) continue;
            for (int i = 0; i < sockets; i++) {
                if (watched[i].revents) receive(i, files[i], family);
            }
        } while (!is_over && now() < next);
    }
    return 0;
}
