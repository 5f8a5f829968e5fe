import Foundation
import Testing

extension Acceptance {
    /// scripts/install and scripts/uninstall, each on a machine of its own with folders of its own.
    @Suite(.serialized) struct Installation {
        @Test func `installed, run, upgraded under load and removed, a machine is what it was before`() async throws {
            let said = try await onMachineWithSystemd(
                """
                images/test/build >/dev/null
                mkdir -p /etc/docker
                printf '{ "debug": false,\\n  "labels": ["kept=as-it-is"] }' >/etc/docker/daemon.json
                systemctl reload docker
                everything >/run/own/before
                scripts/install --from "$bin"
                causewayd check
                export DOCKER_HOST=unix:///run/causeway/docker.sock
                docker swarm init --advertise-addr 198.51.100.2 >/dev/null
                docker network create --driver overlay one >/dev/null
                docker service create --quiet --name web --network one --replicas 3 --publish 8080:80 causeway-test

                step upgrade
                systemctl show --property MainPID causewayd >/run/own/first
                docker ps --quiet --no-trunc | sort >/run/own/tasks
                call_until_stopped >/run/own/calls &
                load=$!
                scripts/install --from "$bin"
                touch /run/own/stop
                wait "$load"
                [ "$(systemctl show --property MainPID causewayd)" != "$(cat /run/own/first)" ]
                docker ps --quiet --no-trunc | sort | diff /run/own/tasks -
                [ "$(causeway plan)" = 'nothing to change: the kernel is as it should be' ]
                ! grep -v ok /run/own/calls
                [ "$(wc -l </run/own/calls)" -gt 20 ]
                unset DOCKER_HOST
                curl --silent --fail --unix-socket /run/causeway/control.sock http://causeway/metrics >/run/own/metrics
                grep -q '^causeway_build_info' /run/own/metrics

                step remove
                ! scripts/uninstall </dev/null
                docker ps --quiet --no-trunc | sort | diff /run/own/tasks -
                scripts/uninstall --force
                everything | diff -U0 /run/own/before - && echo the same
                """)

            #expect(said.succeeded && said.lines.last == "the same", "\(said.all)")
        }

        @Test func `what stands in the way is named, and nothing is changed`() async throws {
            let said = try await onMachineWithSystemd(
                """
                refused() {
                    files >/run/own/before
                    ! scripts/install --from "$bin" >/run/own/said 2>&1 || { echo "installed despite: $1"; exit 1; }
                    grep -q "$1" /run/own/said || { echo "not said: $1"; cat /run/own/said; exit 1; }
                    files | diff -U0 /run/own/before -
                }
                mkdir -p /etc/docker
                echo '{ "debug": ' >/etc/docker/daemon.json
                refused 'is not a JSON object'
                echo '{"runtimes": {"causeway": {"path": "/opt/other"}}}' >/etc/docker/daemon.json
                refused "has a runtime 'causeway' already, /opt/other"
                echo '{"userns-remap": "default"}' >/etc/docker/daemon.json
                refused 'sets userns-remap'
                rm /etc/docker/daemon.json
                echo mine >/usr/local/bin/causeway
                refused '/usr/local/bin/causeway is there already'
                rm /usr/local/bin/causeway
                mkdir -m 700 /var/lib/causeway
                sqlite3 /var/lib/causeway/swarm.sqlite 'PRAGMA user_version = 99; CREATE TABLE later (a)'
                refused 'a newer release wrote it'
                rm -r /var/lib/causeway
                docker swarm init --advertise-addr 198.51.100.2 >/dev/null
                refused 'is in a swarm of its own'
                echo all refused
                """)

            #expect(said.succeeded && said.lines.last == "all refused", "\(said.all)")
        }

