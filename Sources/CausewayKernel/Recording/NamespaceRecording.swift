import CausewayModel

/// Reads one namespace's files.
struct NamespaceRecording {
    let place: Recording.Place
    /// The inodes of the namespaces that have names.
    let numbers: [String: UInt64]
    let files: Recording
    private(set) var gaps: [String] = []

    init(place: Recording.Place, numbers: [String: UInt64], files: Recording) {
        self.place = place
        self.numbers = numbers
        self.files = files
    }

    mutating func read() throws(RecordingError) -> NamespaceState {
        var state = NamespaceState(name: place.name, path: place.path, inode: place.inode)
        let rtnl = RtnlRecording(place: place, files: files, namespaces: try namespaces())
        state.links = try rtnl.links()
        state.addresses = try rtnl.addresses()
        state.routes = try rtnl.routes()
        state.rules = try rtnl.rules()
        (state.neighbors, state.unanswered) = try rtnl.neighbors()
        state.hasIPVS = files.hasIPVS
        state.isInhabited = try files.json(place.file("meta.json"))?["inhabited"].map { $0.isTrue }
        (state.forwarding, state.stations) = try rtnl.forwarding()
        try readTables(&state)
        try readBalancers(&state)
        if let text = text("offload.txt") { Self.readOffloads(text, &state) }
        if let text = text("ss.txt") { state.sockets = SocketListing.read(text) }
        if let text = text("sysctl.txt") { state.sysctls = Self.sysctls(text) }
        return state
    }

    private func text(_ name: String) -> String? { files.text(place.file(name)) }

    /// What this namespace's own numbers stand for; 0 for one that has no name.
    private func namespaces() throws(RecordingError) -> [Int64: UInt64] {
        var found: [Int64: UInt64] = [:]
        for item in try files.list(place.file("nsid.json")) {
            guard let number = item["nsid"]?.signed else { continue }
            found[number] = item["name"]?.string.flatMap { numbers[$0] } ?? 0
        }
        return found
    }

    // MARK: tables

    private mutating func readTables(_ state: inout NamespaceState) throws(RecordingError) {
        for (family, name) in [(IPFamily.ip, "iptables"), (.ip6, "ip6tables")] {
            // Two files where the two interfaces differ: both are at work then.
            let variants = ["\(name)-nft.txt", "\(name)-legacy.txt"].compactMap { text($0) }
            for text in variants.isEmpty ? [text("\(name).txt")].compactMap({ $0 }) : variants {
                state.iptables += IPTables.Table.read(save: text, family: family)
            }
        }
        guard let bytes = files.files[place.file("nft.json")], !bytes.isEmpty else { return }
        do throws(Nft.ReadError) {
            let known = Set(state.iptables.map { "\($0.family.rawValue) \($0.name)" })
            state.tables = try Nft.Table.read(json: bytes).filter { table in
                !(table.isFromIPTables && known.contains("\(table.family.rawValue) \(table.name)"))
            }
        } catch {
            throw RecordingError(file: place.file("nft.json"), why: "\(error.why) at byte \(error.offset)")
        }
    }

    private mutating func readBalancers(_ state: inout NamespaceState) throws(RecordingError) {
        if let text = text("proc-ip_vs.txt") {
            do throws(IPVS.ReadError) {
                state.ipvs = try IPVS.read(proc: text)
                return
            } catch {
                throw RecordingError(file: place.file("proc-ip_vs.txt"), why: "\(error)")
            }
        }
        guard let text = text("ipvsadm-S.txt") else { return }
        let (services, unread) = IPVS.read(save: text)
        state.ipvs = services
        gaps += unread.map { "ipvsadm's line '\($0)' is not understood" }
    }

    /// `vxlan0 on`.
    private static func readOffloads(_ text: String, _ state: inout NamespaceState) {
        for words in text.split(whereSeparator: \.isNewline).map({ $0.split(separator: " ") }) where words.count == 2 {
            for at in state.links.indices where state.links[at].link.name == words[0] {
                state.links[at].link.checksumOffload = words[1] == "on"
            }
        }
    }

    /// `net.ipv4.ip_forward = 1`.
    private static func sysctls(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            values[parts[0].trimmed] = parts[1].trimmed
        }
        return values
    }
}

/// Reads `ss -ltunpH`.
enum SocketListing {
    static func read(_ text: String) -> [NamespaceState.Socket] {
        text.split(whereSeparator: \.isNewline).compactMap { socket($0) }
            .sorted { ($0.protocol, $0.port, $0.address) < ($1.protocol, $1.port, $1.address) }
    }

    /// `tcp LISTEN 0 4096 *:8080 *:* users:(("dockerd",pid=154,fd=44))`.
    private static func socket(_ line: Substring) -> NamespaceState.Socket? {
        let words = line.split(separator: " ")
        guard words.count >= 6, let transport = Swarm.TransportProtocol(rawValue: String(words[0])),
            let colon = words[4].lastIndex(of: ":"), let port = UInt16(words[4][words[4].index(after: colon)...])
        else { return nil }
        let host = words[4][..<colon].prefix { $0 != "%" }.filter { $0 != "[" && $0 != "]" }
        // `*` is any address of both families, `[::]` any of IPv6 alone.
        guard let address = IPAddress(host == "*" ? "::" : host) else { return nil }
        var socket = NamespaceState.Socket(
            protocol: transport, address: address, port: port, isV6Only: host == "::")
        if let users = words.dropFirst(6).first { readProcess(users, &socket) }
        return socket
    }

    /// Names may hold anything but a quotation mark's end.
    private static func readProcess(_ text: Substring, _ socket: inout NamespaceState.Socket) {
        let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return }
        let digits = parts[2].firstRange(of: "pid=").map { parts[2][$0.upperBound...].prefix { $0.isNumber } }
        socket.processName = String(parts[1])
        socket.processID = digits.flatMap { Int32($0) }
    }
}
