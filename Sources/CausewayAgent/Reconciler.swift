import CausewayKernel
import CausewayModel

/// Brings one namespace to its desired state.
///
/// Looks at everything, so a wakeup that is lost, doubled or late costs a look and nothing else.
package struct Reconciler: Sendable {
    /// What became of one round.
    package enum Outcome: Sendable {
        case converged
        case changed(Plan)
        /// The step is absent when already the look was refused.
        case refused(KernelError, at: Plan.Step?, after: Plan)
    }

    let kernel: any Kernel

    package init(kernel: any Kernel) { self.kernel = kernel }

    /// What would be changed now, of some parts.
    package func plan(to desired: KernelState, _ parts: KernelParts = .all) async throws(KernelError) -> Plan {
        Plan(from: try await kernel.observe(parts), to: desired.only(parts))
    }

    /// Takes the steps to `desired`, and stops at the first that is refused.
    package func reconcile(to desired: KernelState, _ parts: KernelParts = .all) async -> Outcome {
        do throws(KernelError) {
            return await take(try await plan(to: desired, parts))
        } catch {
            return .refused(error, at: nil, after: Plan(steps: []))
        }
    }

    /// Takes a plan whose starting point is known.
    ///
    /// A step that fails because it is taken already, or because its object is gone already, is not hidden:
    /// the caller looks at the kernel and plans again.
    package func take(_ plan: Plan) async -> Outcome {
        var taken: [Plan.Step] = []
        for step in plan.steps {
            do throws(KernelError) {
                try await kernel.take(step)
                taken.append(step)
            } catch {
                return .refused(error, at: step, after: Plan(steps: taken))
            }
        }
        return taken.isEmpty ? .converged : .changed(plan)
    }
}
