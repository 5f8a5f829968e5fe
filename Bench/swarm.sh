# What people do with a swarm, on Causeway and on Docker Engine's own swarm mode, one after the other in every round: until
# all replicas of a new service run, an update, a stack, lists with 500 services, and what the daemons weigh. Nothing is
# published: without IPVS in the kernel Docker's replicas run, and its ports lead nowhere. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

# Each engine is asked at its socket, with the API version that both know.
sides=(causeway docker)
declare -A sockets=([causeway]="${api#unix://}" [docker]="${plain_engine#unix://}")
# With so little to watch after, an update is called completed when its last task runs.
update_options=(--update-parallelism 5 --update-delay 0s --update-monitor 100ms)

measure_swarm() {
    local engines
    engines=("$(cat /run/docker.pid)" "$(cat /run/plain/docker.pid)")
    before=("$(pss "${engines[0]}")" "$(pss "${engines[1]}")")
    begin_their_swarm || fail "Docker Engine has no swarm that stays; its log: /run/plain/dockerd.log"
    on_both network create --driver overlay swarm-bench
    measure_creation
    measure_update
    measure_stack
    measure_lists
    weigh_swarms "${engines[@]}"
    take_swarm_down
}

# docker_on SIDE WORDS...: the command line, at that side's socket.
docker_on() { docker --host "unix://${sockets[$1]}" "${@:2}"; }

on_both() {
    local side
    for side in "${sides[@]}"; do docker_on "$side" "$@" >/dev/null || fail "$side: docker $* failed"; done
}

# ask SIDE PATH [CURL OPTION...]: GET at the API, without the command line's start.
ask() { curl --silent --fail --unix-socket "${sockets[$1]}" "${@:3}" "http://swarm/v1.41$2"; }

