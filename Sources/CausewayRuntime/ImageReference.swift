/// An image's name as users write it: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`.
struct ImageReference: Hashable, Sendable {
    /// With the tag, without the digest; `:latest` where there is neither.
    var nameAndTag: String
    var digest: String?

    init(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1).map(String.init)
        let name = parts.first ?? text
        digest = parts.count > 1 ? parts[1] : nil
        // A colon before the last slash belongs to the registry's port.
        let last = name.split(separator: "/").last ?? ""
        nameAndTag = last.contains(":") || digest != nil ? name : name + ":latest"
    }

    /// What to pull: all tags would come if none were named.
    var pulled: String { digest.map { "\(nameAndTag)@\($0)" } ?? nameAndTag }
}
