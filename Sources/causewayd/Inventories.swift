import CausewayKernel
import CausewayLinux
import CausewayManager
import CausewayModel
import Foundation

/// What the lens is told: the inventory of this node, or of every node of the cluster.
struct Inventories: Sendable {
    /// The question that a manager asks a node for its own.
    static let kind = "inventory"

    let manager: SwarmManager
    let door: ManagerDoor
    let nodeID: Swarm.ID
    let reader: InventoryReader

    /// Answers a manager: this node's, as JSON.
    func answer(_ kind: String) async throws -> Data {
        guard kind == Self.kind else {
            throw SwarmError(.unsupported, "this node answers no question of kind \"\(kind)\"")
        }
        return try JSONEncoder().encode(try await reader.read())
    }

    /// This node's first, then those of the others, if this node is a manager; as a JSON array.
    ///
    /// A node that gives none is a gap in this node's.
    func all() async throws -> Data {
        var own = try await reader.read()
        var others: [Inventory] = []
        for (name, answer) in await askOthers() {
            switch answer {
            case .success(let inventory): others.append(inventory)
            case .failure(let error): own.gaps.append("node \(name) gives no inventory: \(error)")
            }
        }
        return try JSONEncoder().encode([own] + others)
    }

    private func askOthers() async -> [(String, Result<Inventory, SwarmError>)] {
        guard await manager.isActive(), let nodes = try? await manager.nodes() else { return [] }
        return await withTaskGroup(of: (String, Result<Inventory, SwarmError>).self) { group in
            for node in nodes where node.id != nodeID && node.state == .ready {
                group.addTask { (node.description.hostname, await ask(node.id)) }
            }
            var answers: [(String, Result<Inventory, SwarmError>)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }
        }
    }

    private func ask(_ node: Swarm.ID) async -> Result<Inventory, SwarmError> {
        do {
            return .success(
                try JSONDecoder().decode(Inventory.self, from: try await door.ask(node, kind: Self.kind)))
        } catch let error as SwarmError {
            return .failure(error)
        } catch {
            return .failure(SwarmError(.internal, "its answer is not understood: \(error)"))
        }
    }
}

extension InventoryReader {
    /// A node whose tasks' namespaces are not in the usual place shares its machine with others.
    init(_ settings: Settings, hostname: String) {
        let isAlone = settings.namespaceDirectory == NetworkNamespace.directory
        self.init(
            enginePath: settings.engineSocket,
            directories: [settings.namespaceDirectory] + (isAlone ? ["/run/docker/netns"] : []), hostname: hostname,
            readsUnnamed: isAlone)
    }
}
