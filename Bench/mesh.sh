# A cluster of three in the lab: requests and new connections to a node that has the task and to one that has not,
# beside that node's own server and a bare VXLAN; and how long a change takes to reach every node. Sourced by
# scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

lab=/run/causeway-lab
# As the lab gives them: n2 has the task, n3 has none, n1 is the manager.
task_node=192.0.2.2
task_node6=2001:db8:2::2
other_node=192.0.2.3
other_node6=2001:db8:2::3
lab_nodes=(n1 n2 n3)

mesh_ways=(
    "vxlan mesh-a 10.98.0.2 7000"
    "vxlan6 mesh-a 2001:db8:98::2 7000"
    "vxlan-routed mesh-client 10.97.0.2 7000"
    "vxlan-routed6 mesh-client 2001:db8:97::2 7000"
    "host cwlab-client $task_node 7001"
    "host6 cwlab-client $task_node6 7001"
    "local cwlab-client $task_node 7100"
    "local6 cwlab-client $task_node6 7100"
    "remote cwlab-client $other_node 7100"
    "remote6 cwlab-client $other_node6 7100"
)

measure_mesh() {
    make_vxlan
    "$bin/causeway" lab up --nodes 3 --directory "$lab" --engine-socket /run/docker.sock
    reuse_ports cwlab-client
    serve_in mesh-b 7000
    serve_in mesh-task 7000
    serve_in cwlab-n2 7001
    docker_lab service create --quiet --detach --no-resolve-image --name mesh --publish 7100:7000 \
        --constraint node.hostname==n2 "$image" >/dev/null
    ways=("${mesh_ways[@]}")
    drop_silent_ways
    prefer_containers docker_engine
    slices mesh-requests rr
    slices mesh-connections crr
    docker_lab service rm mesh >/dev/null
    measure_convergence
    stop_serving
    "$bin/causeway" lab down --directory "$lab"
    for place in mesh-client mesh-net mesh-a mesh-b mesh-task; do ip netns delete "$place"; done
}

docker_lab() { docker --host "unix://$lab/n1/docker.sock" "$@"; }

# ---- what it is beside

# The same underlay as the lab's, a VXLAN between two namespaces on it, and nothing else that could be left out:
#
#     mesh-client ── mesh-net (bridge) ── mesh-a ══ VXLAN ══ mesh-b ── mesh-task
#
# The bare VXLAN is from mesh-a to mesh-b. The whole, routed, is the way of a request to a remote task without any rule.
make_vxlan() {
    local place
    for place in mesh-net mesh-client mesh-a mesh-b mesh-task; do
        ip netns add $place
        ip -n $place link set lo up
        nsenter --net=/run/netns/$place sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    done
    reuse_ports mesh-a
    reuse_ports mesh-client
    ip -n mesh-net link add br0 type bridge
    ip -n mesh-net link set br0 up
    place_on_underlay mesh-a 1
    place_on_underlay mesh-b 2
    ip -n mesh-net address add 10.99.0.254/24 dev br0
    ip -n mesh-net address add 2001:db8:99::fe/64 dev br0 nodad
    join_tunnel mesh-a 1 2
    join_tunnel mesh-b 2 1
    join_by_veth mesh-net mesh-client 96
    join_by_veth mesh-b mesh-task 97
    ip -n mesh-client route add default via 10.96.0.1
    ip -n mesh-client -6 route add default via 2001:db8:96::1
    ip -n mesh-task route add default via 10.97.0.1
    ip -n mesh-task -6 route add default via 2001:db8:97::1
    ip -n mesh-net route add 10.97.0.0/24 via 10.99.0.1
    ip -n mesh-net -6 route add 2001:db8:97::/64 via 2001:db8:99::1
    ip -n mesh-a route add 10.96.0.0/24 via 10.99.0.254
    ip -n mesh-a -6 route add 2001:db8:96::/64 via 2001:db8:99::fe
    ip -n mesh-a route add 10.97.0.0/24 via 10.98.0.2
    ip -n mesh-a -6 route add 2001:db8:97::/64 via 2001:db8:98::2
    ip -n mesh-b route add 10.96.0.0/24 via 10.98.0.1
    ip -n mesh-b -6 route add 2001:db8:96::/64 via 2001:db8:98::1
}

