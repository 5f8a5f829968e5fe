import CausewayModel
import Foundation
import Testing

@Suite struct `A template` {
    static let root: Template.Value = .object([
        "Name": .text("web"), "Count": .integer(3), "Labels": .map(["a": .text("1"), "b.c": .text("2")]),
        "List": .list([.text("x"), .text("y")]), "Empty": .list([]), "No": .bool(false),
    ])

    static func fill(_ text: String) throws -> String {
        String(decoding: try Template(text.utf8).fill(root), as: UTF8.self)
    }

    /// Each as Go's text/template gives it.
    @Test(arguments: [
        ("plain } text {", "plain } text {"), ("", ""), ("{{.Name}}-{{ .Count }}", "web-3"),
        ("{{.Labels.a}}", "1"), (#"{{index .Labels "b.c"}}"#, "2"), (#"{{index .Labels "none"}}."#, "."),
        (#"{{index .List 1}}"#, "y"), ("a {{- .Name -}} b", "awebb"), ("a\n{{- /* no */ -}}\n b", "ab"),
        ("{{/* a }} comment */}}x", "x"), (#"{{"}}"}}"#, "}}"), ("{{`raw \\n`}}", "raw \\n"),
        (#"{{"tab\t\"q\""}}"#, "tab\t\"q\""),
        ("{{if .Name}}yes{{end}}", "yes"), ("{{if .No}}yes{{else}}no{{end}}", "no"),
        (#"{{if eq .Name "db" "x"}}1{{else if eq .Name "db" "web"}}2{{else}}3{{end}}"#, "2"),
        (#"{{if and .Name (not .No) (gt .Count 2)}}all{{end}}"#, "all"), (#"{{or .No "other"}}"#, "other"),
        ("{{with .Labels}}{{.a}}{{$.Name}}{{end}}", "1web"), ("{{with .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .List}}[{{.}}]{{end}}", "[x][y]"), ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b.c=2;"),
        ("{{range $i, $v := .List}}{{$i}}{{$v}}{{end}}", "0x1y"),
        ("{{$n := .Name}}{{if true}}{{$n = \"in\"}}{{$n}}{{end}}{{$n}}", "inin"),
        (#"{{printf "%s-%03d|%-4s|%q" .Name .Count "a" "b"}}"#, #"web-003|a   |"b""#),
        (#"{{.Name | printf "%s/%s" "pre"}}"#, "pre/web"), (#"{{join "," "a" .Name}}"#, "a,web"),
        ("{{len .Labels}}{{len .Name}}", "23"), ("{{print .Labels}}", "map[a:1 b.c:2]"), ("{{.List}}", "[x y]"),
        ("{{(index .List 0)}}{{ne .Count 3}}", "xfalse"), ("{{.No}}", "false"),
    ])
    func `is filled in as Go fills it in`(text: String, result: String) throws {
        #expect(try Self.fill(text) == result)
    }

    @Test(arguments: [
        ("{{.Name", "unclosed action"), ("{{.Nope}}", "can't evaluate field Nope: known are .Count, .Empty"),
        ("{{.Labels.none}}", "map has no entry for key \"none\""), ("{{.Name.x}}", "can't evaluate field x in web"),
        ("{{nope .Name}}", "function \"nope\" not defined"), ("a\n\n{{$x}}", "expansion:3: undefined variable \"$x\""),
        ("{{if .Name}}x", "unexpected EOF"), ("{{end}}", "unexpected {{end}}"), ("{{}}", "missing value for command"),
        ("{{.Name .Count}}", "can't give argument to non-function"), ("{{(.Name}}", "unclosed left paren"),
        ("{{.Name)}}", "unexpected \")\""), (#"{{"open}}"#, "unterminated quoted string"), ("{{1.5}}", "whole numbers"),
        (#"{{template "x"}}"#, "{{template}} is not supported"),
        ("{{range .Name}}{{end}}", "range can't iterate over web"),
        ("{{index .List 9}}", "error calling index: index out of range: 9"), ("{{@}}", "unexpected \"@\" in action"),
        ("{{/* open", "unclosed comment"), (#"{{printf "%s"}}"#, "missing argument"),
        (#"{{lt .Name 3}}"#, "incompatible types for comparison"),
    ])
    func `that is wrong says what and where`(text: String, says: String) {
        let failure = #expect(throws: Template.Failure.self) { try Self.fill(text) }
        #expect(failure?.description.contains(says) == true, "\(failure?.description ?? "")")
        #expect(failure?.description.hasPrefix("template: expansion:") == true)
    }

    /// Whatever is thrown at it, it answers or refuses.
    @Test func `of random words never ends the process`() {
        let words = [
            "{{", "}}", "-", " ", ".", "$", "x", "if", "else", "end", "range", "with", "|", "(", ")", "\"", "`", ":=",
            ",", "/*",
            "*/", "index", ".Labels", "1", "\n", "printf", "%d", "é", "$x",
        ]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 1...14, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            .joined()
            _ = try? Self.fill(text)
        }
    }
}

@Suite struct `Swarm's templates` {
    static func task(slot: Int = 2, _ edit: (inout Swarm.ContainerSpec) -> Void = { _ in }) -> Swarm.Task {
        var container = Swarm.ContainerSpec(image: "i")
        edit(&container)
        let meta = Swarm.Meta(createdAt: .zero, updatedAt: .zero)
        let spec = Swarm.ServiceSpec(
            name: "web", labels: ["tier": "front"], taskTemplate: Swarm.TaskSpec(containerSpec: container))
        return Swarm.Task(
            id: "t1", meta: meta, service: Swarm.Service(id: "s1", meta: meta, spec: spec), slot: slot, nodeID: "n1")
    }

    private func filled(_ task: Swarm.Task) throws -> Swarm.ContainerSpec {
        try TaskTemplate(task: task, nodeHostname: "alpha").filled(task.spec.containerSpec ?? .init(image: ""))
    }

    @Test func `know service, node and task, in host name, values and mounts`() throws {
        let task = Self.task {
            $0.hostname = "{{.Service.Name}}-{{.Task.Slot}}-{{.Node.Hostname}}"
            $0.env = [
                "IDS={{.Service.ID}}/{{.Node.ID}}/{{.Task.ID}}", "NAME={{.Task.Name}}", "TIER={{.Service.Labels.tier}}",
                #"NONE={{index .Service.Labels "x"}}"#, "ON={{.Node.Platform.OS}}", "{{.Task.ID}}",
                "{{k}}={{.Task.Slot}}",
            ]
            var mount = Swarm.Mount(type: "volume", source: "data-{{.Task.Slot}}", target: "/{{.Service.Name}}")
            mount.volumeOptions = .init(labels: ["of": "{{.Task.Name}}"])
            $0.mounts = [mount]
        }
        let spec = try filled(task)
        #expect(spec.hostname == "web-2-alpha")
        #expect(
            spec.env == [
                "IDS=s1/n1/t1", "NAME=web.2.t1", "TIER=front", "NONE=", "ON=linux", "{{.Task.ID}}", "{{k}}=2",
            ])
        #expect(spec.mounts?.first?.source == "data-2" && spec.mounts?.first?.target == "/web")
        #expect(spec.mounts?.first?.volumeOptions?.labels == ["of": "web.2.t1"])
        #expect(try filled(Self.task(slot: 0) { $0.hostname = "{{.Task.Slot}}" }).hostname == "n1")
    }

    @Test func `that cannot be filled in name the field`() {
        let failure = #expect(throws: TaskTemplate.Failure.self) {
            try filled(Self.task { $0.env = ["A=1", "B={{.Task.Nope}}"] })
        }
        #expect(
            failure?.description
                == "expanding env failed: expanding env \"B={{.Task.Nope}}\": template: expansion:1: can't evaluate field "
                + "Nope: known are .ID, .Name, .Slot")
    }

    @Test func `in contents know the task's files and its environment, and nothing else`() throws {
        let task = Self.task {
            $0.env = ["SHARD={{.Task.Slot}}"]
            $0.secrets = [.init("s", name: "db", file: .init(name: "password"))]
            $0.configs = [.init("c", name: "web", file: .init(name: "/etc/web"))]
        }
        func content(_ text: String, isTemplate: Bool = true) throws -> String {
            let given: [Swarm.AssignedDependency] = [
                .init(id: "s", kind: .secret, payload: .init("pw{{")),
                .init(id: "c", kind: .config, payload: .init(text), isTemplate: isTemplate),
                .init(id: "other", kind: .secret, payload: .init("hidden")),
            ]
            let payload = try TaskTemplate(task: task, nodeHostname: "alpha").filled(given[1], of: given)
            return String(decoding: payload.bytes, as: UTF8.self)
        }

        #expect(
            try content(#"{{secret "password"}} {{env "SHARD"}} {{.Node.Hostname}} [{{env "NONE"}}]"#)
                == "pw{{ 2 alpha []")
        #expect(try content("{{.Task.Slot}}", isTemplate: false) == "{{.Task.Slot}}")
        for text in [#"{{secret "db"}}"#, #"{{secret "other"}}"#] {
            let failure = #expect(throws: TaskTemplate.Failure.self) { try content(text) }
            #expect(failure?.description.contains("secret target") == true)
            #expect(failure?.description.hasPrefix("expanding config failed: ") == true)
        }
    }
}
