import CausewayModel
import Synchronization

/// The one place of a task's name table: read by its server, swapped whole by the agent.
package final class NameTableBox: Sendable {
    private let table: Mutex<NameTable>

    package init(_ table: NameTable) {
        self.table = Mutex(table)
    }

    package var current: NameTable { table.withLock { $0 } }

    /// Every query that comes in after this returns is answered from `new`.
    package func swap(_ new: NameTable) { table.withLock { $0 = new } }
}
