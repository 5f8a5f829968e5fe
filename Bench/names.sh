# What a query for a local name costs the resolver, in processor time: Causeway's in a task, dnsmasq and unbound with
# as many names, each asked in its own namespace over loopback. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_names() {
    local round namespace count
    count=$(rounds 20000 2000)
    start_named
    start_others
    namespace=$(task_namespace named)
    for ((round = 0; round < $(rounds 12 3); round++)); do
        ask_names causeway "$namespace" 127.0.0.11 "$count" "$(resolver_process)" named tasks.named other tasks.other
        ask_names dnsmasq names 127.0.0.2 "$count" "$dnsmasq" name1.test name2.test name3.test name4.test
        ask_names unbound names 127.0.0.3 "$count" "$unbound" name1.test name2.test name3.test name4.test
    done
    docker_here service rm named other >/dev/null
    wait_for "the services to be gone" 90 no_container_of named
    docker_here network rm names >/dev/null
    end_process "$dnsmasq" 5
    end_process "$unbound" 5
    ip netns delete names
}

# ask_names WHAT NAMESPACE ADDRESS COUNT PROCESS NAME...
ask_names() {
    local what=$1 figures
    shift
    figures=$("$tools/dns" "$1" "$2" 53 "${@:3}")
    record names "$what" "$figures"
}

# Who holds the sockets of the resolver: the keeper, if there is one, else the daemon.
resolver_process() { pidof causeway-keeper || echo "$daemon"; }

start_named() {
    docker_here network create --driver overlay names >/dev/null
    docker_here service create --quiet --detach --no-resolve-image --name named --network names "$image" >/dev/null
    docker_here service create --quiet --detach --no-resolve-image --name other --network names "$image" >/dev/null
    wait_for "names to be answered" 30 knows_names
}

knows_names() { "$tools/dns" "$(task_namespace named)" 127.0.0.11 53 2 "$$" named other; }

# task_namespace SERVICE: of its first task.
task_namespace() {
    local found=(/run/netns/cw-"$1".1.*)
    basename "${found[0]}"
}

start_others() {
    local folder number
    folder=$(mktemp -d)
    ip netns add names
    ip -n names link set lo up
    printf '%s\n' 'server:' 'do-daemonize: no' 'chroot: ""' 'username: ""' 'pidfile: ""' 'use-syslog: no' 'num-threads: 1' \
        'interface: 127.0.0.3' 'do-ip6: no' >"$folder/unbound.conf"
    for number in {1..100}; do
        echo "10.9.0.$number name$number.test" >>"$folder/hosts"
        echo "local-data: \"name$number.test. 600 IN A 10.9.0.$number\"" >>"$folder/unbound.conf"
    done
    nsenter --net=/run/netns/names dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root \
        --pid-file= --listen-address=127.0.0.2 --bind-interfaces --addn-hosts="$folder/hosts" &
    dnsmasq=$!
    nsenter --net=/run/netns/names unbound -c "$folder/unbound.conf" 2>/dev/null &
    unbound=$!
    wait_for "dnsmasq" 10 "$tools/dns" names 127.0.0.2 53 1 "$$" name1.test
    wait_for "unbound" 10 "$tools/dns" names 127.0.0.3 53 1 "$$" name1.test
}
