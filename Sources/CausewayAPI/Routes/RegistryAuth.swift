import CausewayModel
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// What a client sends in `X-Registry-Auth`: URL-safe base64 of JSON; `{}` says nothing.
enum RegistryAuth {
    /// What a client gives; outside `nil` when it says nothing, inside when it says that there are none.
    static func credentials(_ headers: HTTPHeaders) -> Swarm.PullCredentials?? {
        guard let text = headers.first(name: "x-registry-auth"), !text.isEmpty else { return nil }
        return .some(holdsCredentials(text) ? Swarm.PullCredentials(header: text) : nil)
    }

    /// What becomes of a service's credentials; `source`: `registryAuthFrom` of an update, for who gives none.
    static func change(_ headers: HTTPHeaders, from source: String) throws(APIError) -> Swarm.CredentialsChange {
        if let given = credentials(headers) { return .set(given) }
        switch source {
        case "", "spec": return .keep
        case "previous-spec": return .previous
        default: throw APIError(400, "unsupported registryAuthFrom value")
        }
    }

    /// Whether there is more than a server's address.
    ///
    /// What cannot be read might hold some.
    static func holdsCredentials(_ text: String) -> Bool {
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        while base64.utf8.count % 4 != 0 { base64 += "=" }
        guard let data = Data(base64Encoded: base64), var given = try? JSON.parse(ByteBuffer(bytes: data)) else {
            return !text.isEmpty
        }
        given["serveraddress"] = nil
        return !given.isEmpty
    }
}
