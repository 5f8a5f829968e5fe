import Glibc

/// The processes of a host, as far as namespaces and sockets need them: one reading of /proc.
package struct ProcessTable: Sendable {
    package struct Process: Hashable, Sendable {
        package var id: Int32
        package var name: String
    }

    /// By the socket's inode: the process with the lowest number that holds it.
    package private(set) var ofSocket: [UInt32: Process] = [:]
    /// By the namespace's inode: a process that lives in it.
    package private(set) var ofNamespace: [UInt64: Int32] = [:]
    /// Processes whose descriptors could not be read: not permitted, not ended.
    package private(set) var unreadable = 0

    /// Reads all processes; which sockets they hold only when that is asked for: it takes most of the time.
    package init(readsSockets: Bool) {
        let processes = (Directory.entries("/proc") ?? []).compactMap { Int32($0) }.sorted()
        for id in processes {
            var status = stat()
            if stat("/proc/\(id)/ns/net", &status) == 0, ofNamespace[UInt64(status.st_ino)] == nil {
                ofNamespace[UInt64(status.st_ino)] = id
            }
            if readsSockets { readSockets(id) }
        }
    }

    /// The processes that live in any of some namespaces, by the namespaces' inodes.
    package static func processes(inNamespaces inodes: Set<UInt64>) -> [Int32] {
        (Directory.entries("/proc") ?? []).compactMap { Int32($0) }.sorted().filter { id in
            var status = stat()
            return stat("/proc/\(id)/ns/net", &status) == 0 && inodes.contains(UInt64(status.st_ino))
        }
    }

    private mutating func readSockets(_ id: Int32) {
        guard let descriptors = Directory.entries("/proc/\(id)/fd") else {
            if errno == EACCES || errno == EPERM { unreadable += 1 }
            return
        }
        var name: String?
        for descriptor in descriptors {
            guard let target = Directory.link("/proc/\(id)/fd/\(descriptor)"), target.hasPrefix("socket:["),
                let inode = UInt32(target.dropFirst(8).dropLast()), ofSocket[inode] == nil
            else { continue }
            let known = name ?? Self.name(id)
            name = known
            ofSocket[inode] = Process(id: id, name: known)
        }
    }

    /// The name of the program, at most 15 bytes of it.
    static func name(_ id: Int32) -> String {
        (ProcFile.text("/proc/\(id)/comm") ?? "").split(separator: "\n").first.map(String.init) ?? "?"
    }
}
