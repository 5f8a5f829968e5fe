# What the daemons weigh (proportional set size) with no task, a hundred, and five hundred. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_memory() {
    local tasks most counts
    # shellcheck source=Bench/path.sh
    . "$root/Bench/path.sh"
    most=${CAUSEWAY_BENCH_TASKS:-500}
    counts=$(rounds "0 100 $most" "0 10")
    for tasks in $counts; do
        scale_crowd "$tasks"
        # What was only needed on the way there is given back.
        sleep 5
        weigh causewayd "$daemon" "$tasks"
        weigh causeway-keeper "$(pidof causeway-keeper || true)" "$tasks"
    done
    remove_crowd
}

# weigh NAME PROCESS TASKS
weigh() {
    [ -n "$2" ] || return 0
    local kib
    kib=$(awk '$1 == "Pss:" { print $2 }' "/proc/$2/smaps_rollup")
    record memory "$1, $3 tasks" "$(jq --null-input --argjson kib "$kib" '{mib: ($kib / 1024)}')"
}
