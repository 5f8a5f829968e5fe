import Foundation
import Testing

/// Docker's own description of its Engine API, as `scripts/api-facts` reduced it.
struct EngineAPI: Decodable, Sendable {
    var document: String
    var calls: [Call]

    struct Call: Decodable, Sendable {
        var method: String
        /// `/services/{id}/update`.
        var path: String
        var parameters: [Parameter]
        var body: Shape?
        /// Those that the document declares.
        var statuses: Set<Int>

        var name: String { "\(method) \(path)" }

        func parameters(in place: String) -> [Parameter] { parameters.filter { $0.place == place } }
    }

    struct Parameter: Decodable, Sendable {
        var name: String
        /// `path`, `query` or `header`.
        var place: String
        var shape: Shape
        var required: Bool

        enum CodingKeys: String, CodingKey {
            case name, shape, required
            case place = "in"
        }
    }

    /// The description of version 1.41, which is that of Docker Engine 20.10.
    static func read() throws -> EngineAPI {
        let file = try #require(
            Bundle.module.url(forResource: "engine-api-1.41", withExtension: "json", subdirectory: "Fixtures"))
        return try JSONDecoder().decode(EngineAPI.self, from: try Data(contentsOf: file))
    }
}

/// Which JSON may stand somewhere.
indirect enum Shape: Decodable, Sendable {
    case any, string, integer, number, boolean
    /// One of these strings.
    case words([String])
    /// An object with names of the client's own.
    case map(Shape)
    case list(Shape)
    case object([String: Shape])

    /// One way down into a body.
    enum Step: Sendable {
        case field(String)
        /// Any name in a map.
        case key
        /// The one item of a list.
        case item
    }

    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if var items = try? decoder.unkeyedContainer() {
            self = .list(try items.decode(Shape.self))
        } else if let fields = try? decoder.container(keyedBy: Name.self) {
            if fields.allKeys.map(\.stringValue) == ["|"] {
                self = .words(try fields.decode([String].self, forKey: Name(stringValue: "|")))
            } else if fields.allKeys.map(\.stringValue) == ["*"] {
                self = .map(try fields.decode(Shape.self, forKey: Name(stringValue: "*")))
            } else {
                self = .object(try decoder.singleValueContainer().decode([String: Shape].self))
            }
        } else {
            let container = try decoder.singleValueContainer()
            let names: [String: Shape] = [
                "any": .any, "string": .string, "integer": .integer, "number": .number, "boolean": .boolean,
            ]
            let name = try container.decode(String.self)
            guard let shape = names[name] else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "there is no type '\(name)'")
            }
            self = shape
        }
    }

    /// Every place below this one, in order, with what may stand there.
    var places: [(way: [Step], shape: Shape)] {
        switch self {
        case .object(let fields):
            fields.sorted { $0.key < $1.key }.flatMap { name, shape in shape.places(behind: .field(name)) }
        case .map(let shape): shape.places(behind: .key)
        case .list(let shape): shape.places(behind: .item)
        case .any, .string, .integer, .number, .boolean, .words: []
        }
    }

    private func places(behind step: Step) -> [(way: [Step], shape: Shape)] {
        [([step], self)] + places.map { ([step] + $0.way, $0.shape) }
    }
}
