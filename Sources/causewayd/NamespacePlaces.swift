import CausewayAgent
import CausewayRuntime

extension DockerRuntime: ContainerLister {}

/// The places of containers, with namespaces by their names.
struct NamespacePlaces: ContainerPlaces {
    let files: PlaceFiles
    let node: LinuxNode

    func write(namespace: String, of container: String) throws {
        try files.write(namespacePath: node.path(ofNamespace: namespace), namespace: namespace, of: container)
    }

    func remove(container: String) throws { try files.remove(container: container) }

    func containers() throws -> [String] { try files.containers() }

    func markReady(_ namespace: String) throws { try files.markReady(namespace) }

    func unmarkReady(_ namespace: String) throws { try files.unmarkReady(namespace) }
}
