# How long `causeway path` takes on a node with a hundred tasks, and what the daemons weigh with none, a hundred, and as
# many more as are asked for. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_path() {
    local round tasks begin
    tasks=$(rounds 100 10)
    scale_crowd "$tasks"
    "$bin/causeway" path --from 203.0.113.9 crowd:7400 >/dev/null
    for ((round = 0; round < $(rounds 10 3); round++)); do
        begin=${EPOCHREALTIME/./}
        "$bin/causeway" path --from 203.0.113.9 crowd:7400 >/dev/null
        record path "$tasks tasks" "{\"ms\": $(((${EPOCHREALTIME/./} - begin) / 1000))}"
    done
    [[ " ${cases[*]} " == *" memory "* ]] || remove_crowd
}

# scale_crowd COUNT: a service of that many tasks, all of them running.
scale_crowd() {
    if ! docker_here service inspect crowd >/dev/null 2>&1; then
        docker_here service create --quiet --detach --no-resolve-image --name crowd --replicas 0 --publish 7400:7000 "$image" >/dev/null
    fi
    docker_here service scale --detach "crowd=$1" >/dev/null
    wait_for "$1 tasks to run" 900 crowd_runs "$1"
}

crowd_runs() {
    [ "$(docker_here service ls --filter name=crowd --format '{{.Replicas}}')" = "$1/$1" ]
}

remove_crowd() {
    docker_here service rm crowd >/dev/null
    wait_for "the containers of the tasks to be gone" 300 no_container_of crowd
}
