// One source port through several addresses at once, for acceptance tests: all connections are open at the same time.
//
//   oneport tcp|udp SOURCE-PORT PORT ADDRESS... [--rounds COUNT]
//
// Each round takes the next source port, opens one socket from it to each address, asks on all of them, and twice over
// TCP, before any is closed. Understands the answers of whoami (`HOSTNAME CLIENT-ADDRESS CLIENT-PORT`). Prints a line
// for each address of each round:
//
//   ROUND SOURCE-PORT ADDRESS HOSTNAME CLIENT-ADDRESS CLIENT-PORT
//   ROUND SOURCE-PORT ADDRESS failed KIND
//
// The exit status is 0 when everything was answered, 1 when not, 2 when the arguments are wrong.
//
//   cc -O2 -Wall -Werror -static -o oneport oneport.c

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most_addresses = 64 };

struct address {
    struct sockaddr_storage value;
    socklen_t size;
    const char *text;
};

static struct address targets[most_addresses];
static int target_count, is_udp, failures;
static const char query[] = "GET / HTTP/1.1\r\nHost: oneport\r\n\r\n";

static int usage(void) {
    fprintf(stderr, "usage: oneport tcp|udp SOURCE-PORT PORT ADDRESS... [--rounds COUNT]\n");
    return 2;
}

static const char *kind_of(int error) {
    switch (error) {
    case EAGAIN: case EINPROGRESS: case ETIMEDOUT: return "timeout";
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    default: return strerror(error);
    }
}

// Returns -1 with errno when there is none.
static int open_socket(const struct address *target, int source_port) {
    int one = 1, family = target->value.ss_family;
    struct timeval limit = {.tv_sec = 3};
    int file = socket(family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(source_port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(source_port)};
    setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(file, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int bound = family == AF_INET ? bind(file, (void *)&four, sizeof four) : bind(file, (void *)&six, sizeof six);
    if (bound < 0 || connect(file, (void *)&target->value, target->size) < 0) {
        int error = errno;
        close(file);
        errno = error;
        return -1;
    }
    return file;
}

// Returns NULL with the last line of the answer, or why there is none.
static const char *ask(int file, char *line, size_t size) {
    char answer[1024];
    size_t length = 0;
    const char *text = is_udp ? "who\n" : query;
    if (send(file, text, strlen(text), MSG_NOSIGNAL) < 0) return kind_of(errno);
    for (;;) {
        ssize_t count = recv(file, answer + length, sizeof answer - 1 - length, 0);
        if (count < 0) return kind_of(errno);
        if (count == 0) return "closed";
        answer[length += count] = 0;
        char *body = is_udp ? answer : strstr(answer, "\r\n\r\n");
        if (!body) continue;
        body += is_udp ? 0 : 4;
        char *end = strchr(body, '\n');
        if (!end) continue;
        *end = 0;
        snprintf(line, size, "%.*s", (int)size - 1, body);
        return NULL;
    }
}

static void run(int round, int source_port) {
    int files[most_addresses];
    char lines[most_addresses][1024];
    const char *reasons[most_addresses] = {0};
    for (int i = 0; i < target_count; i++) {
        files[i] = open_socket(&targets[i], source_port);
        if (files[i] < 0) reasons[i] = kind_of(errno);
    }
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < target_count; i++) {
            if (!reasons[i]) reasons[i] = ask(files[i], lines[i], sizeof lines[i]);
        }
    }
    for (int i = 0; i < target_count; i++) {
        printf("%d %d %s ", round, source_port, targets[i].text);
        if (reasons[i]) {
            printf("failed %s\n", reasons[i]);
            failures++;
        } else {
            printf("%s\n", lines[i]);
        }
        if (files[i] >= 0) close(files[i]);
    }
}

static int add_target(const char *text, int port) {
    if (target_count == most_addresses) return 0;
    struct address *target = &targets[target_count++];
    struct sockaddr_in *four = (void *)&target->value;
    struct sockaddr_in6 *six = (void *)&target->value;
    target->text = text;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        target->size = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        target->size = sizeof *six;
    } else {
        return 0;
    }
    return 1;
}

int main(int count, char **arguments) {
    int rounds = 1;
    if (count < 5) return usage();
    is_udp = !strcmp(arguments[1], "udp");
    if (!is_udp && strcmp(arguments[1], "tcp")) return usage();
    int source_port = atoi(arguments[2]), port = atoi(arguments[3]);
    if (source_port < 1 || port < 1 || port > 65535) return usage();
    for (int i = 4; i < count; i++) {
        if (!strcmp(arguments[i], "--rounds") && i + 1 < count) {
            rounds = atoi(arguments[++i]);
        } else if (!add_target(arguments[i], port)) {
            return usage();
        }
    }
    if (source_port + rounds > 65536) return usage();
    for (int round = 0; round < rounds; round++) run(round, source_port + round);
    return failures ? 1 : 0;
}
