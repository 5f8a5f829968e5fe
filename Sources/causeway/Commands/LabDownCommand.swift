import ArgumentParser
import Foundation

/// The command `causeway lab down`.
struct LabDownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down",
        abstract: "Removes the lab: daemons, containers, links, namespaces, folders.",
        discussion: """
            Example:
              causeway lab down

            May be repeated, and works on a lab that was made half way.
            """)

    @OptionGroup var lab: LabOptions

    func run() async throws {
        try requireRoot("take a lab down")
        guard let record = try lab.folder.record() else {
            return Console.note("there is no lab in \(lab.directory)")
        }
        let remover = LabRemover(lab.folder, record)
        try await remover.remove()
        Console.note("the lab is gone")
    }
}
