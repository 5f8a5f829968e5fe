import Foundation
import Testing

extension Acceptance {
    /// From a fresh machine back to a fresh machine, each on a machine of its own.
    @Suite(.serialized) struct WholeLife {
        @Test func `after leaving the swarm and stopping, links, namespaces, rules and sysctls are as before`()
            async throws
        {
            let said = try await onFreshMachine(
                """
                images/test/build >/dev/null
                network_state >/run/before; engine_state /run/docker.sock >>/run/before
                "$bin/causewayd" --engine-socket /run/docker.sock >/run/causewayd.log 2>&1 &
                pid=$!
                export DOCKER_HOST=unix:///run/causeway/docker.sock
                wait_for causewayd 20 docker version
                docker swarm init --advertise-addr 198.51.100.2 >/dev/null
                docker network create --driver overlay one >/dev/null
                docker network create --driver overlay --ipv6 two >/dev/null
                docker service create --quiet --name web --network one --network two --replicas 3 --publish 8080:80 causeway-test
                docker service create --quiet --name shell --network one --mode global causeway-test
                ip netns exec outside curl --silent --fail --max-time 5 http://198.51.100.2:8080/
                [ "$(ip netns list | grep -c cw-)" = 4 ]
                docker swarm leave --force
                end_process $pid 20
                unset DOCKER_HOST
                network_state >/run/after; engine_state /run/docker.sock >>/run/after
                diff -U0 /run/before /run/after || { grep -v debug /run/causewayd.log; exit 1; }
                echo the same
                """)

            #expect(said.succeeded && said.lines.last == "the same", "\(said.all)")
        }

        @Test func `the quickstart runs twice, and --down leaves nothing behind`() async throws {
            let said = try await onFreshMachine(
                """
                network_state >/run/before
                scripts/quickstart
                scripts/quickstart
                [ -s /var/lib/causeway-quickstart/path.svg ]
                scripts/quickstart --down
                network_state >/run/after
                [ -z "$(pgrep -x dockerd; pgrep -x causewayd)" ]
                diff -U0 /run/before /run/after && echo the same
                """, withEngine: false)

            #expect(said.succeeded && said.lines.last == "the same", "\(said.all)")
            #expect(said.out.contains("delivered"))
        }

        @Test func `the quickstart uses an engine that runs, and gives it back as it was`() async throws {
            let said = try await onFreshMachine(
                """
                start_engine /run/docker.sock /var/lib/docker /run/docker /run/docker.pid /run/dockerd.log
                echo '{ "debug": false }' >/etc/docker/daemon.json
                network_state >/run/before; engine_state /run/docker.sock >>/run/before
                scripts/quickstart
                scripts/quickstart --down
                network_state >/run/after; engine_state /run/docker.sock >>/run/after
                ! docker --host unix:///run/docker.sock info --format '{{json .Runtimes}}' | grep causeway
                diff -U0 /run/before /run/after
                [ "$(cat /etc/docker/daemon.json)" = '{ "debug": false }' ] && echo the same
                """, withEngine: false)

            #expect(said.succeeded && said.lines.last == "the same", "\(said.all)")
        }

        /// Runs a script on a machine made for it, with the functions of scripts/lib.sh at hand.
        private func onFreshMachine(_ script: String, withEngine: Bool = true) async throws -> Command.Said {
            let whole = "set -euo pipefail; cd '\(Machine.root.path)'; . scripts/lib.sh; " + script
            let machine = Machine.root.appending(path: "scripts/machine").path
            var command = Command([machine] + (withEngine ? ["--engine"] : []) + ["bash", "-c", whole])
            // What is built already is used: the tests run from the same folder that a build would lock.
            command.environment["CAUSEWAY_BIN"] =
                URL(filePath: Machine.executable("causewayd"))
                .deletingLastPathComponent().path
            command.limit = .seconds(600)
            return try await command.attempt()
        }
    }
}
