import CausewayModel
import Foundation
import Testing

@Suite(.serialized) struct DependencyRoutesTests {
    /// `{"Name":NAME,…,"Data":"aG9yc2U="}`: horse.
    private func body(_ name: String, _ more: String = "") -> String {
        #"{"Name":"\#(name)","Labels":{"tier":"\#(name.prefix(1))"},"Data":"aG9yc2U="\#(more)}"#
    }

    @Test(arguments: ["secret", "config"])
    func `is made, shown by every kind of name, relabelled and removed`(_ kind: String) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let templating = #","Templating":{"Name":"golang"}"#
            let made = try await house.call("POST", "/v1.50/\(kind)s/create", body("key", templating))
            #expect(made.status == 201)
            let id = try #require(made.object["ID"] as? String)
            #expect(try await house.call("POST", "/v1.50/\(kind)s/create", body("key")).status == 409)

            for reference in [id, "key", String(id.prefix(8))] {
                let shown = try await house.call("GET", "/v1.50/\(kind)s/\(reference)")
                let spec = try #require(shown.object["Spec"] as? [String: Any])
                #expect(shown.object["ID"] as? String == id)
                #expect(shown.object["CreatedAt"] is String && shown.object["UpdatedAt"] is String)
                #expect(spec["Name"] as? String == "key" && spec["Labels"] as? [String: String] == ["tier": "k"])
                #expect((spec["Templating"] as? [String: Any])?["Name"] as? String == "golang")
                #expect(spec["Data"] as? String == (kind == "config" ? "aG9yc2U=" : nil))
                if kind == "secret" { #expect(!shown.body.contains("aG9yc2")) }
            }
            let version = try #require(
                (try await house.call("GET", "/\(kind)s/key").object["Version"] as? [String: Any])?["Index"] as? Int)
            let update = "/\(kind)s/key/update?version="
            let labels = #"{"Name":"key","Labels":{"a":"b"}}"#
            #expect(try await house.call("POST", update + "\(version + 1)", labels).status == 500)
            #expect(try await house.call("POST", update, labels).status == 400)
            #expect(try await house.call("POST", update + "\(version)", labels).status == 200)
            #expect(try await house.call("GET", "/\(kind)s/key").body.contains(#""Labels":{"a":"b"}"#))

            #expect(try await house.call("DELETE", "/\(kind)s/key").status == 204)
            #expect(try await house.call("GET", "/\(kind)s/key").status == 404)
        }
    }

    @Test func `lists by identifier, beginning of a name, whole name and label; each kind its own`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            for name in ["db", "db-old", "web"] {
                _ = try await house.call("POST", "/secrets/create", body(name))
            }
            _ = try await house.call("POST", "/configs/create", body("db"))
            func names(_ filters: String, _ kind: String = "secrets") async throws -> [String] {
                let text = filters.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
                let reply = try await house.call("GET", "/\(kind)?filters=\(text)")
                let list = try JSONSerialization.jsonObject(with: Data(reply.body.utf8)) as? [[String: Any]] ?? []
                #expect(!reply.body.contains("aG9yc2") || kind == "configs")
                return list.compactMap { ($0["Spec"] as? [String: Any])?["Name"] as? String }.sorted()
            }

            #expect(try await names("{}") == ["db", "db-old", "web"])
            #expect(try await names(#"{"name":["db"]}"#) == ["db", "db-old"])
            #expect(try await names(#"{"names":["db"]}"#) == ["db"])
            #expect(try await names(#"{"label":["tier=w"]}"#) == ["web"])
            #expect(try await names(#"{"name":{"db":true},"label":["tier=w"]}"#) == [])
            #expect(try await names(#"{"id":["dep"]}"#).count == 3)
            #expect(try await names(#"{}"#, "configs") == ["db"])
        }
    }

    @Test func `a service's uses are kept as they were said`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let uses =
                #""Secrets":[{"File":{"Name":"k","UID":"33","GID":"34","Mode":256},"SecretID":"i","SecretName":"s"}],"#
                + #""Configs":[{"File":{"Name":"/etc/x","UID":"0","GID":"0","Mode":292},"ConfigID":"j","ConfigName":"c"}]"#
            let made = try await house.call(
                "POST", "/services/create",
                #"{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"i",\#(uses)}}}"#)
            #expect(made.status == 201, "\(made.body)")

            let shown = try await house.call("GET", "/services/web").object
            let template = (shown["Spec"] as? [String: Any])?["TaskTemplate"] as? [String: Any]
            let container = try #require(template?["ContainerSpec"] as? [String: Any])
            let secret = try #require((container["Secrets"] as? [[String: Any]])?.first)
            #expect(secret["SecretID"] as? String == "i" && secret["SecretName"] as? String == "s")
            let file = try #require(secret["File"] as? [String: Any])
            #expect(file["Name"] as? String == "k" && file["UID"] as? String == "33" && file["Mode"] as? Int == 256)
            #expect((container["Configs"] as? [[String: Any]])?.first?["ConfigName"] as? String == "c")
        }
    }
}
