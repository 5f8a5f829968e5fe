import CausewayModel
import NIOCore

/// The body of `POST /containers/create`, read as far as networks are concerned.
struct CreationBody: Sendable {
    private var body: JSONMembers
    private var host: JSONMembers

    /// `nil` when it is no JSON object: Docker Engine says what is wrong with it.
    init?(_ bytes: ByteBuffer) {
        guard let object = JSONText(bytes)?.object else { return nil }
        body = object
        host = object.object("HostConfig")
    }

    /// As the user wrote it; empty: the default.
    var networkMode: String { host["NetworkMode"]?.text ?? "" }

    var hostname: String? { nonEmpty("Hostname") }
    var domainname: String? { nonEmpty("Domainname") }
    var image: String { body["Image"]?.text ?? "" }
    var runtime: String { host["Runtime"]?.text ?? "" }
    var extraHosts: [String] { host["ExtraHosts"]?.value() ?? [] }
    var publishesAll: Bool { host["PublishAllPorts"]?.value() ?? false }
    var exposed: Set<String> { Set(body.object("ExposedPorts").named.map(\.name)) }
    var portBindings: JSONText? { host["PortBindings"] }

    /// The networks that it names, as Docker Engine takes them: those of `EndpointsConfig`, and the one of the mode
    /// where the user has chosen one.
    var networks: [(reference: String, endpoint: JSONText?)] {
        let given = body.object("NetworkingConfig").object("EndpointsConfig").named
        var networks = given.map { (reference: $0.name, endpoint: Optional($0.value)) }
        let mode = networkMode
        let isChosen = !["", "default"].contains(mode)
        if isChosen, !networks.contains(where: { $0.reference == mode }) {
            networks.insert((reference: mode, endpoint: nil), at: 0)
        }
        return networks
    }

    /// Name servers of the container's own; those of another kind than an address are refused.
    func nameServers() throws(APIError) -> [IPAddress] {
        let given: [String] = host["Dns"]?.value() ?? []
        var servers: [IPAddress] = []
        for text in given {
            guard let server = IPAddress(text) else { throw APIError(400, "invalid IP address in Dns: \(text)") }
            servers.append(server)
        }
        return servers
    }

    /// Refuses, by name, what a container on a network of ours cannot have.
    func refuseUnsupported(defaultRuntime: String) throws(APIError) {
        _ = try BodySchema.containerOnNetwork.canonicalize(try JSON.parse(JSONText(body).buffer))
        guard ["", defaultRuntime, Self.runtimeName].contains(runtime) else {
            throw APIError(
                501,
                "HostConfig.Runtime '\(runtime)' (--runtime) is not supported by Causeway on its own networks yet; "
                    + "leave it out")
        }
    }

    /// Whether the user puts something on `/etc/hosts`.
    var mountsHosts: Bool {
        let binds: [String] = host["Binds"]?.value() ?? []
        let mounts = host["Mounts"]?.list?.compactMap { $0.object?["Target"]?.text } ?? []
        let volumes = body.object("Volumes").named.map(\.name)
        return binds.contains { $0.split(separator: ":").dropFirst().first == "/etc/hosts" }
            || (mounts + volumes).contains("/etc/hosts")
    }

    /// What Docker Engine is asked for instead: no network of its own, our runtime, our resolver, our `/etc/hosts`.
    func rewritten(for attachment: Swarm.ID, hostsFile: String) throws(APIError) -> ByteBuffer {
        let original = OriginalRequest(
            networkMode: networkMode, portBindings: host["PortBindings"]?.value(), dns: host["Dns"]?.value(),
            dnsOptions: host["DnsOptions"]?.value())
        var host = host
        host["NetworkMode"] = try JSONText(encoding: "none")
        host["Runtime"] = try JSONText(encoding: Self.runtimeName)
        host["PortBindings"] = nil
        host["Dns"] = try JSONText(encoding: ["127.0.0.11"])
        let options: [String] = self.host["DnsOptions"]?.value() ?? []
        host["DnsOptions"] = try JSONText(
            encoding: options.contains { $0.hasPrefix("ndots:") } ? options : options + ["ndots:0"])
        if !mountsHosts {
            let binds: [String] = self.host["Binds"]?.value() ?? []
            host["Binds"] = try JSONText(encoding: binds + ["\(hostsFile):/etc/hosts"])
        }
        var labels = body.object("Labels")
        labels[OriginalRequest.Label.attachment] = try JSONText(encoding: attachment)
        labels[OriginalRequest.Label.request] = try JSONText(encoding: try original.label)
        var body = body
        body["Labels"] = JSONText(labels)
        body["HostConfig"] = JSONText(host)
        body["NetworkingConfig"] = nil
        return JSONText(body).buffer
    }

    /// What Docker Engine knows `causeway-oci` by.
    static let runtimeName = "causeway"

    private func nonEmpty(_ name: String) -> String? {
        body[name]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }
}
