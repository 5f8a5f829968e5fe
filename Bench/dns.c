// Queries for names, and what answering them cost: what scripts/bench measures resolvers with.
//
//   dns NAMESPACE ADDRESS PORT COUNT PROCESS NAME...
//
// Sends COUNT queries for A records over UDP from the network namespace (`-` for its own), at most 32 at once, the names
// in turn; each must be answered, without error and with a record. Prints {"us":US,"rate":N,"count":N}: the processor
// time that PROCESS took for a query, in microseconds, and how many were answered in a second.
//
//   cc -O2 -Wall -Werror -static -o dns dns.c
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { at_once = 32, header = 12, largest = 512 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
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

// Microseconds that a process has run, with the threads that have ended.
static double processor_time(const char *process) {
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(atoi(process), &clock) || clock_gettime(clock, &time))
        errx(1, "there is no process %s", process);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

// Writes a query for the A record of a name, and returns its length.
static size_t write_query(uint8_t *bytes, uint16_t id, const char *name) {
    uint8_t *at = bytes + header;
    memset(bytes, 0, header);
    bytes[0] = (uint8_t)(id >> 8);
    bytes[1] = (uint8_t)id;
    bytes[2] = 1;  // recursion is desired, as every stub resolver says
    bytes[5] = 1;  // one question
    while (*name) {
        size_t length = strcspn(name, ".");
        if (length == 0 || length > 63 || (size_t)(at - bytes) + length > 260) errx(2, "a name is malformed");
        *at++ = (uint8_t)length;
        memcpy(at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    memcpy(at, "\0\0\1\0\1", 5);
    return (size_t)(at - bytes) + 5;
}

static void ask(int file, int number, char **names, int count) {
    uint8_t bytes[largest];
    size_t length = write_query(bytes, (uint16_t)number, names[number % count]);
    if (send(file, bytes, length, 0) < 0) err(1, "cannot send query %d", number);
}

static void take_answer(int file, int number) {
    uint8_t bytes[largest];
    ssize_t length = recv(file, bytes, sizeof bytes, 0);
    if (length < header) err(1, "no answer after %d", number);
    if ((bytes[3] & 0xf) || !(bytes[6] | bytes[7])) errx(1, "an answer has code %d and no record", bytes[3] & 0xf);
}

int main(int words, char **word) {
    struct timeval patience = {.tv_sec = 3};
    struct sockaddr_in server = {.sin_family = AF_INET};
    int file, count, sent = 0, answered = 0;
    double used, start;
    if (words < 7) errx(2, "see the head of dns.c for its arguments");
    enter(word[1]);
    count = atoi(word[4]);
    server.sin_port = htons((unsigned short)atoi(word[3]));
    if (inet_pton(AF_INET, word[2], &server.sin_addr) != 1) errx(2, "%s is no address", word[2]);
    file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (file < 0 || connect(file, (struct sockaddr *)&server, sizeof server)) err(1, "cannot reach %s", word[2]);
    used = processor_time(word[5]);
    start = now();
    while (answered < count) {
        while (sent < count && sent - answered < at_once) ask(file, sent++, word + 6, words - 6);
        take_answer(file, answered++);
    }
    printf("{\"us\":%.3f,\"rate\":%.0f,\"count\":%d}\n", (processor_time(word[5]) - used) / count,
           count / (now() - start), count);
    return 0;
}
