import CausewayModel

/// Puts what we know of a container's networks into what Docker Engine says of it.
///
/// To the engine it has no network, and a few settings that the user never made.
struct ContainerView: Sendable {
    let roster: Roster
    let files: HostsFiles
    /// What the engine calls its default runtime.
    let defaultRuntime: String

    // MARK: GET /containers/{id}/json

    func inspected(_ given: JSONMembers, _ member: Roster.Member) throws(APIError) -> JSONMembers {
        var shown = given
        let id = given["Id"]?.text ?? ""
        let name = (given["Name"]?.text ?? "").trimmingSlash
        let isRunning: Bool = given.object("State")["Running"]?.value() ?? false
        let labels: [String: String] = given.object("Config")["Labels"]?.value() ?? [:]

        var config = given.object("Config")
        let exposed = config.object("ExposedPorts").named.map(\.name)
        config["Labels"] = withoutOwnLabels(config["Labels"])
        shown["Config"] = JSONText(config)

        var settings = given.object("NetworkSettings")
        settings["Networks"] = try networks(member, name: name, id: id, isRunning: isRunning, isListed: false)
        settings["Ports"] = try ports(member, exposed: exposed, isRunning: isRunning)
        shown["NetworkSettings"] = JSONText(settings)

        let original = labels[OriginalRequest.Label.request].flatMap { OriginalRequest(label: $0) }
        shown["HostConfig"] = JSONText(try host(given.object("HostConfig"), member, original))
        if let mounts = given["Mounts"] { shown["Mounts"] = withoutHosts(mounts) }
        return shown
    }

    private func host(
        _ given: JSONMembers, _ member: Roster.Member, _ original: OriginalRequest?
    ) throws(APIError) -> JSONMembers {
        var host = given
        host["NetworkMode"] = try JSONText(encoding: mode(member, original))
        host["Runtime"] = try JSONText(encoding: defaultRuntime)
        switch member {
        case .user:
            host["PortBindings"] = try JSONText(encoding: original?.portBindings ?? .object([:]))
            host["Dns"] = try JSONText(encoding: original?.dns ?? .array([]))
            host["DnsOptions"] = try JSONText(encoding: original?.dnsOptions ?? .array([]))
        case .task(let task):
            let dns = task.spec.containerSpec?.dnsConfig
            host["Dns"] = try JSONText(encoding: dns?.nameservers)
            host["DnsOptions"] = try JSONText(encoding: dns?.options)
        }
        if let binds: [String] = given["Binds"]?.value() {
            let kept = binds.filter { !$0.hasSuffix(":/etc/hosts") || !isOurs($0) }
            // Docker shows null where nothing was asked for.
            host["Binds"] = try JSONText(encoding: kept.isEmpty ? nil : kept)
        }
        if let mounts = given["Mounts"] {
            let kept = withoutHosts(mounts)
            host["Mounts"] = kept.list?.isEmpty == true ? nil : kept
        }
        return host
    }

    private func mode(_ member: Roster.Member, _ original: OriginalRequest?) -> String {
        switch member {
        case .task: "default"
        case .user:
            original.map { $0.networkMode.isEmpty ? "default" : $0.networkMode }
                ?? roster.places(member).first?.network.spec.name ?? "default"
        }
    }

    // MARK: GET /containers/json

    /// `exposed`: what the container exposes, which the engine's list does not say.
    func listed(_ given: JSONMembers, _ member: Roster.Member, exposed: [String]) throws(APIError) -> JSONMembers {
        var shown = given
        let isRunning = Self.isRunning(listed: given)
        let name = (given["Names"]?.list?.first?.text ?? "").trimmingSlash
        let labels: [String: String] = given["Labels"]?.value() ?? [:]
        let original = labels[OriginalRequest.Label.request].flatMap { OriginalRequest(label: $0) }
        var settings = given.object("NetworkSettings")
        settings["Networks"] = try networks(
            member, name: name, id: given["Id"]?.text ?? "", isRunning: isRunning, isListed: true)
        shown["NetworkSettings"] = JSONText(settings)
        var host = given.object("HostConfig")
        host["NetworkMode"] = try JSONText(encoding: mode(member, original))
        shown["HostConfig"] = JSONText(host)
        shown["Ports"] = try JSONText(encoding: isRunning ? listedPorts(member, exposed: exposed) : [])
        shown["Labels"] = withoutOwnLabels(given["Labels"])
        if let mounts = given["Mounts"] { shown["Mounts"] = withoutHosts(mounts) }
        return shown
    }

