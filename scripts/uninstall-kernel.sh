# What a daemon that could not leave its swarm has left in the kernel, and how that is removed. Sourced by
# scripts/uninstall, never run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # `state` is set by scripts/install-manifest.sh

# Everything that is ours by its name, one thing on each line; nothing after `swarm leave`.
left_in_kernel() {
    local tool family
    left_of_gateway_bridge
    ip netns list 2>/dev/null | awk '$1 ~ /^cw-/ { print "namespace", $1 }'
    ip -json link 2>/dev/null | jq -r '.[] | select(.ifname | startswith("cw-")) | "link \(.ifname)"'
    nft -j list tables 2>/dev/null |
        jq -r '.nftables[].table | values | select(.name | test("^causeway($|-)")) | "table \(.family) \(.name)"'
    for family in -4 -6; do
        # Filtered here, not by ip: `ip rule show proto` (iproute2 6.1) shows all rules.
        ip "$family" -json route show table all |
            jq -r --arg family "$family" '.[] | select(.protocol == "213")
                | "route \($family) \(.type // "unicast") \(.dst) table \(.table // "main")"'
        ip "$family" -json rule show |
            jq -r --arg family "$family" '.[] | select(.protocol == "213") | "rule \($family) priority \(.priority)"'
    done
    for tool in iptables ip6tables; do
        command -v "$tool" >/dev/null || continue
        "$tool" -w -S 2>/dev/null | sed -n "s/^-A \(.*--comment causeway .*\)/$tool -D \1/p"
    done
    nft -j list table inet firewalld 2>/dev/null |
        jq -r '.nftables[].rule | values | select((.comment // "") | test("^causeway ip6?$"))
            | "firewalld \(.chain) \(.handle)"'
    [ ! -s "$state/sysctls.json" ] || jq -r 'to_entries[] | select(.value != null) | "sysctl \(.key)=\(.value)"' "$state/sysctls.json"
}

# The bridge of networks of data path classic, if we made it, with all rules that name it or lead to published ports: the engine has
# no swarm that could have made any.
left_of_gateway_bridge() {
    local table
    ip -json link show docker_gwbridge 2>/dev/null | jq -e '(.[0].ifalias // "") | startswith("causeway link")' >/dev/null || return 0
    for table in nat filter; do
        iptables -w -t "$table" -S | sed -nE "/DOCKER-INGRESS|docker_gwbridge/s/^-A (.*)/iptables -t $table -D \\1/p"
        iptables -w -t "$table" -S | sed -nE "s/^-N (DOCKER-INGRESS)$/iptables -t $table -X \\1/p"
    done
    echo "link docker_gwbridge"
}

remove_from_kernel() {
    local kind words
    while read -r kind words; do
        say "left: $kind $words"
        remove_one "$kind" "$words" || say "could not be removed"
    done < <(left_in_kernel)
    rm -f "$state/sysctls.json"
}

remove_one() {
    local kind=$1 words
    read -ra words <<<"$2"
    case $kind in
        namespace) ip netns delete "${words[0]}" ;;
        # A link of a namespace that has just been deleted goes by itself.
        link) ip link delete "${words[0]}" 2>/dev/null || ! ip link show "${words[0]}" >/dev/null 2>&1 ;;
        table) nft delete table "${words[@]}" ;;
        # A link that went took its routes with it.
        route) ip "${words[0]}" route delete "${words[@]:1}" protocol 213 2>/dev/null || true ;;
        rule) ip "${words[0]}" rule delete "${words[@]:1}" protocol 213 ;;
        iptables | ip6tables) "$kind" -w "${words[@]}" ;;
        firewalld) nft delete rule inet firewalld "${words[0]}" handle "${words[1]}" ;;
        sysctl) sysctl -qw "$2" ;;
    esac
}
