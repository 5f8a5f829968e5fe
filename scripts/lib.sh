# What the scripts share. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # used by those that source this
bin=${CAUSEWAY_BIN:-$root/.build/debug}

# Says what is being done now.
say() { printf '%s\n' "$*"; }

# Says it as a step with a line above, so that a reader finds it again.
step() { printf '\n== %s\n' "$*"; }

# Says what went wrong and what to do, and ends.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "namespaces and firewall rules need root: run it as root"
}

# need_packages COMMAND-OR-FILE=PACKAGE...: installs the packages of those that are not there.
#
# Asks the distribution only when something is missing, and for the list of packages at most once.
need_packages() {
    local pair missing=()
    for pair in "$@"; do
        is_present "${pair%%=*}" || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    need_root
    command -v apt-get >/dev/null || fail "install ${missing[*]}: this distribution has no apt-get to do it with"
    say "installing ${missing[*]}"
    apt_get install "${missing[@]}" 2>/dev/null && return 0
    apt_get update
    apt_get install "${missing[@]}"
}

# A path is present as a file, anything else as a command.
is_present() {
    case $1 in
        */*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

apt_get() {
    local verb=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes --no-install-recommends \
        -o Dpkg::Use-Pty=0 "$verb" "$@"
}

# firewalld for the tests, which start one of their own in namespaces of their own.
#
# Its package starts it at once and with every boot, and from then on it filters what this machine is reached by: a
# unit that is masked before it comes can do neither. It stays masked: `systemctl unmask firewalld` is for who wants it.
need_firewalld() {
    local unit=/etc/systemd/system/firewalld.service
    is_present firewalld || {
        if [ ! -e "$unit" ] && [ ! -L "$unit" ]; then mkdir -p "${unit%/*}" && ln -s /dev/null "$unit"; fi
    }
    need_packages firewalld=firewalld firewall-cmd=firewalld dbus-daemon=dbus-daemon
}

# A registry for the tests, which start one of their own on a machine of their own; its unit stays masked, as firewalld's.
need_registry() {
    local unit=/etc/systemd/system/docker-registry.service
    is_present docker-registry || {
        if [ ! -e "$unit" ] && [ ! -L "$unit" ]; then mkdir -p "${unit%/*}" && ln -s /dev/null "$unit"; fi
    }
    need_packages docker-registry=docker-registry
}

# What it takes to build, and what it takes to run.
need_for_build() {
    need_packages "/usr/include/nftables/libnftables.h=libnftables-dev" "/usr/include/sqlite3.h=libsqlite3-dev" \
        pkg-config=pkg-config gcc=gcc g++=g++ "/usr/include/*/sys/types.h=libc6-dev"
    find_swift
}

need_for_run() {
    need_packages dockerd=docker.io iptables=iptables nft=nftables ip=iproute2 conntrack=conntrack jq=jq curl=curl \
        sysctl=procps
    # Debian 12 has the client in docker.io; later distributions have it in a package of its own.
    need_packages docker=docker-cli
    # The images are made from one that needs no library; the package `busybox` has one that does.
    has_static_busybox || need_packages /no/such/file=busybox-static
}

has_static_busybox() {
    local place
    for place in /bin/busybox /usr/bin/busybox; do
        if [ -x "$place" ] && ! ldd "$place" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

# Puts `swift` on the path, from the usual places if need be.
find_swift() {
    local place wanted
    if ! command -v swift >/dev/null; then
        for place in /opt/swift/usr/bin /usr/local/swift/usr/bin /usr/libexec/swift/bin "$HOME/.local/share/swiftly/bin"; do
            [ -x "$place/swift" ] && PATH="$place:$PATH" && break
        done
        export PATH
    fi
    wanted=$(cut -d. -f1,2 "$root/.swift-version")
    command -v swift >/dev/null || fail "Swift $wanted is needed: see https://www.swift.org/install/linux"
}

# start_engine SOCKET DATA EXEC PIDFILE LOG [OPTION...]: starts a Docker Engine of our own, and waits until it answers.
#
# CAUSEWAY_ENGINE_OPTIONS has words for any engine that is started here, such as where its control groups are.
start_engine() {
    local socket=$1 data=$2 exec=$3 pid_file=$4 log=$5
    shift 5
    local more=()
    read -ra more <<<"${CAUSEWAY_ENGINE_OPTIONS:-}"
    mkdir -p "$(dirname "$socket")" "$(dirname "$log")" "$data" "$exec"
    setsid dockerd --host "unix://$socket" --data-root "$data" --exec-root "$exec" --pidfile "$pid_file" \
        "${more[@]}" "$@" \
        >>"$log" 2>&1 </dev/null &
    wait_for "Docker Engine to answer on $socket" 60 docker --host "unix://$socket" version ||
        fail "Docker Engine did not start; its log, $log, ends with: $(tail -n 3 "$log")"
}

# wait_for WHAT SECONDS COMMAND...: tries the command until it succeeds.
wait_for() {
    local what=$1 tries=$(($2 * 5))
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            say "waited in vain for $what"
            return 1
        fi
        sleep 0.2
    done
}

# end_process PID SECONDS: asks a process to end, waits for it, and insists only then.
end_process() {
    local pid=$1 tries=$(($2 * 10))
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && ! is_zombie "$pid"; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            say "process $pid did not end by itself"
            kill -KILL "$pid" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
    done
}

is_zombie() { [ "$(ps -o stat= -p "$1" 2>/dev/null | cut -c1)" = Z ]; }

# Prints what of a machine's network we promise to leave as it was: links, addresses, routes, neighbours that
# somebody set, policy rules, namespaces, firewall rules without their counters, sysctls.
network_state() {
    local family
    ip -brief link | sed -E 's/^([^ ]+) .*/link \1/'
    ip -oneline address | sed -E 's/ +valid_lft.*//; s/ tentative//; s/^[0-9]+: +/address /; s/[ \\]+/ /g'
    for family in -4 -6; do
        # Routes to link-local and multicast addresses come and go with duplicate address detection.
        ip "$family" route show table all | grep -v -E ' (cache|expires) |(fe80:|ff00:|anycast )' | sed 's/^/route /'
        ip "$family" rule | sed 's/^/rule /'
        ip "$family" neighbour show nud permanent | sed 's/^/neighbour /'
    done
    # A namespace is listed with `(id: N)` from the moment that somebody asked for its number.
    ip netns list | sed -E 's/ \(id.*//; s/^/namespace /'
    nft --stateless list ruleset 2>/dev/null | sed 's/^/nft /'
    sysctl -a 2>/dev/null -r '^net\.(ipv4|ipv6|bridge|netfilter)\.' | grep -v -E "$volatile_sysctls" | sed 's/^/sysctl /'
}

# Counters, and what the kernel changes by itself.
volatile_sysctls='nf_conntrack_count|stable_secret|tcp_fastopen_key|\.neigh\.|nf_log|inet_peer|ip_local_reserved|mtu '

# Prints what Docker Engine holds: containers and images, by name.
engine_state() {
    docker --host "unix://$1" ps --all --format 'container {{.Names}}' 2>/dev/null || true
    docker --host "unix://$1" images --format 'image {{.Repository}}:{{.Tag}}' 2>/dev/null || true
    docker --host "unix://$1" network ls --format 'network {{.Name}}' 2>/dev/null || true
}

# The address by which others reach this machine: the one it would call the outside from.
host_address() {
    ip -4 -json route get 203.0.113.1 2>/dev/null | jq -r '.[0].prefsrc // empty' | grep . ||
        ip -4 -json address show scope global | jq -r '[.[].addr_info[].local][0] // empty'
}
