// A server for acceptance tests: says who it is and whom it saw.
//
//   whoami [--grace SECONDS] PORT...
//
// On each port, over IPv4 and IPv6: HTTP/1.1 on TCP (connections stay open unless the client asks to close), and
// datagrams on UDP. Every request and every datagram is answered with one line: `HOSTNAME CLIENT-ADDRESS CLIENT-PORT`.
// A datagram is answered from the address that it was sent to. SIGTERM and SIGINT end it at once; with --grace it then
// takes nothing new, closes each connection behind the answer to its next request, and ends with the last of them or when
// the time is over.
//
//   cc -O2 -Wall -Werror -static -o whoami whoami.c

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
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most_files = 16384, request_limit = 4096, line_limit = 256 };

enum kind { closed, listener, datagrams, connection };

struct file {
    enum kind kind;
    size_t length;
    char *request;
    char line[line_limit];
};

static struct file files[most_files];
static char host[128];
static int events, grace, is_ending;
static volatile sig_atomic_t is_asked_to_end;

static void die(const char *what) {
    fprintf(stderr, "whoami: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

static void done(int signal) {
    (void)signal;
    if (!grace || is_asked_to_end) _exit(0);
    is_asked_to_end = 1;
}

// Writes the answer for a caller; an IPv4 address that came in over IPv6 is written as what it is.
static int describe(const struct sockaddr_storage *caller, char *line) {
    char text[INET6_ADDRSTRLEN] = "?";
    int port = 0;
    if (caller->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)caller;
        port = ntohs(six->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, text, sizeof text);
        } else {
            inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        }
    } else {
        const struct sockaddr_in *four = (const void *)caller;
        port = ntohs(four->sin_port);
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
    }
    return snprintf(line, line_limit, "%s %s %d\n", host, text, port);
}

