import Foundation

/// Runs a script on a machine of its own, with an engine, the tests' image and the words of Tests/Support/restarts.sh.
///
/// What fails is said at the end, with what the daemon said last.
func onMachine(_ script: String) async throws -> Command.Said {
    let whole = """
        set -euo pipefail; cd '\(Machine.root.path)'; . scripts/lib.sh; . Tests/Support/restarts.sh
        export CAUSEWAY_SEED=\(Machine.seed)
        trap 'echo "failed at: $BASH_COMMAND"; grep -v " debug " /run/causewayd.log | tail -n 20' ERR
        images/test/build >/dev/null
        \(script)
        """
    let machine = Machine.root.appending(path: "scripts/machine").path
    var command = Command([machine, "--engine", "bash", "-E", "-c", whole])
    command.environment["CAUSEWAY_BIN"] =
        URL(filePath: Machine.executable("causewayd")).deletingLastPathComponent().path
    command.limit = .seconds(600)
    return try await command.attempt()
}