# place_on_underlay NAMESPACE NUMBER
place_on_underlay() {
    ip -n mesh-net link add "$1" type veth peer name eth0 netns "$1"
    ip -n mesh-net link set "$1" master br0 up
    ip -n "$1" address add "10.99.0.$2/24" dev eth0
    ip -n "$1" address add "2001:db8:99::$2/64" dev eth0 nodad
    ip -n "$1" link set eth0 up
}

# join_tunnel NAMESPACE OWN-NUMBER OTHER-NUMBER: nothing is learnt and nobody is asked, as on a node of ours.
join_tunnel() {
    local mac=02:00:00:00:98:0$3
    ip -n "$1" link add vx0 address "02:00:00:00:98:0$2" type vxlan id 98 dstport 4789 local "10.99.0.$2" nolearning
    nsenter --net="/run/netns/$1" bridge fdb append "$mac" dev vx0 dst "10.99.0.$3" self permanent
    ip -n "$1" address add "10.98.0.$2/24" dev vx0
    ip -n "$1" address add "2001:db8:98::$2/64" dev vx0 nodad
    ip -n "$1" link set vx0 up
    ip -n "$1" neighbour add "10.98.0.$3" lladdr "$mac" dev vx0 nud permanent
    ip -n "$1" neighbour add "2001:db8:98::$3" lladdr "$mac" dev vx0 nud permanent
}

# join_by_veth NAMESPACE NAMESPACE NET: the first has address 1, the second 2, of 10.NET.0.0/24.
join_by_veth() {
    ip -n "$1" link add "to-$2" type veth peer name eth0 netns "$2"
    ip -n "$1" address add "10.$3.0.1/24" dev "to-$2"
    ip -n "$2" address add "10.$3.0.2/24" dev eth0
    ip -n "$1" address add "2001:db8:$3::1/64" dev "to-$2" nodad
    ip -n "$2" address add "2001:db8:$3::2/64" dev eth0 nodad
    ip -n "$1" link set "to-$2" up
    ip -n "$2" link set eth0 up
}

# ---- how long a change takes

# From the end of a task's process, and from the start of the commands that scale, to the moment when the table of the
# last node has changed. A new task's time is mostly that of its container's start.
measure_convergence() {
    local round
    docker_lab service create --quiet --detach --no-resolve-image --name change --publish 7200:7000 --replicas 3 \
        --restart-delay 10ms "$image" >/dev/null
    for ((round = 0; round < $(rounds 50 5); round++)); do
        wait_for "3 tasks in every table" 60 each_table_has 3 || return
        time_change "a task's process ends" kill -KILL "$(process_of_task)"
        wait_for "3 tasks in every table, again" 60 each_table_has 3 || return
        time_change "one task more" docker --host "unix://$lab/n1/docker.sock" service scale --detach change=4
        wait_for "4 tasks in every table" 60 each_table_has 4 || return
        time_change "one task less" docker --host "unix://$lab/n1/docker.sock" service scale --detach change=3
    done
    docker_lab service rm change >/dev/null
    wait_for "the containers of the service to be gone" 90 no_container_of change
}

# time_change WHAT COMMAND...
time_change() {
    local what=$1 namespaces figures
    shift
    namespaces=$(printf 'cwlab-%s,' "${lab_nodes[@]}")
    if figures=$("$tools/tables" "${namespaces%,}" causeway published4_64 30 "$@"); then
        record convergence "$what" "$figures"
    else
        say "'$what' is left out of this round: not every table changed"
    fi
}

# Of some task that runs.
process_of_task() {
    local container
    container=$(docker_engine ps --quiet --filter label=com.docker.swarm.service.name=change | head -n 1)
    docker_engine inspect --format '{{.State.Pid}}' "$container"
}

# each_table_has COUNT: whether each node sends the port to so many tasks.
each_table_has() {
    local name
    for name in "${lab_nodes[@]}"; do
        [ "$(targets_of "cwlab-$name")" = "$1" ] || return 1
    done
}

targets_of() {
    nsenter --net="/run/netns/$1" nft --json list map inet causeway published4_64 |
        jq '[.nftables[].map // empty | .elem[]? | select(.[0].concat[1] == 7200) | .[1] | tostring] | unique | length'
}
