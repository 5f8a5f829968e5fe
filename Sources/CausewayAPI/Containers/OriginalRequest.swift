import CausewayModel
import NIOCore

/// What of a container's request Docker Engine was not told, kept in a label so that `inspect` can give it back.
struct OriginalRequest: Codable, Hashable, Sendable {
    /// Labels of ours: who reads the engine's own lists knows by them whose a container is.
    enum Label {
        /// The identifier of the `AttachedContainer`.
        static let attachment = "com.causeway.attachment"
        static let request = "com.causeway.request"
        static let all = [attachment, request]
    }

    var networkMode: String
    var portBindings: JSONValue?
    var dns: JSONValue?
    var dnsOptions: JSONValue?

    /// The text of the label.
    var label: String {
        get throws(APIError) { String(buffer: try JSON.bytes(self)) }
    }

    init(networkMode: String, portBindings: JSONValue?, dns: JSONValue?, dnsOptions: JSONValue?) {
        self.networkMode = networkMode
        self.portBindings = portBindings
        self.dns = dns
        self.dnsOptions = dnsOptions
    }

    /// `nil` when a label says something else.
    init?(label: String) {
        guard let text = JSONText(Array(label.utf8)[...]), let value: OriginalRequest = text.value() else { return nil }
        self = value
    }
}
