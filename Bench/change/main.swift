// The cost of a change: from a new assignment to the kernel's word, with few and with very many services.
//
//   causeway-bench-change [--changes N] [SERVICES...]        (10 1000 10000)
//
// Prints one line of JSON for each measurement. Needs root; works in a network namespace of its own, one for each
// number of services, and leaves nothing behind.

import CLinux
import Foundation

var arguments = Array(CommandLine.arguments.dropFirst())
var changes = 200
if let index = arguments.firstIndex(of: "--changes"), index + 1 < arguments.count {
    changes = Int(arguments[index + 1]) ?? changes
    arguments.removeSubrange(index...index + 1)
}

if arguments.first == "--here", arguments.count == 2, let services = Int(arguments[1]) {
    // Before there is any other thread: all of them inherit it.
    let failure = clinux_new_network_namespace()
    guard failure == 0 else {
        FileHandle.standardError.write(Data("cannot make a namespace (errno \(failure)); run as root\n".utf8))
        exit(1)
    }
    try await ChangeBench(services: services, changes: changes).run()
} else {
    // A process for each, so that its memory is its own.
    for size in arguments.isEmpty ? ["10", "1000", "10000"] : arguments {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["--changes", "\(changes)", "--here", size]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { exit(process.terminationStatus) }
    }
}
