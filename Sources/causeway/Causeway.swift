import ArgumentParser
import CausewayModel

/// The command line of the lens: it reads, and changes nothing.
@main
struct Causeway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causeway",
        abstract: "Shows what a packet to a service meets on its way, and what Causeway would change.",
        discussion: """
            Examples:
              causeway path web:8080 --return              the way to a published port, and the answer's way back
              causeway path web --from task:client.1       from one task to another, through the virtual IP
              causeway path web:8080 -o path.svg           the same as a picture
              causeway exposure                            what can be reached from outside, and from where
              causeway doctor                              what is wrong with the network of this node
              causeway preflight                           what this host lacks to be a node

            Exit status:
              0   the packet arrives (plan: there is nothing to change, or the changes were shown)
              1   something could not be read, asked or written (doctor: something is wrong)
              2   doctor: it could not be looked at
              3   the packet is refused or dropped (exposure: the firewall disagrees; preflight: something
                  essential is missing)
              4   the walk met something that it does not understand: its answer is likely, not certain
              64  the command line is not understood
            """,
        version: Release.version,
        subcommands: [
            PathCommand.self, DoctorCommand.self, ExposureCommand.self, PlanCommand.self, SnapshotCommand.self,
            PreflightCommand.self,
            LabCommand.self,
        ])
}
