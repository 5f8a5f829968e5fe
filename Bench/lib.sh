# What the cases of scripts/bench share. Sourced, never run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # `root`, `bin`, `records` and `quick` are set by those that source this

tools=$root/.build/bench
api=unix:///run/causeway/docker.sock
engine=unix:///run/docker.sock
plain_engine=unix:///run/plain/docker.sock
# From outside: this machine, and the one that has Docker Engine alone.
node=198.51.100.2
# shellcheck disable=SC2034  # used by a case
node6=2001:db8:100::2
plain=198.51.101.2
image=causeway-bench
# The processor of both ends of every packet measurement.
processor=0

# record CASE WHAT JSON: adds one measurement, a JSON object of numbers.
record() { jq --compact-output --arg case "$1" --arg what "$2" '{case: $case, what: $what} + .' <<<"$3" >>"$records"; }

docker_here() { docker --host "$api" "$@"; }
docker_engine() { docker --host "$engine" "$@"; }
docker_plain() { docker --host "$plain_engine" "$@"; }

# rounds MANY FEW: how many, in a whole run and in a quick one.
rounds() { if [ -n "$quick" ]; then echo "$2"; else echo "$1"; fi; }

describe_machine() {
    jq --null-input --arg processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        --arg kernel "$(uname -r)" --argjson processors "$(nproc)" --arg quick "$quick" \
        --arg engine "$(docker_engine version --format '{{.Server.Version}}')" --arg load "$(cut -d' ' -f1 /proc/loadavg)" \
        '{$processor, $processors, $kernel, docker: $engine, load: ($load | tonumber), quick: ($quick != "")}'
}

# ---- what would spoil it

# A capture sees, and slows, every packet; a trace every rule or every call.
refuse_captures() {
    local found
    found=$(find_captures)
    [ -z "$found" ] || fail "something watches packets or the kernel, so figures would mean nothing; end it first: $found"
}

find_captures() {
    local namespace
    packet_sockets /proc/net/packet "this namespace"
    traced_rules "this namespace"
    for namespace in /run/netns/*; do
        [ -e "$namespace" ] || continue
        packet_sockets <(nsenter --net="$namespace" cat /proc/net/packet 2>/dev/null) "$(basename "$namespace")"
        traced_rules "$(basename "$namespace")" nsenter --net="$namespace"
    done
    grep -lE '^link_type:\s*(raw_tracepoint|tracing|perf|kprobe_multi|uprobe_multi)' /proc/[0-9]*/fdinfo/* 2>/dev/null |
        sed 's/.*/an attached BPF program that traces (&)/'
    kernel_traces
}

# A packet socket for all protocols (ETH_P_ALL, 0003) is a capture; one for a single protocol is a DHCP client.
packet_sockets() { awk -v where="$2" 'NR > 1 && $4 == "0003" { print "a packet socket in " where }' "$1"; }

# traced_rules NAME [COMMAND...]: rules that have the kernel tell each step of a packet.
traced_rules() {
    local where=$1
    shift
    ! "$@" nft --stateless list ruleset 2>/dev/null | grep -qE 'nftrace set 1|-j TRACE' || echo "a rule that traces in $where"
}

kernel_traces() {
    local folder=/sys/kernel/tracing
    [ -r "$folder/current_tracer" ] || folder=/sys/kernel/debug/tracing
    [ -r "$folder/current_tracer" ] || return 0
    grep -qx nop "$folder/current_tracer" || echo "the kernel's tracer '$(cat "$folder/current_tracer")'"
    [ ! -s "$folder/set_event" ] || echo "trace events in $folder/set_event"
}

# Others' work moves every figure; ratios in one run bear some of it.
warn_of_load() {
    local busy
    busy=$(busy_processors)
    if [ "$busy" -gt 25 ]; then
        say "WARNING: other work takes $busy % of this machine's processors; figures will be worse, and ratios rougher."
    fi
}

# In hundredths of all processors, over one second.
busy_processors() {
    local before after
    before=$(head -n 1 /proc/stat)
    sleep 1
    after=$(head -n 1 /proc/stat)
    awk -v a="$before" -v b="$after" 'BEGIN {
        n = split(a, x); split(b, y)
        for (i = 2; i <= n; i++) all += y[i] - x[i]
        idle = y[5] - x[5] + y[6] - x[6]
        printf "%d", all ? 100 * (all - idle) / all : 0
    }'
}

# ---- what is measured against what

