import CausewayModel
import Testing

@testable import CausewayKernel

@Suite struct IPVSReadTests {
    private static let headings = """
        IP Virtual Server version 1.2.1 (size=4096)
        Prot LocalAddress:Port Scheduler Flags
          -> RemoteAddress:Port Forward Weight ActiveConn InActConn

        """

    @Test func `services by mark and by address, with all that a listing says`() throws {
        let services = try IPVS.read(
            proc: Self.headings + """
                FWM  00000104 rr 
                  -> 0A000008:0000      Masq    1      3          12        
                TCP  0A000002:0050 wrr ops persistent 300 FFFFFFFF
                  -> 0A000003:0051      Route   5      0          0         
                  -> 0A000004:0050      Tunnel  0      0          0         
                UDP  [2001:0db8:0000:0000:0000:0000:0000:0009]:0035 sh 
                  -> [2001:0db8:0000:0000:0000:0000:0000:000a]:0035      Local   1      0          0         

                """)

        #expect(services.map(\.key.description) == ["FWM 260", "TCP 10.0.0.2:80", "UDP [2001:db8::9]:53"])
        #expect(services.map(\.scheduler) == ["rr", "wrr", "sh"])
        #expect(services[1].persistence == 300)
        #expect(services[1].flags == ["ops"])
        #expect(
            services[0].destinations == [
                IPVS.Destination(
                    address: IPAddress("10.0.0.8")!, port: 0, method: .masquerade, weight: 1, activeConnections: 3,
                    inactiveConnections: 12)
            ])
        #expect(services[1].destinations.map(\.method) == [.route, .tunnel])
        #expect(services[1].destinations.map(\.port) == [81, 80])
        #expect(services[2].destinations.map(\.method) == [.local])
    }

    @Test func `without a service there is nothing`() throws {
        #expect(try IPVS.read(proc: Self.headings).isEmpty)
        #expect(try IPVS.read(proc: "").isEmpty)
    }

    @Test(arguments: [
        "FWM", "FWM  zz rr", "TCP  0A0000:0050 rr", "XXX  0A000002:0050 rr", "  -> 0A000008:0000 Masq 1 0 0",
        "FWM  00000104 rr\n  -> 0A000008 Masq 1 0 0", "FWM  00000104 rr\n  -> 0A000008:0000 Masq 1",
        "TCP  0A000002:0050 rr persistent",
    ])
    func `a line that is none is an error that shows it`(line: String) {
        #expect(throws: IPVS.ReadError.self) { try IPVS.read(proc: Self.headings + line) }
    }

    @Test func `what ipvsadm saves says the same`() throws {
        let (services, unread) = IPVS.read(
            save: """
                -A -f 260 -s rr
                -a -f 260 -r 10.0.0.5:0 -m -w 1
                -A -t [2001:db8::9]:80 -s wlc -p 300
                -a -t [2001:db8::9]:80 -r [2001:db8::a]:8080 -g -w 4
                -A -q nonsense
                -a -f 77 -r 10.0.0.9:0 -m -w 1
                """)

        #expect(services.map(\.key.description) == ["FWM 260", "TCP [2001:db8::9]:80"])
        #expect(services[0].destinations.map(\.method) == [.masquerade])
        #expect(services[1].destinations.map(\.port) == [8080])
        #expect(services[1].persistence == 300)
        #expect(unread.count == 2)
    }
}
