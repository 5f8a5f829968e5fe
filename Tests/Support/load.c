// A client for acceptance tests: many requests, each from a socket of its own, and a count of who answered.
//
//   load http|udp ADDRESS PORT COUNT [CONCURRENCY] [--bind ADDRESS] [--from SOURCE-PORT] [--timeout MILLISECONDS]
//
// With `--from`, the first request has that source port, and each other one the next.
//
// Understands the answers of whoami (`HOSTNAME CLIENT-ADDRESS CLIENT-PORT`) and of the demo image (`HOSTNAME saw
// CLIENT-ADDRESS`). Nothing is tried twice. Prints one JSON object:
//
//   {"requested":10000,"answered":10000,"failed":{},"replicas":{"web.1":3334,...},"clients":{"192.0.2.1":10000},
//    "ports_kept":10000,"seconds":1.234}
//
// `failed` counts by kind: timeout, refused, reset, closed, unreachable, malformed, and the system's own words for
// anything else. `ports_kept` counts answers in which the server saw the port that the request was sent from.
// The exit status is 0 when everything was answered, 1 when not, 2 when the arguments are wrong.
//
//   cc -O2 -Wall -Werror -static -o load load.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_at_once = 4096, answer_limit = 2048, most_names = 1024, name_limit = 128 };

struct address {
    struct sockaddr_storage value;
    socklen_t size;
};

struct request {
    int file;  // -1: free
    int is_sent;
    int port;
    double deadline;
    size_t length;
    char answer[answer_limit];
};

struct tally {
    int size;
    struct {
        char name[name_limit];
        long count;
    } of[most_names];
};

static struct request requests[most_at_once];
static struct tally replicas, clients, failures;
static struct address target, source;
static int events, is_udp, concurrency = 64, under_way;
static long answered, ports_kept, started, first_port;
static double timeout = 5;
static char query[512];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void wrong(const char *what, const char *value) {
    fprintf(stderr, "load: %s \"%s\"\n", what, value);
    fprintf(stderr, "usage: load http|udp ADDRESS PORT COUNT [CONCURRENCY] [--bind ADDRESS] [--from SOURCE-PORT]"
                    " [--timeout MILLISECONDS]\n");
    exit(2);
}

static void add(struct tally *tally, const char *name) {
    int i = 0;
    while (i < tally->size && strcmp(tally->of[i].name, name)) i++;
    if (i == most_names) i--;
    if (i == tally->size) snprintf(tally->of[tally->size++].name, name_limit, "%s", name);
    tally->of[i].count++;
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void print_tally(const char *name, struct tally *tally) {
    qsort(tally->of, tally->size, sizeof tally->of[0], compare);
    printf("\"%s\":{", name);
    for (int i = 0; i < tally->size; i++) {
        printf("%s\"", i ? "," : "");
        for (const char *c = tally->of[i].name; *c; c++) {
            if (*c == '"' || *c == '\\') putchar('\\');
            putchar((unsigned char)*c < 32 ? '?' : *c);
        }
        printf("\":%ld", tally->of[i].count);
    }
    printf("},");
}

static const char *kind(int error) {
    switch (error) {
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    case ENETUNREACH: case EHOSTUNREACH: return "unreachable";
    case EADDRNOTAVAIL: return "no source port";
    case ETIMEDOUT: return "timeout";
    default: return strerror(error);
    }
}

static void finish(struct request *request) {
    close(request->file);
    request->file = -1;
    under_way--;
}

static void fail(struct request *request, const char *why) {
    add(&failures, why);
    finish(request);
}

// Reads the one line that an answer consists of.
static void succeed(struct request *request) {
    char name[name_limit], client[name_limit];
    int port = 0;
    char *text = request->answer;
    text[request->length] = 0;
    if (!is_udp) {
        text = strstr(text, "\r\n\r\n");
        if (strncmp(request->answer, "HTTP/1.", 7) || strncmp(request->answer + 8, " 200", 4) || !text) {
            return fail(request, "malformed");
        }
        text += 4;
    }
    if (sscanf(text, "%127s saw %127s", name, client) != 2) {
        if (sscanf(text, "%127s %127s %d", name, client, &port) != 3) return fail(request, "malformed");
    }
    add(&replicas, name);
    add(&clients, client);
    if (port && port == request->port) ports_kept++;
    answered++;
    finish(request);
}

static void set_port(struct address *address, int port) {
    if (address->value.ss_family == AF_INET) {
        ((struct sockaddr_in *)&address->value)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *)&address->value)->sin6_port = htons(port);
    }
}

static void start(struct request *request) {
    started++;
    int file = socket(target.value.ss_family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) {
        perror("load: cannot open a socket");
        exit(1);
    }
    *request = (struct request){.file = file, .deadline = now() + timeout};
    under_way++;
    if (source.size) {
        int one = 1;
        if (first_port) {
            set_port(&source, first_port + started - 1);
            setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        }
        // The port is chosen with the connection, so that ports in use to others can be used again.
        if (!is_udp && !first_port) setsockopt(file, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(file, (void *)&source.value, source.size) < 0) return fail(request, kind(errno));
    }
    if (connect(file, (void *)&target.value, target.size) < 0 && errno != EINPROGRESS) {
        return fail(request, kind(errno));
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = request};
    epoll_ctl(events, EPOLL_CTL_ADD, file, &event);
}

