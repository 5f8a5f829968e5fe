# One manager and 100 nodes that are sessions only: until 10,000 tasks of 1,000 services run, until one change has reached
# every node, and the manager's memory. What the product `causeway-bench-cluster` measures in one process. Sourced by
# scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_cluster() {
    local line
    line=$("$bin/causeway-bench-cluster" --nodes "$(rounds 100 10)" --services "$(rounds 1000 50)" \
        --changes "$(rounds 500 50)")
    say "$line"
    record placing "all tasks" "$(jq '{ms: .place_all_ms}' <<<"$line")"
    record reaching "one change, p50" "$(jq '{ms: .change_p50_ms}' <<<"$line")"
    record reaching "one change, p99" "$(jq '{ms: .change_p99_ms}' <<<"$line")"
    record memory "manager of 100 nodes" "$(jq '{mib: .memory_mib}' <<<"$line")"
}
