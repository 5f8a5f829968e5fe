import CausewayModel

/// Fills in Swarm's placeholders (`{{.Task.Slot}}`) in the fields of a container that may have them: host name,
/// environment, mounts.
struct TaskTemplate: Sendable {
    /// A placeholder that cannot be filled in.
    struct Unknown: Error, Hashable, CustomStringConvertible {
        var placeholder: String

        var description: String {
            "cannot expand \"{{\(placeholder)}}\": known are .Service.ID, .Service.Name, .Service.Labels.NAME, "
                + ".Node.ID, .Node.Hostname, .Task.ID, .Task.Name, .Task.Slot"
        }
    }

    private let task: Swarm.Task
    private let nodeHostname: String

    init(task: Swarm.Task, nodeHostname: String) {
        self.task = task
        self.nodeHostname = nodeHostname
    }

    func fill(_ text: String) throws(Unknown) -> String {
        var result = ""
        var rest = text[...]
        while let open = Self.place(of: "{{", in: rest), let close = Self.place(of: "}}", in: rest[open...]) {
            result += rest[..<open]
            let inside = rest[rest.index(open, offsetBy: 2)..<close]
            result += try value(of: String(inside.trimmingSpaces))
            rest = rest[rest.index(close, offsetBy: 2)...]
        }
        return result + rest
    }

    func fill(_ texts: [String]) throws(Unknown) -> [String] {
        var filled: [String] = []
        for text in texts { filled.append(try fill(text)) }
        return filled
    }

    func fill(mounts: [Swarm.Mount]) throws(Unknown) -> [Swarm.Mount] {
        var filled = mounts
        for index in filled.indices {
            if let source = filled[index].source { filled[index].source = try fill(source) }
            filled[index].target = try fill(filled[index].target)
        }
        return filled
    }

    private func value(of placeholder: String) throws(Unknown) -> String {
        switch placeholder {
        case ".Service.ID": return task.serviceID
        case ".Service.Name": return task.serviceName
        case ".Node.ID": return task.nodeID ?? ""
        case ".Node.Hostname": return nodeHostname
        case ".Task.ID": return task.id
        case ".Task.Name": return task.name
        // In a global service Swarm puts the node in the slot's place.
        case ".Task.Slot": return task.shownSlot > 0 ? "\(task.shownSlot)" : task.nodeID ?? ""
        default: break
        }
        let prefix = ".Service.Labels."
        guard placeholder.hasPrefix(prefix), let label = task.serviceLabels[String(placeholder.dropFirst(prefix.count))]
        else { throw Unknown(placeholder: placeholder) }
        return label
    }

    private static func place(of pair: String, in text: Substring) -> Substring.Index? {
        text.indices.first { text[$0...].hasPrefix(pair) }
    }
}

extension Substring {
    var trimmingSpaces: Substring {
        drop { $0 == " " }.reversed().drop { $0 == " " }.reversed().reduce(into: Substring()) { $0.append($1) }
    }
}
