// A network card that forwards everything and computes no checksum: a relay between two links, in user space.
//
//   bad-nic [--tunnels-only] LINK LINK
//
// A packet whose checksum was left to the hardware comes out of a packet socket without it, and leaves the other link as
// it came. So pings pass, and TCP does not: what users of tunnels over certain cards see. With --tunnels-only it is a
// card that knows TCP and UDP, and nothing of what is inside VXLAN (UDP to port 4789): only there checksums stay as they
// are. Runs until it is killed; says "ready" when it forwards.
//
//   cc -O2 -Wall -Werror -o bad-nic bad-nic.c

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// What the kernel puts before a frame: which checksum is left to do, and how it is to be cut.
static const size_t note_size = sizeof(struct virtio_net_hdr);

static int open_link(const char *name, int with_notes)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int file = socket(AF_PACKET, SOCK_RAW, 0);
    int yes = 1;

    address.sll_ifindex = (int)if_nametoindex(name);
    if (file < 0 || address.sll_ifindex == 0) return -1;
    // What we send ourselves is not to be forwarded back.
    setsockopt(file, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    if (with_notes && setsockopt(file, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) != 0) return -1;
    struct packet_mreq all = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
    if (setsockopt(file, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0) return -1;
    if (bind(file, (struct sockaddr *)&address, sizeof(address)) != 0) return -1;
    return file;
}

// Whether a frame is VXLAN over IPv4.
static int is_tunnel(const unsigned char *frame, size_t length)
{
    if (length < 42 || frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 17) return 0;
    size_t port = 14 + (size_t)(frame[14] & 15) * 4 + 2;
    return length > port + 1 && frame[port] == 4789 >> 8 && frame[port + 1] == (4789 & 255);
}

int main(int count, char **words)
{
    static unsigned char frame[65536 + 64];
    struct pollfd polled[2];
    int with_notes = count == 4 && !strcmp(words[1], "--tunnels-only");

    if (count != 3 + with_notes) return 2;
    for (int i = 0; i < 2; i++) {
        polled[i].fd = open_link(words[i + 1 + with_notes], with_notes);
        polled[i].events = POLLIN;
        if (polled[i].fd < 0) {
            perror(words[i + 1 + with_notes]);
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
            if (length <= 0) continue;
            if (with_notes && is_tunnel(frame + note_size, (size_t)length - note_size)) memset(frame, 0, note_size);
            // A frame that the other side cannot take is lost, as on a wire.
            (void)!send(polled[1 - i].fd, frame, (size_t)length, 0);
        }
    }
    return 1;
}
