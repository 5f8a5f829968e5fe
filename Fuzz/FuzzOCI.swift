@testable import causeway_oci

extension FuzzTarget {
    /// A bundle's config.json: joined to a namespace, and joined again, it must be the same.
    static let ociConfig = FuzzTarget(name: "oci-config") { bytes in
        guard let joined = try? BundleConfig.joining("/run/netns/cw-a", in: bytes) else { return }
        guard let again = try? BundleConfig.joining("/run/netns/cw-a", in: joined) else {
            return promise(false, "a configuration that was edited cannot be read")
        }
        promise(again == joined, "joining twice differs from joining once")
    }
}
