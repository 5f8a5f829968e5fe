import CausewayModel

/// Checks what a specification says of the container.
enum ContainerValidator {
    static func check(_ container: Swarm.ContainerSpec) throws(SwarmError) {
        guard !container.image.isEmpty else {
            throw Refusal.invalid("ContainerSpec: image reference must be provided")
        }
        guard ImageReference.isWellFormed(container.image) else {
            throw Refusal.invalid("ContainerSpec: \"\(container.image)\" is not a valid repository/tag")
        }
        guard container.isolation ?? "default" == "default" else {
            throw SwarmError(.invalid, "invalid isolation '\(container.isolation ?? "")' on linux: only 'default' is")
        }
        if let grace = container.stopGracePeriod, grace < .zero {
            throw Refusal.invalid("ContainerSpec: stop-grace-period cannot be negative")
        }
        try checkMounts(container.mounts ?? [])
        if let privileges = container.privileges { try check(privileges) }
        if let score = container.oomScoreAdjustment, !(-1000...1000).contains(score) {
            throw Refusal.invalid("ContainerSpec: invalid value \(score), range for oom score adj is [-1000, 1000]")
        }
        if let health = container.healthcheck { try check(health) }
        for variable in container.env ?? [] where variable.isEmpty || variable.hasPrefix("=") {
            throw Refusal.invalid("ContainerSpec: invalid environment variable: \(variable)")
        }
        for line in container.hosts ?? [] {
            let parts = line.split(separator: " ")
            guard parts.count >= 2, IPAddress(String(parts[0])) != nil else {
                throw Refusal.invalid("ContainerSpec: invalid hosts entry '\(line)': it is 'ADDRESS NAME [NAME …]'")
            }
        }
    }

    /// The modes, and a profile where one is needed and nowhere else (API 1.44).
    private static func check(_ privileges: Swarm.Privileges) throws(SwarmError) {
        let seccomp = privileges.seccomp?.mode ?? ""
        guard ["", "default", "unconfined", "custom"].contains(seccomp) else {
            throw SwarmError(
                .invalid, "invalid value of Seccomp.Mode '\(seccomp)': it is default, unconfined or custom")
        }
        guard (privileges.seccomp?.profile?.isEmpty ?? true) == (seccomp != "custom") else {
            throw SwarmError(.invalid, "Seccomp.Mode custom needs a Profile, and no other mode has one")
        }
        let appArmor = privileges.appArmor?.mode ?? ""
        guard ["", "default", "disabled"].contains(appArmor) else {
            throw SwarmError(.invalid, "invalid value of AppArmor.Mode '\(appArmor)': it is default or disabled")
        }
    }

    private static func check(_ health: Swarm.HealthConfig) throws(SwarmError) {
        let durations = [
            ("Interval", health.interval), ("Timeout", health.timeout), ("StartPeriod", health.startPeriod),
            ("StartInterval", health.startInterval),
        ]
        for case (let name, let duration?) in durations where duration != .zero && duration.rawValue < 1_000_000 {
            throw Refusal.invalid("ContainerSpec: \(name) in HealthConfig cannot be less than 1ms")
        }
        if let retries = health.retries, retries < 0 {
            throw Refusal.invalid("ContainerSpec: Retries in HealthConfig cannot be negative")
        }
    }

    private static func checkMounts(_ mounts: [Swarm.Mount]) throws(SwarmError) {
        var targets: Set<String> = []
        for mount in mounts {
            let type = mount.type ?? "volume"
            guard ["bind", "volume", "tmpfs", "npipe", "image", "cluster"].contains(type) else {
                throw SwarmError(.invalid, "invalid MountType: \"\(type)\"")
            }
            guard ["bind", "volume", "tmpfs"].contains(type) else {
                throw Refusal.unsupported("mount type '\(type)'", "use bind, volume or tmpfs")
            }
            func refusal(_ why: String) -> SwarmError {
                SwarmError(.invalid, "invalid mount config for type \"\(type)\": \(why)")
            }
            guard !mount.target.isEmpty else { throw refusal("field Target must not be empty") }
            guard mount.target.hasPrefix("/") else {
                throw refusal("invalid mount path: '\(mount.target)' mount path must be absolute")
            }
            guard mount.target != "/" else { throw refusal("invalid specification: destination can't be '/'") }
            if type == "bind" {
                guard let source = mount.source, !source.isEmpty else {
                    throw refusal("field Source must not be empty")
                }
                guard source.hasPrefix("/") else {
                    throw refusal("invalid mount path: '\(source)' mount path must be absolute")
                }
            }
            if type == "tmpfs", mount.source ?? "" != "" { throw refusal("field Source must not be specified") }
            guard targets.insert(mount.target).inserted else {
                throw Refusal.invalid("ContainerSpec: duplicate mount point: \(mount.target)")
            }
        }
    }
}