    static func isRunning(listed given: JSONMembers) -> Bool {
        ["running", "paused"].contains(given["State"]?.text ?? "")
    }

    func listedPorts(_ member: Roster.Member, exposed: [String]) throws(APIError) -> [Engine.ListedPort] {
        var ports: [Engine.ListedPort] = []
        var bound: Set<String> = []
        for port in member.ports {
            bound.insert(PortBindings.key(port))
            for address in Self.addresses(port) {
                ports.append(
                    Engine.ListedPort(
                        address: address, target: port.targetPort, published: port.publishedPort,
                        transport: port.protocol.rawValue))
            }
        }
        for key in exposed where bound.insert(key).inserted {
            let port = try PortBindings.target(key)
            ports.append(Engine.ListedPort(target: port.targetPort, transport: port.protocol.rawValue))
        }
        return ports
    }

    // MARK: shared

    private func networks(
        _ member: Roster.Member, name: String, id: String, isRunning: Bool, isListed: Bool
    ) throws(APIError) -> JSONText {
        var shown: [String: Engine.Endpoint] = [:]
        for place in roster.places(member) {
            var endpoint = Engine.Endpoint(
                place, of: member, name: name, shortID: String(id.prefix(12)), isRunning: isRunning)
            if isListed { (endpoint.aliases, endpoint.names) = (nil, nil) }
            shown[place.network.spec.name] = endpoint
        }
        return try JSONText(encoding: shown)
    }

    private func ports(_ member: Roster.Member, exposed: [String], isRunning: Bool) throws(APIError) -> JSONText {
        guard isRunning else { return try JSONText(encoding: [String: String]()) }
        var shown: [String: [Engine.BoundPort]?] = [:]
        for key in exposed { shown.updateValue(nil, forKey: key) }
        for port in member.ports {
            let bound = Self.addresses(port).map { Engine.BoundPort(address: $0, port: "\(port.publishedPort)") }
            shown[PortBindings.key(port)] = ((shown[PortBindings.key(port)] ?? nil) ?? []) + bound
        }
        return try JSONText(encoding: shown)
    }

    private static func addresses(_ port: AttachedContainer.Port) -> [String] {
        port.address.map { [$0.description] } ?? ["0.0.0.0", "::"]
    }

    private func withoutOwnLabels(_ given: JSONText?) -> JSONText? {
        guard var labels = given?.object else { return given }
        for name in OriginalRequest.Label.all { labels[name] = nil }
        return JSONText(labels)
    }

    /// Takes our file off a list of mounts, in either of the two shapes that Docker has for them.
    private func withoutHosts(_ mounts: JSONText) -> JSONText {
        guard let list = mounts.list else { return mounts }
        return JSONText(
            list: list.filter { item in
                guard let mount = item.object else { return true }
                let target = mount["Destination"]?.text ?? mount["Target"]?.text
                return target != "/etc/hosts" || !isOurs(mount["Source"]?.text ?? "")
            })
    }

    /// A user's file of ours, or that of a task (`…/tasks/TASK/hosts`).
    private func isOurs(_ source: String) -> Bool {
        source.hasPrefix(files.folder + "/")
            || (source.hasSuffix("/hosts") && source.split(separator: "/").dropLast(2).last == "tasks")
    }
}

extension String {
    /// Docker's names of containers begin with a slash.
    fileprivate var trimmingSlash: String { hasPrefix("/") ? String(dropFirst()) : self }
}
