import CausewayModel
import NIOCore

/// What Docker Engine's events are to those who use our networks.
///
/// To the engine our containers are on its network `none`; that they join and leave it is nobody's business. For each
/// such event those of the container's real networks are told.
struct EngineEvents: Sendable {
    /// A network that a container joined or left, in the engine's words.
    struct Connection: Sendable {
        var action: String
        var container: String
        var time: Timestamp
    }

    /// Reads an event of the engine's network `none`; `nil` when it is another.
    static func connectionToNone(_ line: JSONMembers) -> Connection? {
        guard line["Type"]?.text == "network", let action = line["Action"]?.text,
            ["connect", "disconnect"].contains(action)
        else { return nil }
        let attributes = line.object("Actor").object("Attributes")
        guard attributes["type"]?.text == "null", let container = attributes["container"]?.text else { return nil }
        let nanoseconds: Int64 = line["timeNano"]?.value() ?? 0
        let time = Timestamp(
            seconds: nanoseconds / 1_000_000_000, nanoseconds: Int32(nanoseconds % 1_000_000_000))
        return Connection(action: action, container: container, time: time)
    }

    /// Whose event it is, if its labels say that it is, or was, one of our containers.
    static func containerOfOurs(_ line: JSONMembers) -> String? {
        let actor = line.object("Actor")
        guard actor.object("Attributes")[OriginalRequest.Label.attachment] != nil else { return nil }
        return actor["ID"]?.text
    }

    /// The line without our own labels, which Docker Engine shows among a container's attributes.
    static func withoutOwnLabels(_ line: JSONMembers) -> JSONMembers {
        var line = line
        var actor = line.object("Actor")
        var attributes = actor.object("Attributes")
        for name in OriginalRequest.Label.all { attributes[name] = nil }
        actor["Attributes"] = JSONText(attributes)
        line["Actor"] = JSONText(actor)
        return line
    }

    /// Whether a line has to be read at all.
    static func mayConcernUs(_ line: ByteBufferView) -> Bool {
        contains(line, #""type":"null""#) || contains(line, "com.causeway.")
    }

    private static func contains(_ line: ByteBufferView, _ text: String) -> Bool {
        line.firstRange(of: Array(text.utf8)) != nil
    }
}
