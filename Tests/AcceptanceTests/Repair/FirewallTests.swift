import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Beside the firewalls of others: what is published, what tasks ask each other and what they ask outside works.
    @Suite(.serialized) struct Firewalls {
        @Test func `ufw with its defaults, its reload, and its end`() async throws {
            try await Self.withTasks { works in
                try await Self.withCopy(of: "/etc/ufw") {
                    try await shell("ufw", "--force", "enable")
                    do {
                        try await works("ufw enabled")
                        try await shell("ufw", "reload")
                        try await works("ufw reloaded")
                        try await shell("ufw", "deny", "8080/tcp")
                        try await works("ufw denies what it is not asked for: a published port is forwarded")
                    } catch {
                        _ = try await Command(["ufw", "--force", "reset"]).attempt()
                        throw error
                    }
                    try await shell("ufw", "disable")
                    try await works("ufw disabled")
                }
            }
        }

        @Test(arguments: ["0", "1", "2"])
        func `any rp_filter`(_ value: String) async throws {
            try await Self.withTasks { works in
                let names = ["all", "default", "eth0"].map { "net.ipv4.conf.\($0).rp_filter" }
                var before: [String] = []
                for name in names {
                    before.append("\(name)=\(try await shell("sysctl", "-n", name).trimmed)")
                    try await shell("sysctl", "-qw", "\(name)=\(value)")
                }
                try await works("rp_filter \(value)")
                for setting in before { try await shell("sysctl", "-qw", setting) }
            }
        }

        @Test func `a drop of the administrator's in DOCKER-USER is respected`() async throws {
            try await Self.withTasks { works in
                let rule = ["DOCKER-USER", "-s", "\(Machine.client)/32", "-j", "DROP"]
                try await Command(["iptables", "-I"] + rule).run()
                let load = Load(
                    transport: .http, address: Machine.address, port: 8080, count: 5, timeout: .seconds(1))
                let dropped = try await load.run(at: .outside)
                // Appended behind ours, as somebody would who knows no better: ours goes behind it.
                try await Command(["iptables", "-A"] + rule).run()
                try await planBecomesEmpty(within: .seconds(2))
                let listed = try await shell("iptables", "-S", "DOCKER-USER").lines
                try await Command(["iptables", "-D"] + rule).run()
                try await Command(["iptables", "-D"] + rule).run()

                #expect(dropped.failed == ["timeout": 5], "\(dropped)")
                let ours = try #require(listed.firstIndex { $0.contains("causeway") })
                let last = try #require(listed.lastIndex { $0.contains("-j DROP") })
                #expect(ours > last, "\(listed)")
                try await works("the administrator's rules gone")
            }
        }

        @Test func `firewalld with its defaults, its reload, its restart, and its end`() async throws {
            try await Self.withTasks { works in
                try await Self.withFirewalld { firewalld in
                    try await works("firewalld started")
                    try await shell("firewall-cmd", "--reload")
                    try await works("firewalld reloaded")
                    try await shell("firewall-cmd", "--complete-reload")
                    try await works("firewalld reloaded with its state")
                    try await firewalld.restart()
                    try await works("firewalld restarted")
                    try await shell("firewall-cmd", "--zone=block", "--change-interface=eth0")
                    try await works("the link in another zone")

                    let entries = try await shell("nft", "list", "table", "inet", "firewalld").lines
                        .filter { $0.contains("causeway") }
                    #expect(entries.count == 2, "\(entries)")
                    try await firewalld.stop()
                    let tables = try await shell("nft", "list", "tables").lines
                    #expect(!tables.contains("table inet firewalld"), "\(tables)")
                    try await works("firewalld ended")
                }
            }
        }

        @Test func `a policy of the user's in firewalld is asked first, and causeway exposure knows of firewalld`()
            async throws
        {
            try await Self.withTasks { works in
                try await Self.withFirewalld { _ in
                    let rule = "rule family=ipv4 destination address=\(Machine.client)/32 drop"
                    for words in [
                        ["--new-policy=mine"], ["--policy=mine", "--add-ingress-zone=ANY"],
                        ["--policy=mine", "--add-egress-zone=ANY"], ["--policy=mine", "--set-priority=10"],
                        ["--policy=mine", "--add-rich-rule=\(rule)"],
                    ] { try await Command(["firewall-cmd", "--permanent"] + words).run() }
                    try await shell("firewall-cmd", "--reload")
                    try await planBecomesEmpty(within: .seconds(2))
                    let namespace = try await taskNamespace("fw-ask.1")
                    let load = Load(
                        transport: .http, address: Machine.client, port: 7000, count: 3, timeout: .seconds(1))
                    let dropped = try await load.run(at: .namespace(namespace))
                    #expect(dropped.failed == ["timeout": 3], "\(dropped)")

                    let exposed = try await Command([Machine.executable("causeway"), "exposure"]).attempt()
                    #expect(exposed.all.contains("the firewall disagrees"), "\(exposed.all)")
                    #expect(!exposed.all.contains("not understood"), "\(exposed.all)")

                    try await shell("firewall-cmd", "--permanent", "--delete-policy=mine")
                    try await shell("firewall-cmd", "--reload")
                    try await works("the user's policy gone")
                }
            }
        }

        // MARK: what has to work

        private typealias Works = (_ when: String) async throws -> Void

        /// Two services on a network, and a way to ask whether all that is offered works.
        private static func withTasks(_ body: (Works) async throws -> Void) async throws {
            try await withNetwork("fw-net") {
                try await Traffic.withWeb("fw-web", "--network", "fw-net") { _ in
                    try await withService("fw-ask", "--network", "fw-net", Images.test, "sleep", "1000") { _ in
                        let asking = Machine.Place.namespace(try await taskNamespace("fw-ask.1"))
                        let virtual = try await virtualAddress("fw-web")
                        let task = try await taskAddress("fw-web.1")
                        try await withServerOutside(port: 7000) {
                            try await body { when in
                                try await planBecomesEmpty()
                                try await expect(.outside, Machine.address, 8080, when)
                                try await expect(.outside, Machine.address6, 8080, when)
                                try await expect(asking, virtual, 80, when)
                                try await expect(asking, task, 80, when)
                                try await expect(asking, Machine.client, 7000, when)
                            }
                        }
                    }
                }
            }
        }

        private static func expect(
            _ place: Machine.Place, _ address: String, _ port: Int, _ when: String
        ) async throws {
            let load = Load(transport: .http, address: address, port: port, count: 20, timeout: .seconds(2))
            let result = try await load.run(at: place)
            #expect(result.answered == 20, "\(when): from \(place) to \(address) port \(port): \(result)")
        }

        /// firewalld with the defaults of its package, and a message bus for it.
        ///
        /// It throws away what it finds in iptables, Docker Engine's chains too, and this engine does not hear of it.
        private static func withFirewalld(_ body: (Firewalld) async throws -> Void) async throws {
            let rules = try await OthersRules.save()
            try await withCopy(of: "/etc/firewalld") {
                let firewalld = try await Firewalld()
                do { try await body(firewalld) } catch {
                    await firewalld.end()
                    try await rules.restore()
                    throw error
                }
                await firewalld.end()
            }
            try await rules.restore()
        }

        /// Has a copy in the place of a folder of /etc, so that what a tool writes there does not outlive the test.
        private static func withCopy(of folder: String, body: () async throws -> Void) async throws {
            let copy = "/run/causeway-test-copy"
            try await shell("sh", "-ec", "rm -rf \(copy); cp -a \(folder) \(copy); mount --bind \(copy) \(folder)")
            do { try await body() } catch {
                try await shell("umount", folder)
                throw error
            }
            try await shell("umount", folder)
        }
    }
}
