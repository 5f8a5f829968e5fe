# How long a look at a node takes that has ten, a hundred and five hundred containers: a snapshot, the path to a service
# that has nothing to do with them, and what people do without us, the shell recipe. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_path() {
    local tasks folder
    folder=$(mktemp -d)
    "$bin/causeway" snapshot --recipe >"$folder/recipe"
    docker_here service create --quiet --detach --no-resolve-image --name lone --publish 7401:7000 "$image" >/dev/null
    for tasks in $(rounds "10 100 ${CAUSEWAY_BENCH_TASKS:-500}" "5 10"); do
        scale_crowd "$tasks"
        take_looks "$tasks" "$folder"
    done
    docker_here service rm lone >/dev/null
    rm -r "$folder"
    [[ " ${cases[*]} " == *" memory "* ]] || remove_crowd
}

# take_looks TASKS FOLDER
take_looks() {
    local round
    for ((round = 0; round < $(rounds 10 3); round++)); do
        time_look "path, $1 tasks" "$bin/causeway" path --from 203.0.113.9 lone:7401
        time_look "snapshot, $1 tasks" "$bin/causeway" snapshot -o "$2/snapshot"
        ((round >= 3)) || time_look "recipe, $1 tasks" sh "$2/recipe" "$2/recording-$1-$round"
    done
}

# time_look WHAT COMMAND...
time_look() {
    local what=$1 begin=${EPOCHREALTIME/./}
    shift
    "$@" >/dev/null 2>&1 || fail "$* failed"
    record path "$what" "{\"ms\": $(((${EPOCHREALTIME/./} - begin) / 1000))}"
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
