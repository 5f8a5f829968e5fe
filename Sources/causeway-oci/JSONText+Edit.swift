extension JSONText {
    /// Changes to a JSON text, made from its end to its beginning so that places stay true.
    ///
    /// Two changes must not overlap.
    struct Edit {
        let json: JSONText
        private var changes: [(range: Range<Int>, text: String)] = []

        init(_ json: JSONText) {
            self.json = json
        }

        /// The text with every change made.
        var result: [UInt8] {
            var bytes = json.bytes
            for change in changes.sorted(by: { $0.range.lowerBound > $1.range.lowerBound }) {
                bytes.replaceSubrange(change.range, with: Array(change.text.utf8))
            }
            return bytes
        }

        /// Gives `object` the member `key` with the JSON `text`, in the place of one that it has.
        mutating func set(_ key: String, of object: Value, to text: String) {
            if let old = object[key] {
                changes.append((old.range, text))
            } else {
                insert("\(JSONText.quoted(key)):\(text)", before: object)
            }
        }

        /// Adds the JSON `text` as the last element of `array`.
        mutating func append(_ text: String, to array: Value) {
            insert(text, before: array)
        }

        /// Takes out the elements that are `unwanted`, each with one of its commas.
        mutating func removeElements(of array: Value, where unwanted: (Value) -> Bool) {
            let kept = array.elements.filter { !unwanted($0) }
            guard kept.count < array.elements.count else { return }
            let texts = kept.map { String(decoding: json.bytes[$0.range], as: UTF8.self) }
            changes.append((array.range, "[\(texts.joined(separator: ","))]"))
        }

        private mutating func insert(_ text: String, before container: Value) {
            let end = container.range.upperBound - 1
            changes.append((end..<end, container.isEmpty ? text : ",\(text)"))
        }
    }
}
