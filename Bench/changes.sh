# One change of an endpoint, from the assignment to the kernel's word, and everything from nothing, with 10, 1,000 and
# 10,000 services: what the product `causeway-bench-change` measures in a namespace of its own. Sourced by scripts/bench.
# shellcheck shell=bash
# shellcheck disable=SC2154

measure_changes() {
    local line
    if [ ! -x "$bin/causeway-bench-change" ]; then
        say "left out: this build has no causeway-bench-change"
        return
    fi
    "$bin/causeway-bench-change" | while read -r line; do say "$line"; done
}
