/// The script that writes a ``Recording`` on a host where nothing may be installed.
package enum RecordingRecipe {
    /// POSIX sh, and programs that are there anyway; each of them may be missing.
    package static let script = #"""
        #!/bin/sh
        # Writes what this host's network looks like into a folder, for: causeway path TARGET --input FOLDER
        # Reads only: the host is left as it is. Needs root; uses what is there of ip, bridge, nft, iptables-save,
        # ipvsadm, ss, sysctl and curl. Environments and command lines of containers are left out.
        #
        #   sh recipe.sh [FOLDER]
        set -u
        umask 077
        name=$(uname -n)
        out=${1:-recording-$name}
        engine=${DOCKER_SOCKET:-/var/run/docker.sock}
        if [ -e "$out" ]; then
            echo "$out is there already: give another folder" >&2
            exit 1
        fi
        mkdir -p "$out" || exit 1
        out=$(cd "$out" && pwd) || exit 1
        hidden=$(mktemp -d) || exit 1
        trap 'rm -rf "$hidden"' EXIT
        trap 'exit 1' HUP INT TERM
        mkdir -p "$hidden/run/netns" "$hidden/real"

        have() { command -v "$1" >/dev/null 2>&1; }
        for program in ip nsenter; do
            have "$program" || { echo "$program is missing: nothing can be recorded" >&2; exit 1; }
        done
        for program in bridge nft iptables-save ipvsadm ss sysctl curl; do
            have "$program" || echo "$program is missing: what it would say is left out" >&2
        done

        # Runs a program in a namespace and keeps what it prints.
        take() {
            file=$dir/$1
            shift
            have "$1" || return 0
            nsenter --net="$place" "$@" </dev/null >"$file" 2>/dev/null
            [ -s "$file" ] || rm -f "$file"
        }

        # iptables' rules, of the interface or interfaces that have any.
        rules() {
            if nsenter --net="$place" nft list tables 2>/dev/null |
                grep -Eq "^table $2 (filter|nat|mangle|raw|security)\$" || ! have nft; then
                if have "$1-nft-save"; then take "$1.txt" "$1-nft-save" -c; else take "$1.txt" "$1-save" -c; fi
            fi
            [ -n "$(nsenter --net="$place" cat "/proc/net/$3" 2>/dev/null)" ] || return 0
            if have "$1-legacy-save"; then take "$1-legacy.txt" "$1-legacy-save" -c; else return 0; fi
            [ -e "$dir/$1-legacy.txt" ] || return 0
            if [ -e "$dir/$1.txt" ]; then mv "$dir/$1.txt" "$dir/$1-nft.txt"; fi
        }

        # Which of a namespace's numbers for others is which: ip knows those in /run/netns, so all are put there, in a
        # mount namespace of this one program's.
        numbers() {
            have unshare || return 0
            case $place in
            /run/*) inside=$hidden/real/${place#/run/} ;;
            *) inside=$place ;;
            esac
            # shellcheck disable=SC2016
            unshare -m sh -c 'mount --rbind /run "$1/real" && mount --bind "$1/run" /run &&
                exec nsenter --net="$2" ip -j netns list-id' sh "$hidden" "$inside" </dev/null >"$dir/nsid.json" 2>/dev/null
            [ -s "$dir/nsid.json" ] || rm -f "$dir/nsid.json"
        }

        # Whether a tunnel leaves checksums to the hardware.
        offloads() {
            have ethtool || return 0
            for device in $(nsenter --net="$place" ip -o link show type vxlan </dev/null 2>/dev/null |
                sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
                printf '%s %s\n' "$device" "$(nsenter --net="$place" ethtool -k "$device" </dev/null 2>/dev/null |
                    sed -n 's/^tx-checksumming: //p')"
            done >"$dir/offload.txt"
            [ -s "$dir/offload.txt" ] || rm -f "$dir/offload.txt"
        }

        # NAME FOLDER PATH, one namespace.
        record() {
            place=$3
            dir=$out/$2
            mkdir -p "$dir"
            # shellcheck disable=SC2012
            inode=$(ls -Ldi "$place" | sed 's/^ *\([0-9]*\).*/\1/')
            case $lived in *" $inode "*) inhabited=true ;; *) inhabited=false ;; esac
            printf '{"host":"%s","netns_file":"%s","inode":%s,"inhabited":%s}\n' \
                "$name" "$1" "$inode" "$inhabited" >"$dir/meta.json"
            take link.json ip -j -d link
            take addr.json ip -j addr
            take route.json ip -j -d -4 route show table all
            take route6.json ip -j -d -6 route show table all
            take rule.json ip -j -d -4 rule
            take rule6.json ip -j -d -6 rule
            take neigh.json ip -j neigh show nud all
            take fdb.json bridge -j fdb
            take nft.json nft -j list ruleset
            rules iptables ip ip_tables_names
            rules ip6tables ip6 ip6_tables_names
            take proc-ip_vs.txt cat /proc/net/ip_vs
            [ -e "$dir/proc-ip_vs.txt" ] || take ipvsadm-S.txt ipvsadm -Sn
            take ss.txt ss -ltunpH
            if have sysctl; then
                nsenter --net="$place" sysctl -a 2>/dev/null |
                    grep -E '^net\.(ipv[46]\.(ip_forward|conf\.|vs\.|fwmark_reflect|ip_nonlocal|neigh\.default\.gc_|tcp_keepalive_time)|ipv6\.bindv6only|bridge\.|netfilter\.nf_conntrack_(max|count))' \
                        >"$dir/sysctl.txt"
            fi
            offloads
            numbers
        }

        # NAME PATH: remembers a namespace that is there and was not seen before.
        seen=" $(stat -L -c %i "/proc/$$/ns/net") "
        lived=" $(stat -L -c %i /proc/[0-9]*/ns/net 2>/dev/null | sort -u | tr '\n' ' ')"
        count=0
        found() {
            inode=$(stat -L -c %i "$2" 2>/dev/null) || return 0
            case $seen in *" $inode "*) return 0 ;; esac
            nsenter --net="$2" true 2>/dev/null || return 0
            seen="$seen$inode "
            count=$((count + 1))
            # Names are words, and of letters that a path can do with.
            word=$(printf '%s' "${1:-net:[$inode]}" | tr -c 'A-Za-z0-9._:[]-' '_')
            folder=$count-$(printf '%s' "$word" | tr -c 'A-Za-z0-9._-' '_')
            printf '%s %s %s\n' "$word" "$folder" "$2" >>"$out/namespaces.txt"
            case $2 in
            /run/*) ln -s "$hidden/real/${2#/run/}" "$hidden/run/netns/$word" ;;
            *) ln -s "$2" "$hidden/run/netns/$word" ;;
            esac
        }

        echo "root root" >"$out/namespaces.txt"
        for path in /run/netns/* /run/docker/netns/*; do
            [ -e "$path" ] && found "${path##*/}" "$path"
        done
        for path in /proc/[0-9]*/ns/net; do
            [ -e "$path" ] && found "" "$path"
        done
        date +%s >"$out/taken.txt"
        cat /proc/sys/kernel/random/boot_id >"$out/boot-id.txt" 2>/dev/null

        record root root "/proc/$$/ns/net"
        # shellcheck disable=SC2162
        sed 1d "$out/namespaces.txt" | while read word folder path; do record "$word" "$folder" "$path"; done

        # What the engine says; lists of words that may hold secrets are emptied.
        ask() {
            curl -sf --max-time 10 --unix-socket "$engine" "http://docker$1" 2>/dev/null |
                sed -E 's/"(Env|Args|Cmd|Entrypoint|Command)":\[("([^"\\]|\\.)*",?)*\]/"\1":[]/g'
        }
        # LIST BEFORE AFTER: what each of a list says of itself, by its identifier between two parts of a path.
        each() {
            separator='['
            for id in $(ask "$1" | grep -Eo '"Id":"[a-z0-9]+"' | sed 's/.*:"//; s/"//' | sort -u); do
                printf '%s' "$separator"
                ask "$2$id$3"
                separator=,
            done
            [ "$separator" = '[' ] && printf '['
            printf ']\n'
        }
        if have curl && [ -S "$engine" ]; then
            mkdir -p "$out/docker"
            each /containers/json /containers/ /json >"$out/docker/containers.json"
            each /networks /networks/ '?verbose=true' >"$out/docker/networks.json"
            for what in info services tasks nodes; do
                ask "/$what" >"$out/docker/$what.json"
                [ -s "$out/docker/$what.json" ] || rm -f "$out/docker/$what.json"
            done
        fi
        echo "$out: $((count + 1)) namespaces"

        """#
}
