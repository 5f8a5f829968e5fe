// A client for tests of the mesh: one source port, used towards several addresses at once.
//
//   twin tcp|udp SOURCE-PORT PORT ADDRESS... [--size BYTES]
//
// Source port 0 is any. Sends a request from each socket, prints one line for each answer, in the order of the addresses,
// then the word `held`; all sockets stay open. For each line on standard input it does so again. What went wrong is
// printed in the answer's place: `reset`, `refused`, `unreachable`, `too big N` (what fits the path now), `timeout`
// after two seconds, or the system's own words. Requests are padded to the size that is given.
//
//   cc -O2 -Wall -Werror -static -o twin twin.c

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
#include <sys/socket.h>
#include <unistd.h>

enum { most = 16, patience = 2000 };

static int is_udp, size = 64;

static const char *word(int file, int error) {
    static char text[64];
    int mtu = 0;
    socklen_t length = sizeof mtu;
    switch (error) {
    case ECONNRESET: return "reset";
    case ECONNREFUSED: return "refused";
    case EHOSTUNREACH: case ENETUNREACH: case EACCES: return "unreachable";
    case EMSGSIZE:
        if (getsockopt(file, IPPROTO_IP, IP_MTU, &mtu, &length) < 0)
            getsockopt(file, IPPROTO_IPV6, IPV6_MTU, &mtu, &length);
        snprintf(text, sizeof text, "too big %d", mtu);
        return text;
    case ETIMEDOUT: case EAGAIN: return "timeout";
    default: return strerror(error);
    }
}

static int open_socket(int family, int source_port) {
    int file = socket(family, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0), on = 1, must = IP_PMTUDISC_DO;
    setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(file, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(file, IPPROTO_IP, IP_MTU_DISCOVER, &must, sizeof must);
    setsockopt(file, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &must, sizeof must);
    struct timeval limit = {.tv_sec = patience / 1000};
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct sockaddr_in6 source = {.sin6_family = family};
    source.sin6_port = htons(source_port);  // At the same place in sockaddr_in.
    socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof source;
    if (source_port && bind(file, (void *)&source, length) < 0) perror("bind");
    return file;
}

static int reach(const char *address, int source_port, int port, int *error) {
    struct sockaddr_in6 target = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in old = {.sin_family = AF_INET, .sin_port = htons(port)};
    int is_old = inet_pton(AF_INET, address, &old.sin_addr) == 1;
    if (!is_old && inet_pton(AF_INET6, address, &target.sin6_addr) != 1) {
        fprintf(stderr, "'%s' is no address\n", address);
        exit(2);
    }
    int file = open_socket(is_old ? AF_INET : AF_INET6, source_port);
    int result = is_old ? connect(file, (void *)&old, sizeof old) : connect(file, (void *)&target, sizeof target);
    *error = result < 0 ? (errno == EINPROGRESS ? ETIMEDOUT : errno) : 0;
    return file;
}

static void ask(int file) {
    static char request[65536];
    int length = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: mesh\r\nX-Padding: ");
    while (length < size - 4) request[length++] = 'x';
    memcpy(request + length, "\r\n\r\n", 4);
    if (send(file, request, length + 4, MSG_NOSIGNAL) < 0) return (void)puts(word(file, errno));
    char answer[4096];
    ssize_t count = recv(file, answer, sizeof answer - 1, 0);
    if (count < 0) return (void)puts(word(file, errno));
    if (count == 0) return (void)puts("closed");
    answer[count] = 0;
    char *body = is_udp ? answer : strstr(answer, "\r\n\r\n");
    body = body == NULL ? answer : is_udp ? body : body + 4;
    body[strcspn(body, "\r\n")] = 0;
    puts(body);
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: twin tcp|udp SOURCE-PORT PORT ADDRESS... [--size BYTES]\n");
        return 2;
    }
    is_udp = strcmp(arguments[1], "udp") == 0;
    int files[most], errors[most], used = 0;
    for (int i = 4; i < count && used < most; i++) {
        if (strcmp(arguments[i], "--size") == 0 && i + 1 < count) {
            size = atoi(arguments[++i]);
            continue;
        }
        files[used] = reach(arguments[i], atoi(arguments[2]), atoi(arguments[3]), &errors[used]);
        used++;
    }
    char line[64];
    do {
        for (int i = 0; i < used; i++) {
            if (errors[i]) puts(word(files[i], errors[i])); else ask(files[i]);
        }
        puts("held");
        fflush(stdout);
    } while (fgets(line, sizeof line, stdin));
    return 0;
}
