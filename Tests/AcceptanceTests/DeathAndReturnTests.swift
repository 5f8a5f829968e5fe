import Foundation
import Testing

extension Acceptance {
    /// Everything that can die on a node, and what is there when it comes back; each on a machine of its own.
    @Suite(.serialized) struct DeathAndReturn {
        @Test func `Docker Engine comes back: tasks are replaced, or with live-restore left alone`() async throws {
            let said = try await onMachine(
                """
                start_daemon
                ours swarm init --advertise-addr \(Machine.address) >/dev/null
                ours network create --driver overlay app >/dev/null
                ours service create --quiet --detach --name web --network app --replicas 3 --publish 8080:80 \
                    --restart-delay 0s --stop-grace-period 1s causeway-test >/dev/null
                wait_for "3 tasks" 40 settled web 3
                first=$(containers_of web)

                stop_docker
                # A clear error, and no word about any task.
                { ours ps 2>&1 || true; } | grep 'is dockerd running?'
                ours service ls --format '{{.Name}}' | grep -x web
                start_docker --live-restore
                wait_for "3 new tasks" 40 settled web 3
                [ -z "$(comm -12 <(echo "$first") <(containers_of web))" ]
                clean 10

                second=$(containers_of web)
                history=$(ours service ps web --quiet | sort)
                stop_docker
                for _ in 1 2 3 4 5 6; do ask >/dev/null; sleep 1; done
                start_docker --live-restore
                sleep 2
                settled web 3
                [ "$second" = "$(containers_of web)" ]

                kill_docker
                ask >/dev/null
                start_docker --live-restore
                sleep 2
                settled web 3
                [ "$second" = "$(containers_of web)" ]
                [ "$history" = "$(ours service ps web --quiet | sort)" ]
                clean

                kill_docker
                start_docker
                wait_for "3 tasks again" 60 settled web 3
                ask >/dev/null
                clean 10
                echo all is well
                """)

            #expect(said.succeeded && said.lines.last == "all is well", "\(said.all)")
        }

        @Test func `after a reboot with the engine first, tasks and users' containers come back`() async throws {
            let said = try await onMachine(
                """
                start_daemon
                ours swarm init --advertise-addr \(Machine.address) >/dev/null
                ours network create --driver overlay --attachable app >/dev/null
                ours service create --quiet --detach --name web --network app --replicas 2 --publish 8080:80 \
                    --restart-delay 0s causeway-test >/dev/null
                wait_for "2 tasks" 40 settled web 2
                ours run --detach --name always --restart always --network app --publish 8081:80 causeway-test >/dev/null
                ours run --detach --name byhand --network app causeway-test >/dev/null
                ours create --name never --network app causeway-test >/dev/null
                wait_for "port 8081" 10 ask 8081
                address() { ours inspect --format '{{.NetworkSettings.Networks.app.IPAddress}}' "$1"; }
                before="$(address always) $(address byhand) $(address never)"
                theirs rm never >/dev/null
                wait_for "never to be forgotten" 10 test "$(ls /var/lib/causeway/containers | wc -l)" = 4

                reboot_machine
                # What the engine starts before there is a daemon waits for its namespace.
                ( start_docker && theirs start byhand ) >/run/docker-start.log 2>&1 &
                engine=$!
                sleep 4
                start_daemon
                wait $engine || { cat /run/docker-start.log; false; }
                wait_for "byhand" 20 sh -c 'docker --host unix:///run/docker.sock ps | grep byhand'
                wait_for "2 tasks" 40 settled web 2
                wait_for "port 8081" 20 ask 8081
                ask >/dev/null
                [ "$(address always) $(address byhand)" = "${before% *}" ]
                fetch byhand always
                fetch byhand web
                fetch always byhand
                clean 20

                # What is removed behind our back is noticed.
                theirs rm --force byhand always >/dev/null
                wait_for "their places to go" 10 sh -c '[ "$(ip netns list | grep -c ^cw-)" = 2 ]'
                clean
                ours service rm web >/dev/null
                wait_for "web to go" 30 sh -c '[ "$(ip netns list | grep -c ^cw-)" = 0 ]'
                ours network rm app >/dev/null
                echo all is well
                """)

            #expect(said.succeeded && said.lines.last == "all is well", "\(said.all)")
        }

        @Test func `killed at any moment, the daemon leaves nothing behind and holds nothing twice`() async throws {
            let said = try await onMachine(
                """
                RANDOM=$((CAUSEWAY_SEED % 32768))
                start_daemon
                ours swarm init --advertise-addr \(Machine.address) >/dev/null
                ours network create --driver overlay app >/dev/null
                for round in $(seq 1 \(Machine.isFull ? 40 : 6)); do
                    name=s$((RANDOM % 3))
                    case $((RANDOM % 4)) in
                        0) ours service rm $name ;;
                        1 | 2) ours service create --quiet --detach --name $name --network app --restart-delay 0s \
                            --stop-grace-period 1s --publish $((9000 + ${name#s})):80 \
                            --replicas $((1 + RANDOM % 3)) causeway-test ;;
                        3) ours service scale --detach $name=$((RANDOM % 4)) ;;
                    esac >/dev/null 2>&1 || true
                    sleep 0.$((RANDOM % 10))$((RANDOM % 10))
                    kill_daemon
                    start_daemon
                    sleep 0.$((RANDOM % 10))
                done
                done_all() {
                    local line name wanted
                    for line in $(ours service ls --format '{{.Name}}={{.Replicas}}'); do
                        name=${line%%=*}; wanted=${line##*/}
                        settled "$name" "$wanted" || return 1
                    done
                }
                wait_for "all services" 60 done_all
                clean 20
                for name in $(ours service ls --format '{{.Name}}'); do ours service rm $name; done >/dev/null
                empty() {
                    [ -z "$(theirs ps --all --quiet)" ] && ! ip netns list | grep -q ^cw- && nothing_left_over
                }
                wait_for "an empty node" 30 empty
                [ -z "$(ss -Htlnu 'sport >= 9000 and sport <= 9002')" ]
                echo all is well
                """)

            #expect(said.succeeded && said.lines.last == "all is well", "seed \(Machine.seed): \(said.all)")
        }
    }
}
