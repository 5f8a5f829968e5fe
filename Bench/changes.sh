# One change of an endpoint, from the assignment to the kernel's word, and everything from nothing, with 10, 1,000 and
# 10,000 services: what the product `causeway-bench-change` measures in namespaces of its own. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_changes() {
    local line services lines
    lines=$("$bin/causeway-bench-change" --changes "$(rounds 1000 100)")
    while read -r line; do
        services=$(jq .services <<<"$line")
        case $(jq --raw-output .case <<<"$line") in
            change) record changes "one at $services" "$(jq '{ms: (.p50_us / 1000), p99: (.p99_us / 1000)}' <<<"$line")" ;;
            from_empty) record build "from empty, $services" "$(jq '{ms: .total_ms}' <<<"$line")" ;;
        esac
    done <<<"$lines"
}
