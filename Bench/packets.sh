# Requests on one connection, and a new connection for each request, from outside through a published port, and through
# 127.0.0.1; beside a bare veth, the host's own server, and `docker run -p`. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # `ways` is used by slices

# Each way: its name, the namespace of the client, the address, the port.
ways=(
    "veth bare-a 192.0.2.2 7000"
    "veth6 bare-a 2001:db8:2::2 7000"
    "routed bare-c 192.0.2.129 7005"
    "host outside $node 7001"
    "host6 outside $node6 7001"
    "docker outside $plain 7002"
    "docker-beside outside $node 7003"
    "causeway outside $node 7004"
    "causeway6 outside $node6 7004"
    "loopback-host - 127.0.0.1 7001"
    "loopback-docker - 127.0.0.1 7003"
    "loopback-causeway - 127.0.0.1 7004"
)

measure_packets() {
    make_bare
    make_routed
    serve_in bare-b 7000
    serve_in bare-s 7000
    serve_in - 7001
    docker_plain run --detach --name bench --publish 7002:7000 "$image" >/dev/null
    docker_engine run --detach --name bench --publish 7003:7000 "$image" >/dev/null
    docker_here service create --quiet --detach --no-resolve-image --name bench --publish 7004:7000 "$image" >/dev/null
    drop_silent_ways
    prefer_containers docker_plain
    prefer_containers docker_engine
    slices requests rr
    slices connections crr
    docker_here service rm bench >/dev/null
    docker_engine rm --force bench >/dev/null
    docker_plain rm --force bench >/dev/null
    stop_serving
    local namespace
    for namespace in bare-a bare-b bare-c bare-r bare-s; do ip netns delete $namespace; done
}

# Two namespaces and a veth between them: nothing that could be left out is left.
make_bare() {
    local namespace
    for namespace in bare-a bare-b; do
        ip netns add $namespace
        ip -n $namespace link set lo up
        reuse_ports $namespace
    done
    ip -n bare-a link add eth0 type veth peer name eth0 netns bare-b
    ip -n bare-a address add 192.0.2.1/24 dev eth0
    ip -n bare-b address add 192.0.2.2/24 dev eth0
    ip -n bare-a address add 2001:db8:2::1/64 dev eth0 nodad
    ip -n bare-b address add 2001:db8:2::2/64 dev eth0 nodad
    ip -n bare-a link set eth0 up
    ip -n bare-b link set eth0 up
}

# The least that a published port can be with nftables: one more namespace that routes, and one rule that translates.
make_routed() {
    local namespace
    for namespace in bare-c bare-r bare-s; do
        ip netns add $namespace
        ip -n $namespace link set lo up
        reuse_ports $namespace
    done
    join_bare bare-c eth0 192.0.2.130 outer 192.0.2.129
    join_bare bare-s eth0 192.0.2.194 inner 192.0.2.193
    ip netns exec bare-r sysctl -qw net.ipv4.ip_forward=1
    ip netns exec bare-r nft 'table ip one {
        chain prerouting { type nat hook prerouting priority dstnat; ip daddr 192.0.2.129 tcp dport 7005 dnat to 192.0.2.194:7000; }
    }'
}

# join_bare NAMESPACE LINK ADDRESS ROUTER-LINK ROUTER-ADDRESS: a veth to the router, and the route through it.
join_bare() {
    ip -n "$1" link add "$2" type veth peer name "$4" netns bare-r
    ip -n "$1" address add "$3/26" dev "$2"
    ip -n bare-r address add "$5/26" dev "$4"
    ip -n "$1" link set "$2" up
    ip -n bare-r link set "$4" up
    ip -n "$1" route add default via "$5"
}
