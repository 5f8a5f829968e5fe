import ArgumentParser
import CausewayModel
import CausewayStore

/// The command `causewayd check`.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says whether this release can start with the settings and the store that are here.",
        discussion: """
            Nothing is changed, and the daemon may run meanwhile. The installation asks the new release this before it
            puts it in the old one's place.

            Example:
              causewayd check
            """)

    @OptionGroup var flags: Flags

    func run() async throws {
        let settings = try await Settings.read(flags: flags)
        print("settings: understood")
        guard let contents = try StoreFile(path: settings.storePath).read() else {
            print("store: none yet at \(settings.storePath)")
            return
        }
        print("store: \(settings.storePath), revision \(contents.revision), \(Self.content(contents.snapshot))")
        if !contents.pendingMigrations.isEmpty {
            print(
                "store: is brought up to date at the start (\(contents.pendingMigrations.joined(separator: ", "))); "
                    + "a copy of what it was is kept beside it")
        }
    }

    private static func content(_ snapshot: StoreSnapshot?) -> String {
        guard let snapshot else { return "locked: what is in it is read when it is unlocked (docker swarm unlock)" }
        return "\(snapshot.services.count) services, \(snapshot.tasks.count) tasks, "
            + "\(snapshot.networks.count) networks, \(snapshot.dependencies.count) secrets and configs"
    }
}
