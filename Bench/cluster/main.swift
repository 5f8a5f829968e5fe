// One manager and many nodes that exist only as sessions: what it takes to place all tasks, and until a change has
// reached everybody.
//
//   causeway-bench-cluster [--nodes N] [--services N] [--replicas N] [--changes N]        (100 1000 10 200)
//
// Prints one line of JSON. The manager is the product's, with its store on disk; each simulated node answers an
// assignment at once, as an agent whose kernel takes no time. Nothing goes over a wire.

import Foundation

var options = ["--nodes": 100, "--services": 1000, "--replicas": 10, "--changes": 200]
var words = CommandLine.arguments.dropFirst()
while let word = words.popFirst() {
    guard options[word] != nil, let number = words.popFirst().flatMap({ Int($0) }), number > 0 else {
        let known = options.keys.sorted().joined(separator: ", ")
        FileHandle.standardError.write(
            Data("there is no option '\(word)', or it takes a number above 0: \(known)\n".utf8))
        exit(2)
    }
    options[word] = number
}

let bench = ClusterBench(
    nodes: options["--nodes"] ?? 0, services: options["--services"] ?? 0, replicas: options["--replicas"] ?? 0,
    changes: options["--changes"] ?? 0)
let folder = FileManager.default.temporaryDirectory.appending(path: "causeway-bench-cluster-\(getpid())")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: folder) }
let result = try await bench.run(storePath: folder.appending(path: "store.sqlite").path)
print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