# On a busy machine Docker Engine sometimes loses a swarm that it has just begun.
begin_their_swarm() {
    local tries
    for tries in 1 2 3 4 5; do
        docker_plain swarm init --advertise-addr "$plain" >/dev/null 2>&1 ||
            say "no swarm of Docker's yet, after $tries tries"
        sleep 2
        if docker_plain node ls >/dev/null 2>&1 && docker_plain network inspect ingress >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

# ---- time until it is so

# time_until SIDE WHAT CONDITION COMMAND...: from the command's start until the condition holds, asked every 20 ms.
#
# A condition is a shell word list; both sides are asked the same way, so what asking costs is on both.
time_until() {
    local side=$1 what=$2 condition=$3 begin now
    shift 3
    begin=${EPOCHREALTIME/./}
    "$@" >/dev/null || fail "$side: $* failed"
    # shellcheck disable=SC2086  # a list of words
    while ! $condition; do
        now=${EPOCHREALTIME/./}
        [ $((now - begin)) -lt 300000000 ] || fail "$side: $what: waited five minutes in vain"
        sleep 0.02
    done
    record swarm "$side: $what" "{\"ms\": $(((${EPOCHREALTIME/./} - begin) / 1000))}"
}

# running SIDE SERVICE COUNT: whether so many of its tasks run, as `service ls` counts them.
running() {
    local services
    services=$(ask "$1" "/services?status=true" --get --data-urlencode "filters={\"name\":[\"$2\"]}") || return 1
    [ "$(jq --argjson count "$3" 'map(select(.ServiceStatus.RunningTasks == $count)) | length' <<<"$services")" -ge 1 ]
}

# stack_runs SIDE COUNT: whether so many services of the stack have their task.
stack_runs() {
    local services
    services=$(ask "$1" "/services?status=true" --get \
        --data-urlencode 'filters={"label":["com.docker.stack.namespace=ten"]}') || return 1
    [ "$(jq 'map(select(.ServiceStatus.RunningTasks == 1)) | length' <<<"$services")" = "$2" ]
}

# updated SIDE SERVICE: whether its update is completed.
updated() { [ "$(ask "$1" "/services/$2" | jq --raw-output .UpdateStatus.State)" = completed ]; }

# create SIDE NAME REPLICAS [OPTION...]
create() {
    docker_on "$1" service create --quiet --detach --no-resolve-image --network swarm-bench --name "$2" --replicas "$3" \
        "${@:4}" "$image"
}

measure_creation() {
    local replicas round side
    for replicas in 1 10 50; do
        for ((round = 0; round < $(rounds $((replicas == 1 ? 10 : replicas == 10 ? 6 : 3)) $((replicas == 1 ? 3 : 1))); round++)); do
            for side in "${sides[@]}"; do
                time_until "$side" "create $replicas" "running $side made $replicas" create "$side" made "$replicas"
                remove "$side" made "$replicas"
            done
            refuse_captures
        done
    done
}

# remove SIDE SERVICE: and waits until its containers are gone. Refuses when it never had so many as were counted.
remove() {
    local containers
    containers=$(engine_of "$1" ps --quiet --filter "label=com.docker.swarm.service.name=$2" | wc -l)
    [ "$containers" -ge "$3" ] || fail "$1 says that $3 tasks of $2 run, and its engine has $containers containers"
    docker_on "$1" service rm "$2" >/dev/null
    wait_for "the containers of $2 to be gone" 120 gone "$1" "label=com.docker.swarm.service.name=$2"
}

engine_of() { if [ "$1" = causeway ]; then docker_engine "${@:2}"; else docker_plain "${@:2}"; fi; }

gone() { [ -z "$(engine_of "$1" ps --all --quiet --filter "$2")" ]; }

# The service of 20 stays: `service ps` lists its tasks.
measure_update() {
    local side round
    for side in "${sides[@]}"; do
        create "$side" busy 20 "${update_options[@]}" >/dev/null
        wait_for "20 tasks to run" 120 running "$side" busy 20 || fail "$side: the tasks of busy do not run"
    done
    for ((round = 0; round < $(rounds 5 1); round++)); do
        for side in "${sides[@]}"; do
            time_until "$side" "update 20" "updated $side busy" \
                docker_on "$side" service update --quiet --detach --no-resolve-image --env-add "ROUND=$round" busy
        done
    done
}

measure_stack() {
    local round side file
    file=$(mktemp)
    {
        printf 'version: "3.8"\nservices:\n'
        for ((round = 0; round < 10; round++)); do printf '  s%s: { image: %s, networks: [inside] }\n' "$round" "$image"; done
        printf 'networks:\n  inside:\n'
    } >"$file"
    for ((round = 0; round < $(rounds 5 1); round++)); do
        for side in "${sides[@]}"; do
            time_until "$side" "stack of 10" "stack_runs $side 10" \
                docker_on "$side" stack deploy --resolve-image never --compose-file "$file" ten
            docker_on "$side" stack rm ten >/dev/null 2>&1
            wait_for "the stack to be gone" 120 stack_is_gone "$side"
        done
    done
    rm "$file"
}

stack_is_gone() {
    gone "$1" label=com.docker.stack.namespace=ten &&
        [ -z "$(docker_on "$1" network ls --quiet --filter label=com.docker.stack.namespace=ten)" ]
}

# ---- lists

# The 500 services have no task; `busy` has 20.
measure_lists() {
    local first side round
    for ((first = 0; first < 500; first += 50)); do
        for side in "${sides[@]}"; do create_idle "$side" "$first" 50; done
    done
    # Who has just heard of so much is left to finish with it.
    sleep 3
    for ((round = 0; round < $(rounds 20 5); round++)); do
        for side in "${sides[@]}"; do
            time_cli "$side" "service ls" service ls
            time_cli "$side" "service ps" service ps busy
            time_api "$side" "GET services" "/services?status=true"
            time_api "$side" "GET service" /services/idle-250
            time_api "$side" "GET tasks" /tasks
            time_api "$side" "GET 20 tasks" '/tasks?filters=%7B%22service%22%3A%5B%22busy%22%5D%7D'
        done
        refuse_captures
    done
}

# create_idle SIDE FIRST COUNT: so many services without a replica, one request after the other.
create_idle() {
    local number requests
    requests=$(for ((number = $2; number < $2 + $3; number++)); do
        jq --null-input --raw-output --arg name "idle-$number" --arg image "$image" '
            {Name: $name, TaskTemplate: {ContainerSpec: {Image: $image}}, Mode: {Replicated: {Replicas: 0}}}
            | "url = \"http://swarm/v1.41/services/create\"\nheader = \"Content-Type: application/json\"",
              "unix-socket = \($socket | tojson)\ndata = \(tojson | tojson)\nfail\noutput = \"/dev/null\"",
              "write-out = \"%{time_total}\\n\"\nnext"' --arg socket "${sockets[$1]}"
    done)
    curl --silent --config - <<<"${requests%next}" >"$records.times" || fail "$1: POST /services/create failed"
    jq --compact-output --arg what "$1: POST create" '{case: "swarm-api", $what, ms: (. * 1000)}' "$records.times" >>"$records"
    rm "$records.times"
}

# time_cli SIDE WHAT WORDS...
time_cli() {
    local begin=${EPOCHREALTIME/./}
    docker_on "$1" "${@:3}" >/dev/null || fail "$1: docker ${*:3} failed"
    record swarm "$1: $2" "{\"ms\": $(((${EPOCHREALTIME/./} - begin) / 1000))}"
}

# time_api SIDE WHAT PATH: from the connection to the last byte, as curl takes the time.
time_api() {
    local seconds
    seconds=$(ask "$1" "$3" --output /dev/null --write-out '%{time_total}') || fail "$1: GET $3 failed"
    record swarm-api "$1: $2" "$(jq --null-input --argjson seconds "$seconds" '{ms: ($seconds * 1000)}')"
}

# ---- memory

# pss PROCESS: its proportional set size in KiB; 0 without a process.
pss() { if [ -n "$1" ]; then awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"; else echo 0; fi; }

# weigh_swarms OUR-ENGINE THEIRS: with 501 services and 20 tasks, what a swarm takes beside a Docker Engine without one.
#
# Causeway is causewayd and its keeper; of Docker it is what dockerd has grown by since before it had a swarm. In that are
# its 20 containers too: what Causeway's own Docker Engine has grown by for the same is told beside it. The tasks' own
# processes and their shims are in none.
weigh_swarms() {
    local ours
    # What was only needed on the way there is given back.
    sleep 5
    ours=$(($(pss "$daemon") + $(pss "$(pidof causeway-keeper || true)")))
    record swarm-memory "causeway: 500 services" "{\"mib\": $((ours / 1024))}"
    record swarm-memory "docker: 500 services" "{\"mib\": $((($(pss "$2") - before[1]) / 1024))}"
    record swarm-memory "causeway's own engine" "{\"mib\": $((($(pss "$1") - before[0]) / 1024))}"
}

take_swarm_down() {
    local side
    for side in "${sides[@]}"; do
        docker_on "$side" service ls --quiet | xargs -r docker --host "unix://${sockets[$side]}" service rm >/dev/null
        wait_for "the containers of $side to be gone" 120 gone "$side" label=com.docker.swarm.service.name
        wait_for "the network to be gone" 60 docker_on "$side" network rm swarm-bench
    done
    docker_plain swarm leave --force >/dev/null
}
