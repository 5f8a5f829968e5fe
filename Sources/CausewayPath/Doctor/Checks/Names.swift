import CausewayKernel
import CausewayModel

/// Answers that lead elsewhere than packets.
struct NamesCheck: Check {
    let name = "names-disagree"
    let looksAt = "what each task's name server answers for the services of its networks, against their virtual IPs"
    let why = "a name leads to a dead task or to nothing while the service runs"
    let threads: [Discussion] = [.moby(41_744), .moby(53_141)]

    func examine(_ patient: Patient) -> Examination {
        guard let names = patient.names else {
            return patient.inhabited.isEmpty
                ? .irrelevant("no task here")
                : .notSeen("names are asked for on the live host alone, not in a snapshot")
        }
        guard !names.isEmpty else { return .irrelevant("no task here is on a network with a virtual IP") }
        return .of(names.compactMap { finding(patient, $0) })
    }

    private func finding(_ patient: Patient, _ answer: NameAnswer) -> Finding? {
        guard let position = patient.world.position(ofInode: answer.namespace) else { return nil }
        let place = patient.place(position)
        let directory = Directory(patient.world.seen(from: patient.world.host(of: position)))
        let own = directory.virtualIPs.filter { $0.service == answer.name }
        let wanted = own.filter { patient.reaches($0.address, from: position) && $0.address.family == .ip }
        guard !wanted.isEmpty else { return nil }
        let truth = "its virtual IP is \(wanted.map { "\($0.address)" }.sorted().joined(separator: " "))"
        let known = Set(own.map { "\($0.address)" })
        let strangers = answer.addresses.filter { !known.contains($0) }
        let cause: String
        if let failure = answer.failure {
            cause = "\(answer.name) cannot be resolved in \(place.heading) (\(failure)), and \(truth)"
        } else if answer.addresses.isEmpty {
            cause = "\(answer.name) has no address in \(place.heading), and \(truth)"
        } else if !strangers.isEmpty {
            cause = "\(answer.name) leads to \(strangers.joined(separator: " ")) in \(place.heading), and \(truth)"
        } else {
            return nil
        }
        let text = answer.failure ?? (answer.addresses.isEmpty ? "none" : answer.addresses.joined(separator: " "))
        return Finding(
            .fault, cause,
            [Evidence(.answer, "\(answer.name) A: \(text)", at: place, owner: "service \(answer.name)")],
            remedy: patient.isCauseway(patient.world.host(of: position))
                ? .run("causeway plan", "names come from the same state as the maps; restart causewayd if it is silent")
                : .run("docker service update --force \(answer.name)"))
    }
}

extension Patient {
    /// Names to be asked for within a task.
    package struct NameQuestion: Hashable, Sendable {
        package var namespace: UInt64
        package var path: String
        package var names: [String]
    }

    private static let mostQuestions = 32

    /// Each task of the first host, and the services whose virtual addresses it has a way to.
    package var questions: [NameQuestion] {
        guard let host = hosts.first else { return [] }
        let services = Directory(world.seen(from: host)).virtualIPs
        let tasks = inner(of: host).filter { world.identity($0).task != nil }
        return tasks.prefix(Self.mostQuestions).compactMap { position in
            let names = services.filter { reaches($0.address, from: position) }.compactMap(\.service)
            guard !names.isEmpty else { return nil }
            return NameQuestion(
                namespace: world[position].inode, path: world[position].path,
                names: Array(Set(names).sorted().prefix(Self.mostQuestions)))
        }
    }

    /// Whether a task is on the network of an address: it has more than a default route there.
    func reaches(_ address: IPAddress, from position: Int) -> Bool {
        let route = Routing(world[position]).decide(RouteQuery(destination: address)).route
        return route?.kind == .unicast && (route?.destination.prefixLength ?? 0) > 0
    }
}