        @Test func `a daemon_json that somebody changed since loses our entry alone; an interrupted removal goes on`()
            async throws
        {
            let said = try await onMachineWithSystemd(
                """
                scripts/install --from "$bin"
                [ "$(stat -c %a /etc/docker/daemon.json)" = 644 ]
                jq '.debug = true' /etc/docker/daemon.json >/run/own/new; cp /run/own/new /etc/docker/daemon.json
                echo '# mine' >>/etc/systemd/system/causewayd.service
                export DOCKER_HOST=unix:///run/causeway/docker.sock
                docker swarm init --advertise-addr 198.51.100.2 >/dev/null
                unset DOCKER_HOST
                # The part of firewalld's table that has an entry of ours in it.
                nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD_POLICIES_post'
                wait_for "the entry" 10 sh -c 'nft list table inet firewalld | grep -q causeway'

                systemctl stop causewayd
                # What networks of data path classic have on the host, beside a rule of somebody's.
                ip link add docker_gwbridge alias 'causeway link auto=address' type bridge
                for table in nat filter; do iptables -t $table -N DOCKER-INGRESS; iptables -t $table -A DOCKER-INGRESS -j RETURN; done
                iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
                iptables -t filter -I FORWARD -o docker_gwbridge -j ACCEPT
                iptables -t filter -I FORWARD -s 192.0.2.77 -j DROP
                rm /usr/local/bin/causewayd
                ! scripts/uninstall </dev/null >/run/own/said 2>&1
                grep -q 'causewayd.service was changed since it was installed' /run/own/said
                nft list table inet causeway >/dev/null
                scripts/uninstall --force >/run/own/said
                grep -q 'left: table inet causeway' /run/own/said || { cat /run/own/said; exit 1; }
                [ "$(jq -c . /etc/docker/daemon.json)" = '{"debug":true}' ]
                ! nft list table inet causeway 2>/dev/null
                nft list table inet firewalld >/run/own/firewalld
                ! grep -q causeway /run/own/firewalld
                iptables-save >/run/own/rules
                ! grep -E 'DOCKER-INGRESS|gwbridge' /run/own/rules
                grep -q 192.0.2.77 /run/own/rules
                ! ip link show docker_gwbridge 2>/dev/null
                [ ! -e /var/lib/causeway ]
                [ ! -e /etc/systemd/system/causewayd.service ]
                echo as it should be
                """)

            #expect(said.succeeded && said.lines.last == "as it should be", "\(said.all)")
        }

        /// Runs a script where systemd is the init, with what it needs to compare a machine with itself.
        private func onMachineWithSystemd(_ script: String) async throws -> Command.Said {
            let whole = """
                set -euo pipefail; cd '\(Machine.root.path)'; . scripts/lib.sh
                # All that was made, changed or removed in this machine's own folders since it was started: each file
                # with mode, owner and content, each folder that is new; then /run.
                files() {
                    local folder
                    for folder in etc usr/local var/lib; do
                        cd "/run/own/$folder/upper"
                        find . -path ./systemd -prune -o ! -type d -printf "$folder %p %y %m %u:%g %l\\n"
                        find . -path ./systemd -prune -o -type f -exec sha256sum '{}' +
                        find . -mindepth 1 -type d | while read -r path; do [ -d "../lower/$path" ] || ls -ld "$path"; done
                    done | sort
                    cd '\(Machine.root.path)'
                    find /run -maxdepth 1 ! -path '/run/docker*' ! -path /run/containerd ! -path /run -printf '%p %y %m %u:%g\\n' | sort
                }
                everything() {
                    files
                    network_state
                    engine_state /run/docker.sock
                }
                call_until_stopped() {
                    while [ ! -e /run/own/stop ]; do
                        ip netns exec outside curl --silent --fail --max-time 2 http://198.51.100.2:8080/ >/dev/null &&
                            echo ok || echo failed
                    done
                }
                \(script)
                """
            let machine = Machine.root.appending(path: "scripts/machine").path
            let systemd = Machine.root.appending(path: "Tests/Support/with-systemd").path
            var command = Command([machine, systemd, "bash", "-c", whole])
            command.environment["CAUSEWAY_BIN"] =
                URL(filePath: Machine.executable("causewayd")).deletingLastPathComponent().path
            command.limit = .seconds(300)
            return try await command.attempt()
        }
    }
}
