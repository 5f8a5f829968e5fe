/// `POST /secrets/create` and `/configs/create`, and their updates (Engine API 1.50).
extension BodySchema {
    static let dependency: BodySchema = [
        "Name": .value, "Labels": .value, "Data": .value,
        "Driver": .refused("--driver", .object),
        "Templating": .object(["Name": .value, "Options": .value]),
    ]
}
