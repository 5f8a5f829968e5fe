// A network card that forwards everything and computes no checksum: a relay between two links, in user space.
//
//   bad-nic LINK LINK
//
// A packet whose checksum was left to the hardware comes out of a packet socket without it, and leaves the other link as
// it came. So pings pass, and TCP does not: what users of tunnels over certain cards see. Runs until it is killed; says
// "ready" when it forwards.
//
//   cc -O2 -Wall -Werror -o bad-nic bad-nic.c

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int open_link(const char *name)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int file = socket(AF_PACKET, SOCK_RAW, 0);
    int yes = 1;

    address.sll_ifindex = (int)if_nametoindex(name);
    if (file < 0 || address.sll_ifindex == 0) return -1;
    // What we send ourselves is not to be forwarded back.
    setsockopt(file, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    struct packet_mreq all = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
    if (setsockopt(file, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0) return -1;
    if (bind(file, (struct sockaddr *)&address, sizeof(address)) != 0) return -1;
    return file;
}

int main(int count, char **words)
{
    static unsigned char frame[65536];
    struct pollfd polled[2];

    if (count != 3) return 2;
    for (int i = 0; i < 2; i++) {
        polled[i].fd = open_link(words[i + 1]);
        polled[i].events = POLLIN;
        if (polled[i].fd < 0) {
            perror(words[i + 1]);
            return 1;
        }
    }
    printf("ready\n");
    fflush(stdout);
    while (poll(polled, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t length;

            if (!polled[i].revents) continue;
            length = recv(polled[i].fd, frame, sizeof(frame), 0);
            // A frame that the other side cannot take is lost, as on a wire.
            if (length > 0) (void)!send(polled[1 - i].fd, frame, (size_t)length, 0);
        }
    }
    return 1;
}
