import CausewayModel
import FoundationEssentials

extension Swarm.Privileges {
    /// As `docker run --security-opt` has them.
    var securityOptions: [String] {
        var options = hasNoNewPrivileges == true ? ["no-new-privileges"] : []
        if let context = seLinux {
            if context.isDisabled == true { options.append("label=disable") }
            let parts = [
                ("user", context.user), ("role", context.role), ("level", context.level), ("type", context.type),
            ]
            for case (let name, let value?) in parts where !value.isEmpty { options.append("label=\(name):\(value)") }
        }
        switch seccomp?.mode {
        case "unconfined": options.append("seccomp=unconfined")
        case "custom":
            options.append("seccomp=\(String(decoding: seccomp?.profile ?? Data(), as: UTF8.self))")
        default: break
        }
        if appArmor?.mode == "disabled" { options.append("apparmor=unconfined") }
        return options
    }
}