static int local_port(int file) {
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    if (getsockname(file, (void *)&own, &size) < 0) return 0;
    return ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                           : ((struct sockaddr_in *)&own)->sin_port);
}

static void send_query(struct request *request) {
    request->is_sent = 1;
    request->port = local_port(request->file);
    size_t size = strlen(query);
    if (send(request->file, query, size, MSG_NOSIGNAL) != (ssize_t)size) return fail(request, kind(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = request};
    epoll_ctl(events, EPOLL_CTL_MOD, request->file, &event);
}

static void receive(struct request *request) {
    ssize_t count =
        recv(request->file, request->answer + request->length, answer_limit - 1 - request->length, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return fail(request, kind(errno));
    request->length += count;
    if (is_udp) return succeed(request);
    if (count > 0 && request->length < answer_limit - 1) return;
    if (request->length == 0) return fail(request, "closed");
    succeed(request);
}

static void handle(struct request *request, unsigned ready) {
    if (request->file < 0) return;
    if (ready & EPOLLERR) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(request->file, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) return fail(request, kind(error));
    }
    if (!request->is_sent && ready & EPOLLOUT) return send_query(request);
    if (ready & (EPOLLIN | EPOLLHUP)) receive(request);
}

static void expire(void) {
    double time = now();
    for (int i = 0; i < concurrency; i++) {
        if (requests[i].file >= 0 && requests[i].deadline < time) fail(&requests[i], "timeout");
    }
}

static void run(long count) {
    double next_look = now() + 0.05;
    for (int i = 0; i < most_at_once; i++) requests[i].file = -1;
    while (started < count || under_way > 0) {
        for (int i = 0; i < concurrency && started < count; i++) {
            if (requests[i].file < 0) start(&requests[i]);
        }
        struct epoll_event ready[256];
        int found = epoll_wait(events, ready, 256, under_way ? 50 : 0);
        for (int i = 0; i < found; i++) handle(ready[i].data.ptr, ready[i].events);
        if (now() > next_look) {
            expire();
            next_look = now() + 0.05;
        }
    }
}

static struct address address(const char *text, int port) {
    struct address result = {0};
    struct sockaddr_in *four = (void *)&result.value;
    struct sockaddr_in6 *six = (void *)&result.value;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        result.size = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        result.size = sizeof *six;
    } else {
        wrong("no address:", text);
    }
    return result;
}

static long number(const char *text, long most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 1 || value > most) wrong("no number in range:", text);
    return value;
}

int main(int count, char **arguments) {
    char *plain[6] = {0};
    int places = 0;
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--bind") && i + 1 < count) {
            source = address(arguments[++i], 0);
        } else if (!strcmp(arguments[i], "--from") && i + 1 < count) {
            first_port = number(arguments[++i], 65535);
        } else if (!strcmp(arguments[i], "--timeout") && i + 1 < count) {
            timeout = number(arguments[++i], 3600000) / 1e3;
        } else if (places == 5 || !strncmp(arguments[i], "--", 2)) {
            wrong("unexpected:", arguments[i]);
        } else {
            plain[places++] = arguments[i];
        }
    }
    if (places < 4) wrong("arguments are missing after", places ? plain[places - 1] : "load");
    if (strcmp(plain[0], "http") && strcmp(plain[0], "udp")) wrong("neither http nor udp:", plain[0]);
    is_udp = !strcmp(plain[0], "udp");
    target = address(plain[1], number(plain[2], 65535));
    long total = number(plain[3], 100000000);
    if (plain[4]) concurrency = number(plain[4], most_at_once);
    if (first_port && first_port + total > 65536) wrong("too many requests for the ports from", plain[3]);
    if (first_port && !source.size) source = address(strchr(plain[1], ':') ? "::" : "0.0.0.0", 0);
    if (source.size && source.value.ss_family != target.value.ss_family) wrong("of the other family: --bind to", plain[1]);
    const char *form = strchr(plain[1], ':') ? "GET / HTTP/1.1\r\nHost: [%s]:%s\r\nConnection: close\r\n\r\n"
                                            : "GET / HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n";
    if (is_udp) {
        strcpy(query, "who\n");
    } else {
        snprintf(query, sizeof query, form, plain[1], plain[2]);
    }
    struct rlimit limit = {most_at_once + 64, most_at_once + 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    events = epoll_create1(EPOLL_CLOEXEC);
    double begin = now();
    run(total);
    printf("{\"requested\":%ld,\"answered\":%ld,", total, answered);
    print_tally("failed", &failures);
    print_tally("replicas", &replicas);
    print_tally("clients", &clients);
    printf("\"ports_kept\":%ld,\"seconds\":%.3f}\n", ports_kept, now() - begin);
    return answered == total ? 0 : 1;
}
