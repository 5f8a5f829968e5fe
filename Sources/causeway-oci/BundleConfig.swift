/// What is changed in an OCI bundle's `config.json`; everything else keeps its bytes.
enum BundleConfig {
    /// Returns the configuration with its network namespace at `path` and without Docker's `libnetwork-setkey` hook.
    ///
    /// The hook would hand the namespace to Docker's own network code, which switches IPv6 off in it.
    static func joining(_ path: String, in config: [UInt8]) throws(JSONText.Malformed) -> [UInt8] {
        let json = try JSONText(config)
        var edit = JSONText.Edit(json)
        guard let linux = json.root["linux"], linux.isObject else {
            throw JSONText.Malformed(offset: 0, why: "it has no object \"linux\", so it is no Linux container")
        }
        join(path, linux, &edit)
        for kind in ["prestart", "createRuntime"] {
            guard let hooks = json.root["hooks"]?[kind] else { continue }
            edit.removeElements(of: hooks) { hook in
                hook["args"]?.elements.contains { json.text(of: $0) == "libnetwork-setkey" } ?? false
            }
        }
        return edit.result
    }

    private static func join(_ path: String, _ linux: JSONText.Value, _ edit: inout JSONText.Edit) {
        let quoted = JSONText.quoted(path)
        guard let namespaces = linux["namespaces"], namespaces.isArray else {
            edit.set("namespaces", of: linux, to: "[{\"type\":\"network\",\"path\":\(quoted)}]")
            return
        }
        let network = namespaces.elements.first { entry in
            entry["type"].map { edit.json.text(of: $0) == "network" } ?? false
        }
        if let network {
            edit.set("path", of: network, to: quoted)
        } else {
            edit.append("{\"type\":\"network\",\"path\":\(quoted)}", to: namespaces)
        }
    }
}
