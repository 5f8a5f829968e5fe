import Foundation
import Glibc

/// The guest of `scripts/vm`, whose kernel has what this machine's may not have.
package enum VirtualMachine {
    /// Whether these tests are run in there; their suites' names begin with `VirtualMachine`.
    package static var isHere: Bool {
        ProcessInfo.processInfo.environment["CAUSEWAY_VM"] == "1" && geteuid() == 0
    }

    package static let whyNot = "needs a kernel with IPVS: run it with scripts/test vm, which sets CAUSEWAY_VM=1"
}
