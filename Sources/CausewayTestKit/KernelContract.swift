import CausewayKernel

/// What every ``Kernel`` keeps, the live one and the fake alike.
///
/// A difference between them is a bug in the fake.
package enum KernelContract {
    /// How the contract was broken.
    package struct Broken: Error, CustomStringConvertible {
        package var description: String
    }

    /// Taking the plan from what is there to `desired` gives `desired`, and leaves nothing to plan.
    package static func reaches(_ desired: KernelState, in kernel: some Kernel) async throws {
        let before = try await kernel.observe()
        let plan = Plan(from: before, to: desired)
        for step in plan.steps { try await kernel.take(step) }
        let after = try await kernel.observe()
        guard after.normalised == desired.normalised else {
            throw Broken(
                description: """
                    observed differs from desired after the plan
                    \(plan)
                    still missing:
                    \(Plan(from: after, to: desired))
                    desired:
                    \(desired.normalised)
                    observed:
                    \(after.normalised)
                    """)
        }
        let again = Plan(from: after, to: desired)
        guard again.isEmpty else { throw Broken(description: "a second plan is not empty:\n\(again)") }
    }

    /// Whatever is taken away by the plan's own words is seen, and put back.
    ///
    /// `removals` are states that lack something of `desired`.
    package static func repairs(
        _ desired: KernelState, from removals: [KernelState], in kernel: some Kernel
    ) async throws {
        for removal in removals {
            for step in Plan(from: desired, to: removal).steps { try await kernel.take(step) }
            let plan = Plan(from: try await kernel.observe(), to: desired)
            guard !plan.isEmpty else {
                throw Broken(description: "not seen:\n\(Plan(from: desired, to: removal))")
            }
            try await reaches(desired, in: kernel)
        }
    }

    /// A step that is taken already is refused.
    package static func refusesTwice(_ step: Plan.Step, in kernel: some Kernel) async throws {
        do throws(KernelError) {
            try await kernel.take(step)
        } catch {
            guard error.reason == .alreadyExists || error.reason == .notFound else {
                throw Broken(description: "taken twice, '\(step)' is refused for another reason: \(error)")
            }
            return
        }
        throw Broken(description: "taken twice, and nobody minds: \(step)")
    }
}
