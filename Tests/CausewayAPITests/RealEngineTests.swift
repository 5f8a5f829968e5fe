import Foundation
import Testing

/// Docker Engine and the command lines of this machine.
enum RealEngine {
    /// The command line's versions that are installed.
    static let clients = ["/usr/local/bin/docker", "/usr/bin/docker"].filter {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    static var isHere: Bool {
        guard let client = clients.first else { return false }
        return shell("\(client) -H unix:///var/run/docker.sock image inspect busybox:latest").status == 0
    }

    static func shell(_ command: String, environment: [String: String] = [:]) -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", command]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch { return (-1, "\(error)") }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

/// The unmodified `docker` command line, through the server, to the Docker Engine of this machine.
@Suite(.serialized, .enabled(if: RealEngine.isHere, "no Docker Engine on /var/run/docker.sock with busybox"))
struct RealEngineTests {
    /// Runs a script in which `docker` is `client`, before the server.
    private func run(_ client: String, _ script: String) async throws -> (status: Int32, output: String) {
        let result = ResultBox()
        try await House.withRealEngine { house in
            let answer = try await blocking {
                RealEngine.shell(
                    "docker() { timeout 60 \(client) \"$@\"; }; D=\(client); " + script,
                    environment: ["DOCKER_HOST": "unix://\(house.socket)", "DOCKER_BUILDKIT": "0"])
            }
            await result.set(answer)
        }
        return await result.value
    }

    @Test(arguments: RealEngine.clients) func `run, with and without a terminal, and with input`(_ client: String)
        async throws
    {
        let plain = try await run(client, "docker run --rm --name api-run busybox echo hi")
        #expect(plain == (0, "hi\n"))

        let status = try await run(
            client, "docker run --rm --name api-run busybox sh -c 'echo out; echo err >&2; exit 7'")
        #expect(status.status == 7)
        #expect(Set(status.output.split(separator: "\n")) == ["out", "err"])

        let input = try await run(client, "printf 'a\\nb\\n' | docker run -i --rm --name api-run busybox wc -l")
        #expect(input == (0, "2\n"))

        let terminal = try await run(client, "script -qec \"$D run -it --rm --name api-run busybox tty\" /dev/null")
        #expect(terminal.output.contains("/dev/pts/0"))
    }

    @Test(arguments: RealEngine.clients) func `exec, logs, cp, events and stop of a container`(_ client: String)
        async throws
    {
        let result = try await run(
            client,
            """
            set -e
            docker run -d --name api-long busybox sh -c 'trap "exit 0" TERM; i=0; while [ $i -lt 3 ]; do echo line $i; i=$((i+1)); sleep 0.2; done; while :; do sleep 0.1; done' >/dev/null
            trap 'docker rm -f api-long >/dev/null' EXIT
            echo piped | docker exec -i api-long cat
            script -qec "$D exec -it api-long sh -c 'echo tty-\\$((40+2))'" /dev/null | grep -ao 'tty-42'
            timeout 2 $D logs -f api-long || true
            echo content > $TMPDIR/api-file; docker cp -q $TMPDIR/api-file api-long:/tmp/f 2>/dev/null || docker cp $TMPDIR/api-file api-long:/tmp/f >/dev/null
            docker cp api-long:/tmp/f - | tar -xO
            docker ps --filter name=api-long --format '{{.Names}} {{.State}}'
            since=$(date +%s)
            docker stop -t 5 api-long >/dev/null
            docker events --since $((since-2)) --until $(($(date +%s)+1)) --filter container=api-long --format '{{.Action}}' | grep -x die
            """)

        #expect(result.status == 0)
        #expect(
            result.output.split(separator: "\n") == [
                "piped", "tty-42", "line 0", "line 1", "line 2", "content", "api-long running", "die",
            ])
    }

    @Test(arguments: RealEngine.clients) func `a build, an export of it and an import`(_ client: String) async throws {
        let result = try await run(
            client,
            """
            d=$(mktemp -d); cd $d; trap 'docker rmi -f api-built >/dev/null 2>&1; rm -rf $d' EXIT
            printf 'FROM busybox\\nCOPY big /big\\nRUN echo built > /made\\n' > Dockerfile
            head -c 20000000 /dev/urandom > big
            docker build -q -t api-built . >/dev/null 2>&1 || exit 1
            docker run --rm --name api-run api-built sh -c 'cat /made; md5sum < /big' | sed 's/ .*//' > got
            { echo built; md5sum < big | sed 's/ .*//'; } | cmp - got && echo same
            docker save api-built > saved.tar; docker rmi api-built >/dev/null; docker load -i saved.tar
            """)

        #expect(result.status == 0)
        #expect(result.output == "same\nLoaded image: api-built:latest\n")
    }

    @Test(arguments: RealEngine.clients) func `the swarm's commands before a manager that is made up`(_ client: String)
        async throws
    {
        let result = try await run(
            client,
            """
            set -e
            docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Nodes}}'
            docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}'
            docker network create -d overlay api-net >/dev/null
            docker network ls --filter driver=overlay --format '{{.Name}} {{.Scope}}'
            docker service create -d --name api-web --network api-net --replicas 2 -p 8080:80 busybox sleep 9 2>/dev/null >/dev/null
            docker service ls --format '{{.Name}} {{.Replicas}} {{.Ports}}'
            docker service scale -d api-web=3 >/dev/null
            docker service inspect --pretty api-web | grep Replicas
            docker service update -d --rollback api-web >/dev/null
            docker service inspect api-web --format '{{.Spec.Mode.Replicated.Replicas}}'
            docker service rm api-web
            docker network rm api-net
            echo x | docker secret create --label k=v api-s - >/dev/null
            docker secret inspect api-s --format '{{.Spec.Name}} {{.Spec.Labels}} [{{printf "%s" .Spec.Data}}]'
            docker secret rm api-s
            docker swarm join-token -q worker
            """)

        #expect(
            result.output.split(separator: "\n").map(String.init) == [
                "active 1", "host1 Ready Leader", "api-net swarm", "api-web 0/2 ", " Replicas:\t3", "2", "api-web",
                "api-net",
                "api-s map[k:v] []", "api-s",
                "SWMTKN-1-a-w",
            ])
    }
}

private actor ResultBox {
    var value: (status: Int32, output: String) = (-1, "")
    func set(_ value: (Int32, String)) { self.value = value }
}
