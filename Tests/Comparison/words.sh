# What the files *.cases say beside `docker`. Sourced by the shell that runs a case.
# shellcheck shell=bash

# until_said WHAT COMMAND...: waits, half a minute at most, until a command succeeds.
until_said() {
    local what=$1 tries=150
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { printf 'waited in vain: %s\n' "$what" >&2; return 1; }
        sleep 0.2
    done
}

# running SERVICE NUMBER: so many tasks run, and no others are on their way.
running() { until_said "$1 has $2 running" has_replicas "$1" "$2/$2"; }
has_replicas() {
    has_count "$1" "$2" &&
        [ "$(docker service ps --filter desired-state=running --format '{{.CurrentState}}' "$1" | grep -vc Running)" = 0 ]
}

has_count() {
    docker service ls --filter "name=$1" --format '{{.Name}} {{.Replicas}}' | grep -q "^$1 $2\( \|$\)"
}

# counted SERVICE RUNNING/WANTED: whatever the others do.
counted() { until_said "$1 has $2" has_count "$1" "$2"; }

# complete JOB NUMBER: so many tasks have completed.
complete() { until_said "$1 has $2 complete" has_completed "$1" "$2"; }
has_completed() { [ "$(docker service ps --format '{{.CurrentState}}' "$1" | grep -c Complete)" = "$2" ]; }

# gone SERVICE: no container of it is left.
gone() { until_said "$1 is gone" has_no_containers "$1"; }
has_no_containers() { [ -z "$(docker ps -aq --filter "label=com.docker.swarm.service.name=$1")" ]; }

# updated SERVICE: the update or rollback has ended.
updated() { until_said "$1 is updated" has_ended "$1"; }
has_ended() {
    case $(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$1") in
        completed | paused | rollback_completed | rollback_paused) ;;
        *) return 1 ;;
    esac
}

# says SERVICE WORD: a task's error has that word.
says() { until_said "a task of $1 says $2" has_error "$1" "$2"; }
has_error() { docker service ps --no-trunc --format '{{.Error}}' "$1" | grep -q "$2"; }

# logged SERVICE NUMBER: its tasks have said so many lines.
logged() { until_said "$1 says $2 lines" has_lines "$1" "$2"; }
has_lines() { [ "$(docker service logs --raw "$1" 2>&1 | wc -l)" = "$2" ]; }

# again COMMAND...: what an engine that has just left a swarm is not ready for at once.
again() {
    local tries=20 said
    until said=$("$@" 2>&1); do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || break
        sleep 0.5
    done
    printf '%s\n' "$said"
}

# made OPTION...: a service without tasks, with these options, as it is then shown.
made() {
    local status=0
    docker service create -d -q --no-resolve-image --name made --replicas 0 "$@" causeway-test || status=$?
    [ "$status" != 0 ] || { docker service inspect made | jq -S '.[0]|{Spec,Endpoint}' && docker service rm made; } || status=$?
    return "$status"
}

# changed OPTION...: the service `changed` after an update with these options.
changed() {
    local status=0
    docker service update -d -q --no-resolve-image "$@" changed || status=$?
    docker service inspect changed | jq -S '.[0].Spec'
    return "$status"
}

# attempt OPTION...: a service that is probably refused; if not, it is removed again.
attempt() {
    docker service create -d --no-resolve-image --name x "$@" causeway-test || return
    docker service rm x
}

# attempt_network OPTION...: the same with a network.
attempt_network() {
    docker network create -d overlay "$@" x || return
    docker network rm x
}

# attempt_swarm OPTION...: a swarm that is probably refused; if not, it is left again.
attempt_swarm() {
    local status=0
    docker swarm init "$@" || status=$?
    # Docker Engine may have begun one all the same; left at once, it would keep half of it.
    [ "$status" != 0 ] || sleep 2
    docker swarm leave --force >/dev/null 2>&1
    return "$status"
}

# restarted: the swarm's daemon was killed, and answers again.
restarted() {
    $RESTART >/dev/null && until_said "the daemon answers" docker version
}

# unlocks WORD: what `docker swarm unlock` makes of a key.
unlocks() { printf '%s\n' "$1" | docker swarm unlock; }
