/// How a client names an object: whole identifier, then exact name, then the beginning of an identifier.
enum Reference {
    static func find<Object>(
        _ reference: String, in objects: [Object], kind: String, id: (Object) -> String, name: (Object) -> String
    ) throws(APIError) -> Object {
        if let found = try findIfAny(reference, in: objects, kind: kind, id: id, name: name) { return found }
        throw APIError(404, "\(kind) \(reference) not found")
    }

    static func findIfAny<Object>(
        _ reference: String, in objects: [Object], kind: String, id: (Object) -> String, name: (Object) -> String
    ) throws(APIError) -> Object? {
        guard !reference.isEmpty else { return nil }
        if let found = objects.first(where: { id($0) == reference }) { return found }
        for candidates in [
            objects.filter { name($0) == reference }, objects.filter { id($0).hasPrefix(reference) },
        ] where !candidates.isEmpty {
            guard candidates.count == 1 else {
                throw APIError(400, "\(kind) \(reference) is ambiguous (\(candidates.count) matches found)")
            }
            return candidates[0]
        }
        return nil
    }
}
