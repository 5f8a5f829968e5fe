import FoundationEssentials
import NIOCore
import NIOHTTP1

/// What a client sends in `X-Registry-Auth`: URL-safe base64 of JSON; `{}` says nothing.
enum RegistryAuth {
    /// Refuses credentials that the tasks would need and would not get.
    static func refuse(_ headers: HTTPHeaders) throws(APIError) {
        guard let text = headers.first(name: "x-registry-auth"), holdsCredentials(text) else { return }
        throw APIError(
            501,
            "X-Registry-Auth (--with-registry-auth) is not supported by Causeway yet: pull the image on the node, and "
                + "leave the flag out")
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
