# How the runtime `causeway` is made known to Docker Engine, and taken from it. Sourced by scripts/install and
# scripts/uninstall, never run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` is set by scripts/install-manifest.sh

engine=/run/docker.sock
daemon_json=/etc/docker/daemon.json
daemon_json_before=$state/daemon.json.before

ask_engine() { docker --host "unix://$engine" "$@"; }

engine_answers() { [ -S "$engine" ] && ask_engine version >/dev/null 2>&1; }

# The path of the engine's runtime `causeway`, or nothing.
runtime_path() { ask_engine info --format '{{json .Runtimes}}' 2>/dev/null | jq -r '.causeway.path // empty'; }

has_runtime() { [ "$(runtime_path)" = "$1" ]; }

# look_at_engine PATH: notes what keeps this engine from running our tasks, and what contradicts our entry.
look_at_engine() {
    if ! command -v dockerd >/dev/null && [ ! -S "$engine" ]; then
        problem "there is no Docker Engine: install docker.io (Debian, Ubuntu) or docker-ce"
    fi
    look_at_daemon_json "$1"
    if ! engine_answers; then
        say "Docker Engine does not run now; it will know the runtime when it starts."
        return
    fi
    local info known
    info=$(ask_engine info --format '{{json .}}')
    [ "$(jq -r '.Swarm.LocalNodeState // "inactive"' <<<"$info")" = inactive ] ||
        problem "this Docker Engine is in a swarm of its own: docs/guides/move-from-swarm.md says how its services move; \
then docker --host unix://$engine swarm leave --force"
    jq -e '[.SecurityOptions[]? | split(",")[0]] | index("name=userns") | not' <<<"$info" >/dev/null ||
        problem "Docker Engine remaps user namespaces: containers cannot join the namespaces that Causeway makes; take \
userns-remap out of $daemon_json or dockerd's options, and restart it"
    jq -e '[.SecurityOptions[]? | split(",")[0]] | index("name=rootless") | not' <<<"$info" >/dev/null ||
        problem "Docker Engine runs rootless: it cannot join network namespaces of the host; run it as root"
    known=$(jq -r '.Runtimes.causeway.path // empty' <<<"$info")
    [ -z "$known" ] || [ "$known" = "$1" ] ||
        problem "Docker Engine knows a runtime 'causeway' already, $known: take it out of $daemon_json or dockerd's options"
}

look_at_daemon_json() {
    [ -e "$daemon_json" ] || return 0
    local path
    if [ -s "$daemon_json" ] && ! jq -e 'type == "object"' "$daemon_json" >/dev/null 2>&1; then
        problem "$daemon_json is not a JSON object: $(jq . "$daemon_json" 2>&1 >/dev/null | head -n 1); mend it"
        return
    fi
    jq -e 'has("userns-remap") and .["userns-remap"] != ""' "$daemon_json" >/dev/null &&
        problem "$daemon_json sets userns-remap: containers cannot join the namespaces that Causeway makes; take it out, \
and restart Docker Engine"
    path=$(jq -r '.runtimes.causeway.path // empty' "$daemon_json" 2>/dev/null) ||
        problem "$daemon_json: 'runtimes' is not an object of objects; mend it"
    [ -z "$path" ] || [ "$path" = "$1" ] ||
        problem "$daemon_json has a runtime 'causeway' already, $path: take it out, or install with a prefix that fits"
}

# register_runtime PATH: adds the entry, has the engine read it, and puts everything back if it does not.
register_runtime() {
    if engine_answers && has_runtime "$1"; then
        say "known already"
        return
    fi
    if [ "$(jq -r '.runtimes.causeway.path // empty' "$daemon_json" 2>/dev/null)" != "$1" ]; then add_entry "$1"; fi
    engine_answers || { say "added to $daemon_json; Docker Engine does not run, and reads it when it starts" && return; }
    reload_engine
    if ! wait_for "Docker Engine to know the runtime" 15 has_runtime "$1"; then
        put_daemon_json_back
        reload_engine
        say "Docker Engine did not take the runtime; its log says why (journalctl -u docker). $daemon_json is as it was."
        return 1
    fi
    say "added to $daemon_json (what was there is kept in $state); Docker Engine has read it, containers were not touched"
}

add_entry() {
    local before=absent
    if [ -e "$daemon_json" ]; then
        before=$(digest "$daemon_json")
        cp -a "$daemon_json" "$daemon_json_before"
    fi
    make_folder "$(dirname "$daemon_json")"
    # shellcheck disable=SC2016  # $path is jq's
    changed_daemon_json --arg path "$1" '.runtimes.causeway = {path: $path}' >"$daemon_json.causeway-new"
    record "daemon-json $before $(digest "$daemon_json.causeway-new")"
    take_new_daemon_json
}

# changed_daemon_json JQ-ARGUMENT...: what the file would be.
changed_daemon_json() {
    local old='{}'
    [ ! -s "$daemon_json" ] || old=$(cat "$daemon_json")
    jq "$@" <<<"$old"
}

# Keeps the mode and the owner of the file that it takes the place of.
take_new_daemon_json() {
    if [ -e "$daemon_json" ]; then
        chmod --reference="$daemon_json" "$daemon_json.causeway-new"
        chown --reference="$daemon_json" "$daemon_json.causeway-new"
    fi
    mv "$daemon_json.causeway-new" "$daemon_json"
}

# Byte for byte if nobody else has changed it since; otherwise only our entry is taken out.
put_daemon_json_back() {
    local before after
    read -r before after < <(recorded daemon-json) || true
    [ -n "$before" ] || return 0
    if [ ! -e "$daemon_json" ]; then
        say "$daemon_json is gone: left so"
    elif [ "$(digest "$daemon_json")" != "$after" ]; then
        changed_daemon_json 'del(.runtimes.causeway) | if .runtimes == {} then del(.runtimes) else . end' \
            >"$daemon_json.causeway-new"
        take_new_daemon_json
        say "$daemon_json was changed since: only our entry was taken out"
    elif [ "$before" = absent ]; then
        rm "$daemon_json"
        say "$daemon_json was not there before, and is removed"
    else
        cp -a "$daemon_json_before" "$daemon_json.causeway-new"
        mv "$daemon_json.causeway-new" "$daemon_json"
        say "$daemon_json is what it was"
    fi
    # Done: another run must not take it for a file that somebody has changed.
    record daemon-json
    rm -f "$daemon_json_before"
}

# An engine forgets a runtime only when it reads a file that has runtimes: so there is one for a moment.
unregister_runtime() {
    local known
    [ -n "$(recorded daemon-json)" ] || { say "$daemon_json was not changed by the installation" && return; }
    if engine_answers && [ -s "$daemon_json" ] && known=$(runtime_path) && [ -n "$known" ]; then
        cp -a "$daemon_json" "$state/daemon.json.now"
        changed_daemon_json '.runtimes |= ((. // {}) | del(.causeway))' >"$daemon_json.causeway-new"
        take_new_daemon_json
        reload_engine
        wait_for "Docker Engine to forget the runtime" 15 has_runtime "" || true
        mv "$state/daemon.json.now" "$daemon_json"
    fi
    put_daemon_json_back
    if engine_answers; then reload_engine; fi
}

# Docker Engine reads its file anew on SIGHUP; containers are not disturbed.
reload_engine() {
    if has_systemd && systemctl --quiet is-active docker.service; then
        systemctl reload docker.service
    else
        kill -HUP "$(cat /run/docker.pid 2>/dev/null || pgrep -o -x dockerd)"
    fi
}
