# What tests of death and return share. Sourced on a machine of scripts/machine, after scripts/lib.sh.
# shellcheck shell=bash disable=SC2154

ours() { docker --host unix:///run/causeway/docker.sock "$@"; }
theirs() { docker --host unix:///run/docker.sock "$@"; }

start_daemon() {
    setsid "$bin/causewayd" --engine-socket /run/docker.sock "$@" >>/run/causewayd.log 2>&1 </dev/null &
    # shellcheck disable=SC2034  # for those that source this
    daemon=$!
    wait_for causewayd 30 ours version
}

stop_daemon() { kill "$daemon"; wait "$daemon" 2>/dev/null || true; }

kill_daemon() { kill -KILL "$daemon"; wait "$daemon" 2>/dev/null || true; }

# start_docker [OPTION...]
start_docker() {
    start_engine /run/docker.sock /var/lib/docker /run/docker /run/docker.pid /run/dockerd.log \
        --add-runtime "causeway=$bin/causeway-oci" "$@"
}

stop_docker() { end_process "$(cat /run/docker.pid)" 30; }

kill_docker() {
    kill -KILL "$(cat /run/docker.pid)"
    sleep 0.5
    rm -f /run/docker.pid
}

ask() { ip netns exec outside curl --silent --fail --max-time 3 "http://198.51.100.2:${1:-8080}/"; }

# fetch CONTAINER SERVER: asks a server by its name from inside a container. Not with wget: a static busybox crashes
# in it when it is given a name.
fetch() {
    theirs exec "$1" sh -c "printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | nc -w 3 $2 80" |
        grep -q .
}

# The containers that run for a service, by identifier.
containers_of() { theirs ps --quiet --no-trunc --filter "label=com.docker.swarm.service.name=$1" | sort; }

# settled SERVICE COUNT: so many tasks run, and so many containers for them.
settled() {
    [ "$(ours service ps "$1" --filter desired-state=running --format '{{.CurrentState}}' | grep -c ^Running)" = "$2" ] &&
        [ "$(containers_of "$1" | wc -l)" = "$2" ]
}

# All that is held must be held once, by somebody who is there. Prints what is not so; succeeds if there is nothing.
nothing_left_over() {
    local wrong=() running namespaces users
    running=$(theirs ps --quiet --filter label=com.docker.swarm.task.id | wc -l)
    users=$(theirs ps --all --quiet --filter label=com.causeway.attachment | wc -l)
    namespaces=$(ip netns list | grep -c ^cw-)
    [ "$namespaces" = $((running + users)) ] || wrong+=("$namespaces namespaces for $running tasks and $users containers")
    [ "$(task_links | grep -c .)" = "$namespaces" ] || wrong+=("links: $(task_links)")
    wrong+=("$(theirs ps --format '{{.Label "com.docker.swarm.task.id"}}' | grep . | sort | uniq -d | sed 's/^/twice: task /')")
    wrong+=("$(ip -o route show table 213 | grep -vE '^unreachable|dev cw-gone' | awk '{print $1}' | sort | uniq -d | sed 's/^/twice: /')")
    wrong+=("$(comm -23 <(find /var/lib/causeway/containers -type f -printf '%f\n' 2>/dev/null | sort) \
        <(theirs ps --all --quiet --no-trunc | sort) | sed 's/^/place of a container that is gone: /')")
    wrong+=("$(comm -23 <(find /run/causeway/tasks -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort) \
        <(theirs ps --all --format '{{.Label "com.docker.swarm.task.id"}}' | sort) | sed 's/^/files of a task that is gone: /')")
    wrong+=("$(comm -23 <(theirs ps --all --format '{{.Label "com.docker.swarm.task.id"}}' | grep . | sort) \
        <(task_ids | sort) | sed 's/^/container of an unknown task: /')")
    wrong+=("$("$bin/causeway" plan | grep -v 'nothing to change')")
    printf '%s\n' "${wrong[@]}" | grep . && return 1
    return 0
}

# The links of tasks: not where dead addresses lead, and not the tunnel.
task_links() { ip -o link | grep ': cw-' | grep -vE ': cw-(gone|vxlan)'; }

# Waits until nothing is left over, and says what is.
clean() {
    wait_for "nothing to be left over" "${1:-15}" nothing_left_over && return 0
    nothing_left_over || true
    return 1
}

# Every task that the store knows.
task_ids() { curl --silent --unix-socket /run/causeway/docker.sock http://docker/v1.41/tasks | jq -r '.[].ID'; }

# What a power cut leaves of a machine: its disk.
reboot_machine() {
    local process name family
    for process in /proc/[0-9]*; do
        case $(cat "$process/comm" 2>/dev/null || true) in
            causewayd | causeway-keeper | causeway-oci | dockerd | containerd | containerd-shim* | docker-proxy | runc)
                kill -KILL "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
    sleep 0.3
    for process in /proc/[0-9]*; do
        if grep -qE '/[0-9a-f]{64}' "$process/cgroup" 2>/dev/null; then
            kill -KILL "${process#/proc/}" 2>/dev/null || true
        fi
    done
    sleep 0.3
    awk '$2 ~ "^(/run/docker|/var/lib/docker/|/run/containerd|/run/netns/cw-)" { print $2 }' /proc/self/mounts |
        sort -r | xargs -r -n1 umount -l || true
    find /run/netns -name 'cw-*' -delete
    for name in $(ip -o link | sed -nE 's/^[0-9]+: ((cw-|docker|veth)[^:@]*).*/\1/p'); do
        ip link del "$name" 2>/dev/null || true
    done
    nft flush ruleset
    for family in -4 -6; do
        ip "$family" route flush table all proto 213 || true
        for name in $(ip "$family" rule show | sed -nE 's/^([0-9]+):.* proto 213.*/\1/p'); do
            ip "$family" rule delete pref "$name"
        done
    done
    sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    rm -rf /run/causeway /run/docker /run/containerd /run/docker.pid /run/docker.sock
}
