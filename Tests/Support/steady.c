// A steady client for acceptance tests: new connections, long ones and datagrams at a rate, at several addresses in
// turn, until the time is over or SIGTERM comes; and a count of what did not go well.
//
//   steady PORT SECONDS ADDRESS... [--new RATE] [--long COUNT] [--udp RATE] [--timeout MILLISECONDS]
//
// Understands the answers of whoami. A long connection asks every 100 ms; one that the server closes behind an answer
// is opened anew, and counts as ended. Each address has one UDP socket for the whole time. Prints one JSON object:
//
//   {"new":{"asked":4000,"answered":4000,"failed":{},"slowest_ms":12},
//    "long":{"asked":9000,"answered":9000,"failed":{},"slowest_ms":3,"ended":14},
//    "udp":{"asked":1000,"answered":1000,"failed":{},"slowest_ms":2,"longest_silence_ms":21},
//    "replicas":{"web.1":3334,...},"clients":{"203.0.113.9":10000}}
//
// `failed` counts by kind: timeout, refused, reset, closed, unreachable, malformed. A datagram without an answer in time
// is a timeout. The exit status is 0 when nothing failed, 1 when something did, 2 when the arguments are wrong.
//
//   cc -O2 -Wall -Werror -static -o steady steady.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_addresses = 64, most_at_once = 8192, answer_limit = 1024, most_names = 256, name_limit = 128 };
enum kind { fresh, lasting, datagram, kinds };

struct address {
    struct sockaddr_storage value;
    socklen_t size;
};

