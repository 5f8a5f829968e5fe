import ArgumentParser

/// How two data paths are measured beside each other.
struct CompareOptions: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(help: "The service's image; it answers HTTP on port 80. images/web/build makes the usual one.")
    var image = "causeway-web"

    @Option(help: "How often each case is measured; ratios are medians over the rounds.")
    var rounds = 5

    @Option(help: "How long each case is measured in a round, seconds.")
    var seconds = 3

    @Option(help: "IPVS' timeout of idle connections for the trial, seconds; 900 before and after it.")
    var idle = 10

    @Option(help: "New connections a second while a service is updated.")
    var rate = 30

    @Option(help: "The table: text or json.")
    var format: Format = .text

    @Option(help: "Where the picture goes. Default: compare.svg in the lab's folder.")
    var picture: String?

    /// How long a connection says nothing, seconds: the kernel forgets some ticks later than it was told to.
    var silence: Int { idle + 3 }

    func validate() throws {
        guard (1...100).contains(rounds) else { throw ValidationError("--rounds is 1 to 100") }
        guard (1...600).contains(seconds) else { throw ValidationError("--seconds is 1 to 600") }
        guard (1...900).contains(idle) else { throw ValidationError("--idle is 1 to 900") }
        guard (1...1000).contains(rate) else { throw ValidationError("--rate is 1 to 1000") }
    }
}
