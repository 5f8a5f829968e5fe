// Says whether a link leaves the checksums of what it sends to its hardware: "on" or "off" (ethtool -k LINK, tx).
//
//   offload LINK
//
//   cc -O2 -Wall -Werror -o offload offload.c

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int count, char **words)
{
    struct ethtool_value value = { .cmd = ETHTOOL_GTXCSUM };
    struct ifreq request = { .ifr_data = (void *)&value };
    int file = socket(AF_INET, SOCK_DGRAM, 0);

    if (count != 2) return 2;
    strncpy(request.ifr_name, words[1], IFNAMSIZ - 1);
    if (ioctl(file, SIOCETHTOOL, &request) != 0) {
        perror(words[1]);
        return 1;
    }
    puts(value.data ? "on" : "off");
    return 0;
}
