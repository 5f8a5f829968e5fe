# How the quickstart finds, starts, and gives back Docker Engine. Sourced by scripts/quickstart, never run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # `keep` and `bin` are set by those that source this

usual_engine=/run/docker.sock
daemon_json=/etc/docker/daemon.json
image=causeway-demo

# Sees to it that an engine answers on the usual socket, and that it knows the runtime `causeway`.
have_engine() {
    if own_engine_runs; then
        say "The one that this script started runs already."
    elif engine_answers "$usual_engine"; then
        say "One runs already; it is used as it is."
        refuse_engine_in_swarm
        knows_runtime "$usual_engine" || add_runtime
    else
        say "None runs; one is started with a data folder of its own ($keep/engine)."
        mkdir -p "$keep/engine"
        echo '{}' >"$keep/engine.json"
        start_engine "$usual_engine" "$keep/engine" /run/causeway-quickstart "$keep/engine.pid" "$keep/engine.log" \
            --config-file "$keep/engine.json" --add-runtime "causeway=$bin/causeway-oci"
    fi
}

own_engine_runs() {
    local pid
    pid=$(cat "$keep/engine.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

engine_answers() { docker --host "unix://$1" version >/dev/null 2>&1; }

knows_runtime() {
    docker --host "unix://$1" info --format '{{json .Runtimes}}' 2>/dev/null | jq -e .causeway >/dev/null
}

has_forgotten_runtime() { ! knows_runtime "$usual_engine"; }

refuse_engine_in_swarm() {
    local state
    state=$(docker --host "unix://$usual_engine" info --format '{{.Swarm.LocalNodeState}}')
    [ "$state" = inactive ] || fail "this Docker Engine is in a swarm of its own: leave it first, or use another machine"
}

# Registers causeway-oci with the engine that runs. Runtimes are read anew on SIGHUP; containers are not disturbed.
add_runtime() {
    say "It does not know the runtime 'causeway': added to $daemon_json, of which a copy is kept."
    mkdir -p "$(dirname "$daemon_json")"
    if [ -e "$daemon_json" ]; then cp -a "$daemon_json" "$keep/daemon.json"; else touch "$keep/daemon.json.absent"; fi
    # shellcheck disable=SC2016  # $path is jq's
    change_daemon_json --arg path "$bin/causeway-oci" '.runtimes.causeway = {path: $path}'
    if ! wait_for "the engine to know the runtime" 10 knows_runtime "$usual_engine"; then
        put_daemon_json_back
        fail "Docker Engine did not take the runtime: add it by hand, as dockerd --add-runtime causeway=$bin/causeway-oci"
    fi
}

# change_daemon_json JQ-ARGUMENT...: changes the file whole, and has the engine read it.
change_daemon_json() {
    local old='{}'
    [ ! -s "$daemon_json" ] || old=$(cat "$daemon_json")
    jq "$@" <<<"$old" >"$daemon_json.new"
    mv "$daemon_json.new" "$daemon_json"
    kill -HUP "$(engine_pid)"
}

engine_pid() { cat /run/docker.pid 2>/dev/null || pgrep -o -x dockerd; }

put_daemon_json_back() {
    if [ -e "$keep/daemon.json" ]; then
        cp -a "$keep/daemon.json" "$daemon_json"
        rm "$keep/daemon.json"
    elif [ -e "$keep/daemon.json.absent" ]; then
        rm -f "$daemon_json" "$keep/daemon.json.absent"
    fi
    kill -HUP "$(engine_pid)" 2>/dev/null || true
}

give_back_engine() {
    if own_engine_runs || [ -e "$keep/engine" ]; then
        stop_engine
        say "The one that this script started is stopped, and what it made is removed."
        return
    fi
    if engine_answers "$usual_engine"; then remove_images; fi
    if [ -e "$keep/daemon.json" ] || [ -e "$keep/daemon.json.absent" ]; then
        # An engine forgets a runtime only when it reads a file that has runtimes.
        change_daemon_json '.runtimes |= ((. // {}) | del(.causeway))'
        wait_for "the engine to forget the runtime" 10 has_forgotten_runtime || true
        put_daemon_json_back
        say "The runtime is taken out again; $daemon_json is what it was."
    else
        say "It was used as it was, and stays."
    fi
}

# The demo image, unless one of that name was here before.
remove_images() {
    grep -q "^image $image:" "$keep/before.engine" ||
        docker --host "unix://$usual_engine" image rm --force "$image" >/dev/null 2>&1 || true
}

stop_engine() {
    local pid
    if pid=$(cat "$keep/engine.pid" 2>/dev/null); then end_process "$pid" 30; fi
    remove_engine_rules
    grep -q '^link docker0' "$keep/before.network" || ip link delete docker0 2>/dev/null || true
    restore_sysctls
    rm -rf "$keep/engine" /run/causeway-quickstart
}

# ---- what an engine leaves in the kernel when it stops

iptables_tables=("iptables nat" "iptables filter" "ip6tables nat" "ip6tables filter")

record_iptables() {
    local pair tool table
    for pair in "${iptables_tables[@]}"; do
        read -r tool table <<<"$pair"
        "$tool" -t "$table" -S >"$keep/before.$tool.$table" 2>/dev/null || true
    done
    nft list tables >"$keep/before.tables"
}

# Removes the rules and chains that are Docker's by their words and were not there before.
remove_engine_rules() {
    local pair tool table line rule
    for pair in "${iptables_tables[@]}"; do
        read -r tool table <<<"$pair"
        while read -r line; do
            read -ra rule <<<"${line#-A }"
            "$tool" -t "$table" -D "${rule[@]}" || true
        done < <(new_lines "$tool" "$table" '^-A .*(DOCKER|docker0)')
        while read -r line; do
            "$tool" -t "$table" -F "${line#-N }" || true
            "$tool" -t "$table" -X "${line#-N }" || true
        done < <(new_lines "$tool" "$table" '^-N DOCKER')
        restore_policy "$tool" "$table"
        remove_empty_table "$tool" "$table"
    done
}

# Lines of a table that match, and were not there before.
new_lines() {
    "$1" -t "$2" -S 2>/dev/null | grep -E "$3" | grep -vxF -f "$keep/before.$1.$2" || true
}

restore_policy() {
    [ "$2" = filter ] || return 0
    local before
    before=$(grep -E '^-P FORWARD' "$keep/before.$1.filter" | cut -d' ' -f3)
    "$1" -t filter -S FORWARD >/dev/null 2>&1 && "$1" -t filter -P FORWARD "${before:-ACCEPT}"
}

# iptables leaves its tables behind, empty: nobody else has rules in them, so they go.
remove_empty_table() {
    local family=ip
    [ "$1" = iptables ] || family=ip6
    ! grep -qx "table $family $2" "$keep/before.tables" || return 0
    nft list table "$family" "$2" >/dev/null 2>&1 || return 0
    "$1" -t "$2" -S | grep -qvE '^-P [A-Z]+ ACCEPT$' || nft delete table "$family" "$2"
}

# Those that differ from before are written back; the kernel changes some of them together with others.
restore_sysctls() {
    local name value
    while IFS='=' read -r name value; do
        sysctl -qw "${name// /}=${value# }" 2>/dev/null || true
    done < <(network_state | grep '^sysctl ' | diff "$keep/before.network" - | sed -n 's/^< sysctl //p')
}
