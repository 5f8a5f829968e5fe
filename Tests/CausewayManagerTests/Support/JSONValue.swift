import Foundation

/// Model values without a full initializer are read as clients send them.
enum JSONValue {
    static func decode<T: Decodable>(_ text: String) throws -> T {
        try JSONDecoder().decode(T.self, from: Data(text.utf8))
    }
}
