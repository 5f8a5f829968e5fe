// Requests and connections, one at a time, timed: what scripts/bench measures packet paths with.
//
//   net serve PORT [CPU]                                    answers one connection after another, until SIGTERM
//   net ask NAMESPACE ADDRESS PORT rr|crr SECONDS [CPU]     one slice; `-` is the namespace that it is started in
//   net first NAMESPACE ADDRESS PORT SECONDS COMMAND...     runs COMMAND, and waits for the first answer
//
// rr asks on one connection, again and again; crr opens a connection for each request, and closes it. Both send 64
// bytes and wait for 64 bytes. `ask` prints {"count":N,"p50":US,"p99":US,"least":US,"rate":N}, times in microseconds;
// `first` prints {"ms":MS,"command_ms":MS}: to the first answer, and to the end of COMMAND, both from its start.
//
//   cc -O2 -Wall -Werror -static -o net net.c
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { message = 64, most_samples = 1 << 20 };

static struct sockaddr_storage target;
static socklen_t target_size;
static float samples[most_samples];

// Seconds, from an arbitrary moment.
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Before everything else that wants the processor, where that is allowed: in a container it has to be done from outside.
static void prefer(void) {
    struct sched_param order = {.sched_priority = 10};
    if (sched_setscheduler(0, SCHED_FIFO, &order) && errno != EPERM) err(1, "cannot go first");
}

static void pin(const char *cpu) {
    cpu_set_t set;
    if (!cpu) return;
    CPU_ZERO(&set);
    CPU_SET(atoi(cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set)) err(1, "cannot stay on processor %s", cpu);
    prefer();
}

static void enter(const char *name) {
    char path[256];
    int file;
    if (!strcmp(name, "-")) return;
    snprintf(path, sizeof path, "/run/netns/%s", name);
    if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0 || setns(file, CLONE_NEWNET))
        err(1, "cannot enter the namespace %s", name);
    close(file);
}

static void find(const char *address, const char *port) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&target;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((unsigned short)atoi(port));
        target_size = sizeof *v4;
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((unsigned short)atoi(port));
        target_size = sizeof *v6;
    } else {
        errx(2, "%s is no address", address);
    }
}

// ---- the server

static void leave(int number) {
    (void)number;
    _exit(0);
}

static void serve(const char *port) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)atoi(port))};
    struct timeval patience = {.tv_sec = 10};
    int on = 1, off = 0, listener = socket(AF_INET6, SOCK_STREAM, 0);
    char bytes[message];
    signal(SIGTERM, leave);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 512))
        err(1, "cannot listen on port %s", port);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        while (recv(client, bytes, message, MSG_WAITALL) == message && send(client, bytes, message, MSG_NOSIGNAL) > 0) {
        }
        close(client);
    }
}

// ---- the client

// Returns a connected socket, or -1 with errno set.
static int dial(int patience) {
    struct timeval limit = {.tv_sec = patience};
    int on = 1, saved, file = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) return -1;
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!connect(file, (struct sockaddr *)&target, target_size)) {
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return file;
    }
    saved = errno;
    close(file);
    errno = saved;
    return -1;
}

static int exchange(int file) {
    char bytes[message] = "a request";
    return send(file, bytes, message, MSG_NOSIGNAL) == message && recv(file, bytes, message, MSG_WAITALL) == message;
}

static int by_size(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static void ask(int renews, double seconds) {
    double start = now(), end = start + seconds, before = start;
    int count = 0, file = -1;
    if (!renews && (file = dial(5)) < 0) err(1, "cannot connect");
    for (start = before = now(); before < end && count < most_samples; count++) {
        double after;
        if (renews && (file = dial(5)) < 0) err(1, "cannot connect for the %d. time", count + 1);
        if (!exchange(file)) err(1, "no answer to request %d", count + 1);
        if (renews) close(file);
        after = now();
        samples[count] = (float)((after - before) * 1e6);
        before = after;
    }
    if (!count) errx(1, "no request was made");
    qsort(samples, (size_t)count, sizeof *samples, by_size);
    printf("{\"count\":%d,\"p50\":%.2f,\"p99\":%.2f,\"least\":%.2f,\"rate\":%.0f}\n", count, samples[count / 2],
           samples[count * 99 / 100], samples[0], count / (before - start));
}

// ---- from a command to its first answer

static pid_t start(char **command) {
    pid_t child = fork();
    if (child) return child;
    // What the command prints is nobody's business; what it complains about is.
    if (!freopen("/dev/null", "w", stdout)) err(127, "/dev/null");
    execvp(command[0], command);
    err(127, "%s", command[0]);
}

static void first(const char *namespace, double seconds, char **command) {
    double begin = now(), answered = 0, ended = 0;
    pid_t child = start(command);
    enter(namespace);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    while (!answered || !ended) {
        int status, file = answered ? -1 : dial(1);
        if (file >= 0 && exchange(file)) answered = now();
        if (file >= 0) close(file);
        if (!ended && waitpid(child, &status, WNOHANG) == child) {
            ended = now();
            if (status) errx(1, "the command failed");
        }
        if (now() - begin > seconds) errx(1, "no answer within %g s", seconds);
        usleep(1000);
    }
    printf("{\"ms\":%.2f,\"command_ms\":%.2f}\n", (answered - begin) * 1e3, (ended - begin) * 1e3);
}

int main(int count, char **words) {
    if (count >= 3 && !strcmp(words[1], "serve")) {
        pin(words[3]);
        serve(words[2]);
    } else if (count >= 7 && !strcmp(words[1], "ask")) {
        pin(words[7]);
        enter(words[2]);
        find(words[3], words[4]);
        ask(!strcmp(words[5], "crr"), atof(words[6]));
    } else if (count >= 7 && !strcmp(words[1], "first")) {
        find(words[3], words[4]);
        first(words[2], atof(words[5]), words + 6);
    } else {
        errx(2, "see the head of net.c for its arguments");
    }
    return 0;
}
