/// A swarm among the nodes of a lab; its first node is the manager.
struct LabSwarm: Codable, Hashable {
    /// What its networks are made of: `direct` or `classic`.
    enum DataPath: String, Codable, CaseIterable { case direct, classic }

    var dataPath: DataPath
    var nodes: [String]
}