# The daemon, a swarm of one node, the image on both engines, and the machine that has Docker Engine alone.
start_all() {
    # Short connections leave their ports waiting: there have to be enough of them, and they may be used again. None of
    # them may be one that is published later: while it waits, for a minute, nobody can listen there.
    sysctl -qw net.ipv4.ip_local_port_range="10000 65000" net.ipv4.tcp_tw_reuse=1
    ip netns exec outside sysctl -qw net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_tw_reuse=1
    DOCKER="docker --host $engine" images/bench/build "$image"
    start_plain
    start_daemon
    docker_here swarm init --advertise-addr "$node" >/dev/null
}

start_daemon() {
    daemon_log=/run/causewayd.log
    "$bin/causewayd" --engine-socket /run/docker.sock >>"$daemon_log" 2>&1 &
    daemon=$!
    wait_for "causewayd to answer" 30 docker_here version ||
        fail "causewayd did not start; its log ends with: $(tail -n 3 "$daemon_log")"
}

# A second machine beyond the same outside, where Docker Engine is alone with its rules.
start_plain() {
    ip netns add plain
    ip link add eth0 netns plain type veth peer name plain netns outside
    ip -n plain link set lo up
    ip -n plain address add "$plain/24" dev eth0
    ip -n plain link set eth0 up
    ip -n outside address add 198.51.101.1/24 dev plain
    ip -n outside link set plain up
    ip -n outside route replace 198.51.101.0/24 dev plain src 203.0.113.9
    ip -n plain route add default via 198.51.101.1
    # shellcheck disable=SC2016  # expanded there
    nsenter --net=/run/netns/plain bash -c '. scripts/lib.sh && start_engine "$@"' bash \
        /run/plain/docker.sock /run/plain/data /run/plain/exec /run/plain/docker.pid /run/plain/dockerd.log
    docker_engine save "$image" | docker_plain load --quiet >/dev/null
}

stop_all() {
    docker_here swarm leave --force >/dev/null
    end_process "$daemon" 20
    end_process "$(cat /run/plain/docker.pid)" 20
    ip netns delete plain
}

# serve_in NAMESPACE|- PORT: the same server as in the image, without a container.
serve_in() {
    local command=("$tools/net" serve "$2" "$processor")
    [ "$1" = - ] || command=(nsenter --net="/run/netns/$1" "${command[@]}")
    "${command[@]}" &
    served+=($!)
}

stop_serving() {
    local pid
    for pid in "${served[@]}"; do end_process "$pid" 2; done
    served=()
}

served=()

# prefer_containers FUNCTION: what they run goes before everything else that wants the processor, as on the host.
prefer_containers() {
    local container pid
    for container in $("$1" ps --quiet); do
        pid=$("$1" inspect --format '{{.State.Pid}}' "$container")
        # A control group without a share of real time cannot have such processes.
        if chrt --fifo --pid 10 "$pid" 2>/dev/null; then continue; fi
        if [ -w /sys/fs/cgroup/cpu/cgroup.procs ]; then echo "$pid" >/sys/fs/cgroup/cpu/cgroup.procs; fi
        chrt --fifo --pid 10 "$pid" ||
            say "the server in $container shares the processor with others: its figures will be worse"
    done
}

# answers NAMESPACE ADDRESS PORT: whether the server there does.
answers() { "$tools/net" ask "$1" "$2" "$3" rr 0.01 >/dev/null 2>&1; }

# no_container_of SERVICE: whether none of its containers is left.
no_container_of() {
    [ -z "$(docker_engine ps --all --quiet --filter "label=com.docker.swarm.service.name=$1")" ]
}

# Short connections leave their ports waiting: there have to be enough of them, and they may be used again.
reuse_ports() {
    nsenter --net="/run/netns/$1" sysctl -qw net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_tw_reuse=1
}

# ---- ways that take turns

# `ways` has a line for each: its name, the namespace of the client, the address, the port.

# A way that does not answer is named, and its figures are missing: they are never made up.
drop_silent_ways() {
    local way name namespace address port kept=()
    for way in "${ways[@]}"; do
        read -r name namespace address port <<<"$way"
        if wait_for "$name ($address port $port) to answer" 10 answers "$namespace" "$address" "$port"; then
            kept+=("$way")
        else
            say "$name is left out: nothing answers"
        fi
    done
    ways=("${kept[@]}")
}

# slices CASE rr|crr: one slice of a quarter of a second of each way, and again, so that what disturbs disturbs all.
slices() {
    local round way name namespace address port figures
    for ((round = 0; round < $(rounds 16 3); round++)); do
        for way in "${ways[@]}"; do
            read -r name namespace address port <<<"$way"
            figures=$("$tools/net" ask "$namespace" "$address" "$port" "$2" 0.25 "$processor") || continue
            record "$1" "$name" "$figures"
        done
        refuse_captures
    done
}
