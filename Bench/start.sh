# From `service create`, and from `docker run -p`, to the first answer from outside; the image is there. One of each in
# turn. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_start() {
    local round
    for ((round = 0; round < $(rounds 20 3); round++)); do
        time_docker start docker "$plain" docker_plain "$plain_engine" $((7100 + round))
        time_docker start docker-beside "$node" docker_engine "$engine" $((7200 + round))
        time_service $((7300 + round))
        refuse_captures
    done
}

# time_docker CASE WHAT ADDRESS FUNCTION SOCKET PORT
time_docker() {
    local figures
    figures=$("$tools/net" first outside "$3" "$6" 60 \
        docker --host "$5" run --detach --name first --publish "$6:7000" "$image")
    record "$1" "$2" "$figures"
    "$4" rm --force first >/dev/null
}

# time_service PORT
time_service() {
    local figures
    figures=$("$tools/net" first outside "$node" "$1" 60 \
        docker --host "$api" service create --quiet --detach --no-resolve-image --name first --publish "$1:7000" "$image")
    record start causeway "$figures"
    docker_here service rm first >/dev/null
    wait_for "the container of the service to be gone" 90 no_container_of first
}
