// Moves many bytes over one connection, first there and then back, and says how it went.
//
//   bulk serve PORT
//   bulk ask ADDRESS PORT BYTES [SECONDS]
//
// `ask` prints one JSON object; its exit status is 0 when every byte came back as it was sent, 1 when not:
//
//   {"sent":10485760,"received":10485760,"ms":96,"mss":1348,"again":0,"again_there":2,"failed":""}
//
// `mss` is the client's at the end, `again` how many segments it sent more than once, `again_there` how many the server
// did; `failed` says what ended it early: timeout, refused, reset, closed, different. SECONDS is the time for all of it.
//
//   cc -O2 -Wall -Werror -static -o bulk bulk.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { piece = 65536 };

static uint8_t bytes[piece], expected[piece];
static double deadline;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// The same at every multiple of a piece: bytes that are lost or doubled do not fit.
static void fill(void)
{
    uint32_t state = 2463534242u;
    for (int i = 0; i < piece; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        expected[i] = (uint8_t)state;
    }
}

static struct tcp_info info_of(int file)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;
    getsockopt(file, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info;
}

static void set_patience(int file, double seconds)
{
    struct timeval limit = { .tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)((seconds - (time_t)seconds) * 1e6) };
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static const char *kind(int code)
{
    switch (code) {
    case EAGAIN:
    case EINPROGRESS:
    case ETIMEDOUT: return "timeout";
    case ECONNREFUSED: return "refused";
    case EPIPE:
    case ECONNRESET: return "reset";
    case EHOSTUNREACH:
    case ENETUNREACH: return "unreachable";
    default: return strerror(code);
    }
}

// Both return how many bytes went, and set `failed` when it were not all.
static uint64_t put(int file, uint64_t count, const char **failed)
{
    uint64_t done = 0;
    while (done < count) {
        size_t at = done % piece, size = piece - at < count - done ? piece - at : count - done;
        ssize_t went = send(file, expected + at, size, MSG_NOSIGNAL);
        if (went <= 0 || now() > deadline) {
            *failed = went > 0 ? "timeout" : kind(errno);
            return done;
        }
        done += (uint64_t)went;
    }
    return done;
}

static uint64_t take(int file, uint64_t count, const char **failed)
{
    uint64_t done = 0;
    while (done < count) {
        size_t at = done % piece, size = piece - at < count - done ? piece - at : count - done;
        ssize_t came = recv(file, bytes, size, 0);
        if (came <= 0 || now() > deadline) {
            *failed = came == 0 ? "closed" : came > 0 ? "timeout" : kind(errno);
            return done;
        }
        if (memcmp(bytes, expected + at, (size_t)came)) {
            *failed = "different";
            return done;
        }
        done += (uint64_t)came;
    }
    return done;
}

static void serve_one(int file)
{
    const char *failed = "";
    uint64_t count = 0, again;
    char end;
    set_patience(file, 60);
    deadline = now() + 60;
    if (recv(file, &count, sizeof count, MSG_WAITALL) != sizeof count) return;
    count = be64toh(count);
    if (take(file, count, &failed) != count || put(file, count, &failed) != count) return;
    // Only what was acknowledged is known to have been sent often enough.
    if (recv(file, &end, 1, MSG_WAITALL) != 1) return;
    again = htobe64(info_of(file).tcpi_total_retrans);
    (void)!send(file, &again, sizeof again, MSG_NOSIGNAL);
}

static int serve(const char *port)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
    int on = 1, off = 0, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 64)) {
        perror("bulk");
        return 1;
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (fork() == 0) {
            serve_one(client);
            _exit(0);
        }
        close(client);
    }
}

static int dial(const char *address, const char *port, double seconds, const char **failed)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
    int is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1, file;
    if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) exit(2);
    file = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_patience(file, seconds);
    if (connect(file, is4 ? (void *)&v4 : (void *)&v6, is4 ? sizeof v4 : sizeof v6)) *failed = kind(errno);
    return file;
}

static int ask(const char *address, const char *port, uint64_t count, double seconds)
{
    const char *failed = "";
    double start = now();
    uint64_t wire = htobe64(count), sent = 0, received = 0, there = 0;
    deadline = start + seconds;
    int file = dial(address, port, seconds, &failed);
    if (!*failed && send(file, &wire, sizeof wire, MSG_NOSIGNAL) != sizeof wire) failed = kind(errno);
    if (!*failed) sent = put(file, count, &failed);
    if (!*failed) received = take(file, count, &failed);
    double took = now() - start;
    if (!*failed && (send(file, "", 1, MSG_NOSIGNAL) != 1 || recv(file, &there, sizeof there, MSG_WAITALL) != sizeof there))
        failed = "closed";
    struct tcp_info info = info_of(file);
    printf("{\"sent\":%llu,\"received\":%llu,\"ms\":%.0f,\"mss\":%u,\"again\":%u,\"again_there\":%llu,\"failed\":\"%s\"}\n",
           (unsigned long long)sent, (unsigned long long)received, took * 1e3, info.tcpi_snd_mss, info.tcpi_total_retrans,
           (unsigned long long)be64toh(there), failed);
    return *failed != 0;
}

int main(int count, char **words)
{
    fill();
    if (count == 3 && !strcmp(words[1], "serve")) return serve(words[2]);
    if (count >= 5 && !strcmp(words[1], "ask"))
        return ask(words[2], words[3], strtoull(words[4], NULL, 10), count > 5 ? atof(words[5]) : 30);
    return 2;
}