// One connection, or one UDP socket.
struct client {
    enum kind kind;
    int file;  // -1: free
    int is_connected, is_waiting;
    int target;
    double asked, next;  // when it asked last, and when it is to ask again
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

struct account {
    long asked, answered, ended;
    double slowest;
    struct tally failures;
};

static const char *const names[kinds] = {"new", "long", "udp"};
static const char query[] = "GET / HTTP/1.1\r\nHost: steady\r\n\r\n";
static const char last_query[] = "GET / HTTP/1.1\r\nHost: steady\r\nConnection: close\r\n\r\n";
static struct client clients[most_at_once];
static struct account accounts[kinds];
static struct tally replicas, sources;
static struct address targets[most_addresses];
static int target_count, next_target, events;
static double timeout = 5, last_datagram, longest_silence;
static volatile sig_atomic_t is_over;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void wrong(const char *what, const char *value) {
    fprintf(stderr, "steady: %s \"%s\"\n", what, value);
    fprintf(stderr, "usage: steady PORT SECONDS ADDRESS... [--new RATE] [--long COUNT] [--udp RATE] [--timeout MS]\n");
    exit(2);
}

static void end(int signal) {
    (void)signal;
    is_over = 1;
}

static void add(struct tally *tally, const char *name) {
    int i = 0;
    while (i < tally->size && strcmp(tally->of[i].name, name)) i++;
    if (i == most_names) i--;
    if (i == tally->size) snprintf(tally->of[tally->size++].name, name_limit, "%s", name);
    tally->of[i].count++;
}

static const char *kind_of(int error) {
    switch (error) {
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    case ENETUNREACH: case EHOSTUNREACH: return "unreachable";
    case ETIMEDOUT: return "timeout";
    default: return strerror(error);
    }
}

static void forget(struct client *client) {
    close(client->file);
    client->file = -1;
}

// A long connection is opened anew a little later, a UDP socket stays as it is.
static void fail(struct client *client, const char *why) {
    add(&accounts[client->kind].failures, why);
    client->is_waiting = 0;
    client->length = 0;
    if (client->kind != datagram) forget(client);
    client->next = now() + 0.1;
}

static void connect_client(struct client *client, enum kind kind, int target) {
    int one = 1;
    int type = (kind == datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    *client = (struct client){.kind = kind, .target = target, .asked = now(), .file = -1};
    client->file = socket(targets[target].value.ss_family, type, 0);
    if (client->file < 0) {
        perror("steady: cannot open a socket");
        exit(1);
    }
    if (kind != datagram) setsockopt(client->file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};
    epoll_ctl(events, EPOLL_CTL_ADD, client->file, &event);
    if (kind != datagram) accounts[kind].asked++;
    client->is_waiting = kind != datagram;
    if (connect(client->file, (void *)&targets[target].value, targets[target].size) < 0 && errno != EINPROGRESS) {
        fail(client, kind_of(errno));
    }
}

static void ask(struct client *client) {
    const char *text = client->kind == datagram ? "who\n" : client->kind == fresh ? last_query : query;
    if (client->is_connected) {
        accounts[client->kind].asked++;
        client->asked = now();
    }
    client->is_waiting = 1;
    client->is_connected = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(events, EPOLL_CTL_MOD, client->file, &event);
    if (send(client->file, text, strlen(text), MSG_NOSIGNAL) < 0) fail(client, kind_of(errno));
}

// Whether the answer says that the connection ends behind it.
static int is_last(const char *answer) { return strcasestr(answer, "connection: close") != NULL; }

// Returns whether the whole answer is there.
static int read_answer(struct client *client) {
    char name[name_limit], source[name_limit];
    int port;
    client->answer[client->length] = 0;
    char *body = client->kind == datagram ? client->answer : strstr(client->answer, "\r\n\r\n");
    if (!body || !strchr(body + (client->kind == datagram ? 0 : 4), '\n')) return 0;
    struct account *account = &accounts[client->kind];
    double took = now() - client->asked;
    if (sscanf(body, "%127s %127s %d", name, source, &port) != 3) return fail(client, "malformed"), 1;
    if (took > account->slowest) account->slowest = took;
    account->answered++;
    add(&replicas, name);
    add(&sources, source);
    client->is_waiting = 0;
    client->length = 0;
    if (client->kind == datagram) {
        if (last_datagram && now() - last_datagram > longest_silence) longest_silence = now() - last_datagram;
        last_datagram = now();
    } else if (client->kind == fresh) {
        forget(client);
    } else if (is_last(client->answer)) {
        account->ended++;
        forget(client);
        client->next = now();
    } else {
        client->next = now() + 0.1;
    }
    return 1;
}

static void receive(struct client *client) {
    ssize_t count = recv(client->file, client->answer + client->length, answer_limit - 1 - client->length, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return fail(client, kind_of(errno));
    if (count == 0) {
        // An idle connection that is closed in order has ended; one that waits for its answer was cut.
        if (client->is_waiting || client->kind == fresh) return fail(client, "closed");
        accounts[client->kind].ended++;
        forget(client);
        client->next = now();
        return;
    }
    client->length += count;
    if (!read_answer(client) && client->length == answer_limit - 1) fail(client, "malformed");
}

static void handle(struct client *client, unsigned ready) {
    if (client->file < 0) return;
    if (ready & EPOLLERR) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(client->file, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) return fail(client, kind_of(error));
    }
    if (!client->is_connected && ready & EPOLLOUT && client->kind != datagram) return ask(client);
    if (ready & (EPOLLIN | EPOLLHUP)) receive(client);
}

static struct client *free_client(int from) {
    for (int i = from; i < most_at_once; i++) {
        if (clients[i].file < 0) return &clients[i];
    }
    fprintf(stderr, "steady: more than %d connections are open at once\n", most_at_once);
    exit(1);
}

static int turn(void) { return next_target++ % target_count; }

static void keep(int lasting_count, int datagram_count, double datagram_pause) {
    double time = now();
    for (int i = 0; i < lasting_count + datagram_count; i++) {
        struct client *client = &clients[i];
        if (client->is_waiting && client->file >= 0) continue;
        if (client->next > time) continue;
        if (client->kind == datagram) {
            client->is_connected = 1;
            ask(client);
            client->next = (client->next ? client->next : time) + datagram_pause;
        } else if (client->file < 0) {
            connect_client(client, lasting, client->target);
        } else {
            ask(client);
        }
    }
}

static void expire(void) {
    double time = now();
    for (int i = 0; i < most_at_once; i++) {
        struct client *client = &clients[i];
        double limit = client->kind == datagram && timeout > 1 ? 1 : timeout;
        if (client->file >= 0 && client->is_waiting && client->asked + limit < time) fail(client, "timeout");
    }
}

static void run(double seconds, double rate, int lasting_count, double datagram_rate) {
    int datagram_count = datagram_rate > 0 ? target_count : 0;
    int fixed = lasting_count + datagram_count;
    for (int i = 0; i < lasting_count; i++) connect_client(&clients[i], lasting, i % target_count);
    for (int i = 0; i < datagram_count; i++) connect_client(&clients[lasting_count + i], datagram, i);
    double begin = now(), next = begin, next_look = begin;
    while (!is_over && now() < begin + seconds) {
        while (rate > 0 && next <= now()) {
            connect_client(free_client(fixed), fresh, turn());
            next += 1 / rate;
        }
        keep(lasting_count, datagram_count, datagram_rate > 0 ? target_count / datagram_rate : 0);
        struct epoll_event ready[256];
        int found = epoll_wait(events, ready, 256, 1);
        for (int i = 0; i < found; i++) handle(ready[i].data.ptr, ready[i].events);
        if (now() > next_look) {
            expire();
            next_look = now() + 0.02;
        }
    }
    // What was asked is waited for.
    double limit = now() + timeout;
    for (int under_way = 1; under_way && now() < limit;) {
        struct epoll_event ready[256];
        int found = epoll_wait(events, ready, 256, 10);
        for (int i = 0; i < found; i++) handle(ready[i].data.ptr, ready[i].events);
        expire();
        under_way = 0;
        for (int i = 0; i < most_at_once; i++) under_way |= clients[i].file >= 0 && clients[i].is_waiting;
    }
}

static void print_tally(const char *name, const struct tally *tally) {
    printf("\"%s\":{", name);
    for (int i = 0; i < tally->size; i++) {
        printf("%s\"%s\":%ld", i ? "," : "", tally->of[i].name, tally->of[i].count);
    }
    printf("}");
}

static int report(void) {
    int failures = 0;
    printf("{");
    for (int kind = 0; kind < kinds; kind++) {
        const struct account *account = &accounts[kind];
        printf("\"%s\":{\"asked\":%ld,\"answered\":%ld,", names[kind], account->asked, account->answered);
        print_tally("failed", &account->failures);
        printf(",\"slowest_ms\":%.0f,\"ended\":%ld", account->slowest * 1e3, account->ended);
        if (kind == datagram) printf(",\"longest_silence_ms\":%.0f", longest_silence * 1e3);
        printf("},");
        failures += account->failures.size;
    }
    print_tally("replicas", &replicas);
    printf(",");
    print_tally("clients", &sources);
    printf("}\n");
    return failures ? 1 : 0;
}

static void add_target(const char *text, int port) {
    if (target_count == most_addresses) wrong("too many addresses:", text);
    struct address *target = &targets[target_count++];
    struct sockaddr_in *four = (void *)&target->value;
    struct sockaddr_in6 *six = (void *)&target->value;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        target->size = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        target->size = sizeof *six;
    } else {
        wrong("no address:", text);
    }
}

static double number(const char *text, double least, double most) {
    char *rest;
    double value = strtod(text, &rest);
    if (*rest || rest == text || value < least || value > most) wrong("no number in range:", text);
    return value;
}

int main(int count, char **arguments) {
    double rate = 0, datagram_rate = 0, seconds = 0;
    int lasting_count = 0, port = 0;
    for (int i = 1; i < count; i++) {
        const char *word = arguments[i];
        if (!strncmp(word, "--", 2) && i + 1 == count) wrong("no value for", word);
        if (!strcmp(word, "--new")) {
            rate = number(arguments[++i], 1, 100000);
        } else if (!strcmp(word, "--long")) {
            lasting_count = number(arguments[++i], 1, most_at_once / 2);
        } else if (!strcmp(word, "--udp")) {
            datagram_rate = number(arguments[++i], 1, 100000);
        } else if (!strcmp(word, "--timeout")) {
            timeout = number(arguments[++i], 1, 3600000) / 1e3;
        } else if (!port) {
            port = number(word, 1, 65535);
        } else if (!seconds) {
            seconds = number(word, 0.1, 86400);
        } else {
            add_target(word, port);
        }
    }
    if (!target_count) wrong("an address is missing after", count > 1 ? arguments[count - 1] : "steady");
    struct rlimit limit = {most_at_once + 64, most_at_once + 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    events = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < most_at_once; i++) clients[i].file = -1;
    run(seconds, rate, lasting_count, datagram_rate);
    return report();
}