static void watch(int file, enum kind kind) {
    if (file >= most_files) {
        close(file);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
    if (epoll_ctl(events, EPOLL_CTL_ADD, file, &event) < 0) die("watch a socket");
    files[file].kind = kind;
    files[file].length = 0;
}

static void drop(int file) {
    free(files[file].request);
    files[file].request = NULL;
    files[file].kind = closed;
    close(file);
}

// A socket of `type` on `port` for both families, or for IPv4 alone where the kernel has no IPv6.
static void serve(int type, int port) {
    int zero = 0, one = 1;
    int file = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int is_six = file >= 0;
    if (is_six) {
        setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    } else if ((file = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0) {
        die("open a socket");
    }
    if (type == SOCK_STREAM) setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (is_six ? bind(file, (void *)&six, sizeof six) : bind(file, (void *)&four, sizeof four)) die("bind a port");
    if (type == SOCK_STREAM) {
        if (listen(file, 4096) < 0) die("listen");
        watch(file, listener);
    } else {
        int room = 4 << 20;
        setsockopt(file, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (is_six) setsockopt(file, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
        if (!is_six) setsockopt(file, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
        watch(file, datagrams);
    }
}

static void accept_all(int file) {
    for (;;) {
        struct sockaddr_storage caller;
        socklen_t size = sizeof caller;
        int new = accept4(file, (void *)&caller, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (new < 0) return;
        int one = 1;
        setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(new, connection);
        if (new < most_files) describe(&caller, files[new].line);
    }
}

// Where a datagram came in decides where its answer leaves from: the ancillary data go back as they came.
static void answer_datagrams(int file) {
    for (;;) {
        struct sockaddr_storage caller;
        char data[2048], ancillary[256], line[line_limit];
        struct iovec in = {data, sizeof data};
        struct msghdr message = {
            .msg_name = &caller, .msg_namelen = sizeof caller, .msg_iov = &in, .msg_iovlen = 1,
            .msg_control = ancillary, .msg_controllen = sizeof ancillary};
        if (recvmsg(file, &message, 0) < 0) return;
        for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
            // The link that it came in on must not bind the answer: routing decides.
            if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
                ((struct in6_pktinfo *)CMSG_DATA(part))->ipi6_ifindex = 0;
            }
            if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
                ((struct in_pktinfo *)CMSG_DATA(part))->ipi_ifindex = 0;
            }
        }
        struct iovec out = {line, describe(&caller, line)};
        message.msg_iov = &out;
        message.msg_flags = 0;
        sendmsg(file, &message, MSG_NOSIGNAL);
    }
}

static int has_token(const char *head, const char *token) {
    const char *place = strcasestr(head, "\nconnection:");
    if (!place) return 0;
    const char *end = strchr(place + 1, '\n');
    const char *found = strcasestr(place, token);
    return found && end && found < end;
}

// Answers the first whole request in the buffer. Returns 0 when there is none, -1 when the connection is done.
static int answer_request(int file) {
    struct file *self = &files[file];
    self->request[self->length] = 0;
    char *end = strstr(self->request, "\r\n\r\n");
    if (!end) return self->length >= request_limit - 1 ? -1 : 0;
    end[2] = 0;
    int is_old = strstr(self->request, "HTTP/1.0\r\n") != NULL;
    int closes = is_ending || has_token(self->request, "close") || (is_old && !has_token(self->request, "keep-alive"));
    char reply[line_limit + 256];
    int size = snprintf(
        reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n%s",
        strlen(self->line), closes ? "Connection: close\r\n" : "", self->line);
    // So little always fits an empty send buffer; a client that never reads is dropped.
    if (send(file, reply, size, MSG_NOSIGNAL) != size || closes) return -1;
    size_t used = end + 4 - self->request;
    memmove(self->request, self->request + used, self->length - used);
    self->length -= used;
    return 1;
}

static void read_connection(int file) {
    struct file *self = &files[file];
    if (!self->request && !(self->request = malloc(request_limit))) die("get memory");
    for (;;) {
        ssize_t count = recv(file, self->request + self->length, request_limit - 1 - self->length, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count <= 0) return drop(file);
        self->length += count;
        int outcome;
        while ((outcome = answer_request(file)) > 0) {}
        if (outcome < 0) return drop(file);
    }
}

// Takes what has come already, and nothing after it.
static void begin_to_end(void) {
    is_ending = 1;
    alarm(grace);
    for (int file = 0; file < most_files; file++) {
        if (files[file].kind == listener) accept_all(file);
        if (files[file].kind == datagrams) answer_datagrams(file);
        if (files[file].kind == listener || files[file].kind == datagrams) drop(file);
    }
}

static int has_connections(void) {
    for (int file = 0; file < most_files; file++) {
        if (files[file].kind == connection) return 1;
    }
    return 0;
}

int main(int count, char **arguments) {
    int first = 1;
    if (count > 2 && !strcmp(arguments[1], "--grace")) {
        grace = atoi(arguments[2]);
        first = 3;
    }
    if (count <= first || (first == 3 && grace < 1)) {
        fprintf(stderr, "usage: whoami [--grace SECONDS] PORT...\n");
        return 2;
    }
    struct rlimit limit = {most_files, most_files};
    setrlimit(RLIMIT_NOFILE, &limit);
    // Without SA_RESTART, so that waiting ends.
    struct sigaction action = {.sa_handler = done};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    if (gethostname(host, sizeof host - 1) < 0) die("read the host name");
    if ((events = epoll_create1(EPOLL_CLOEXEC)) < 0) die("make an epoll");
    for (int i = first; i < count; i++) {
        int port = atoi(arguments[i]);
        if (port < 1 || port > 65535) {
            fprintf(stderr, "whoami: \"%s\" is no port: ports are 1 to 65535\n", arguments[i]);
            return 2;
        }
        serve(SOCK_STREAM, port);
        serve(SOCK_DGRAM, port);
    }
    while (!is_ending || has_connections()) {
        struct epoll_event ready[256];
        int found = epoll_wait(events, ready, 256, -1);
        if (is_asked_to_end && !is_ending) begin_to_end();
        for (int i = 0; i < found; i++) {
            int file = ready[i].data.fd;
            switch (files[file].kind) {
            case listener: accept_all(file); break;
            case datagrams: answer_datagrams(file); break;
            case connection: read_connection(file); break;
            case closed: break;
            }
        }
    }
    return 0;
}
