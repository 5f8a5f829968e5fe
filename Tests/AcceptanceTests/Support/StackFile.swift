import Testing

/// A stack file as people write them, and what is to be seen of it.
struct StackFile: Sendable, CustomTestStringConvertible {
    /// The file's name, and the stack's.
    var name: String
    var port: Int
    var path = "/"
    /// The service that a new version changes.
    var changes: String
    /// What is answered outside, of each version.
    var says: [String]
    /// What a new version cannot change, because the file has it so.
    var has: [String] = []
    /// Volumes of its own: `stack rm` keeps them.
    var volumes: [String] = []
    /// What else is there in the end: jobs, as `service ls` shows them.
    var replicas: [String]
    /// Where a version that breaks ends, as the file says.
    var breaksInto = "rollback_completed"

    var testDescription: String { name }
    var service: String { "\(name)_\(changes)" }

    /// Those for one node.
    static let all: [StackFile] = [
        StackFile(
            name: "shop", port: 8961, path: "/cgi-bin/index.cgi", changes: "app", says: ["app VERSION 13"],
            has: ["proxy fixed"], volumes: ["shop_db-data"],
            replicas: ["app 2/2 (max 4 per node)", "cache 1/1", "db 1/1", "proxy 2/2", "worker 2/2"]),
        StackFile(
            name: "monitoring", port: 8962, path: "/cgi-bin/index.cgi", changes: "agent",
            says: ["agent VERSION on agent-causeway-test causeway-test/monitoring_agent/"],
            replicas: ["agent 1/1", "collector 1/1"]),
        StackFile(
            name: "queue", port: 8963, changes: "worker", says: ["done by worker VERSION"],
            replicas: ["queue 1/1", "worker 3/3"]),
        StackFile(
            name: "blue-green", port: 8964, path: "/cgi-bin/index.cgi", changes: "green", says: ["green VERSION"],
            replicas: ["blue 1/1", "green 1/1", "router 1/1"]),
        StackFile(
            name: "keys", port: 8965, changes: "web", says: ["[keys_web.1 green vVERSION correct-horse]"],
            has: ["correct-horsefrom elsewhere\n"], replicas: ["web 1/1"]),
        StackFile(
            name: "tuned", port: 8966, changes: "web", says: ["vVERSION tuned /tmp 321 2000/3000"],
            has: ["203.0.113.77", "search example.org", "read-only", "init"], replicas: ["web 1/1"]),
        StackFile(
            name: "jobs", port: 8967, changes: "board", says: ["board VERSION"],
            replicas: ["board 1/1", "everywhere 0/0 (1/1 completed)", "once 0/3 (3/3 completed)"]),
        StackFile(
            name: "portal", port: 8968, path: "/cgi-bin/index.cgi", changes: "api", says: ["api VERSION of portal"],
            has: ["proxy gate", "from the store: 3 rows"], volumes: ["portal_rows"],
            replicas: ["api 3/3", "gate 1/1", "store 1/1"]),
    ]

    /// Those for three nodes, `n1` the manager.
    static let database = StackFile(
        name: "database", port: 8969, changes: "replica",
        says: ["replica VERSION on n2: rows of primary", "replica VERSION on n3: rows of primary"],
        volumes: ["database_rows"], replicas: ["primary 1/1", "replica 2/2 (max 1 per node)"])
    static let shipping = StackFile(
        name: "shipping", port: 8971, path: "/cgi-bin/index.cgi", changes: "shipper",
        says: ["n1 ships VERSION: a line", "n2 ships VERSION: a line", "n3 ships VERSION: a line"],
        replicas: ["app 3/3", "shipper 3/3", "sink 1/1"], breaksInto: "paused")
}
