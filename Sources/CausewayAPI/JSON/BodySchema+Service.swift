/// `POST /services/create` and `/services/{id}/update`, field by field (Engine API 1.50).
extension BodySchema {
    static let service: BodySchema = [
        "Name": .value,
        "Labels": .value,
        "TaskTemplate": .object(task),
        "Mode": .object([
            "Replicated": .object(["Replicas": .count]),
            "Global": .value,
            "ReplicatedJob": .object(["MaxConcurrent": .count, "TotalCompletions": .count]),
            "GlobalJob": .value,
        ]),
        "UpdateConfig": .object(update),
        "RollbackConfig": .object(update),
        "Networks": .list(attachment),
        "EndpointSpec": .object([
            "Mode": .value,
            "Ports": .list([
                "Name": .value, "Protocol": .value, "TargetPort": .port, "PublishedPort": .port,
                "PublishMode": .value,
            ]),
        ]),
    ]

    private static let task: BodySchema = [
        "ContainerSpec": .object(container),
        "PluginSpec": .refusedIfPresent("services that run plugins"),
        "NetworkAttachmentSpec": .refusedIfPresent("services that attach containers"),
        "Resources": .object([
            "Limits": .object(limits), "Reservations": .object(reservations),
            "SwapBytes": .refused("--memory-swap", .number),
            "MemorySwappiness": .refused("--memory-swappiness", .number, harmless: [.integer(-1)]),
        ]),
        "RestartPolicy": .object(["Condition": .value, "Delay": .signed, "MaxAttempts": .count, "Window": .signed]),
        "Placement": .object([
            "Constraints": .value,
            "Preferences": .list(["Spread": .object(["SpreadDescriptor": .value])]),
            "MaxReplicas": .count,
            "Platforms": .list(["Architecture": .value, "OS": .value]),
        ]),
        "Networks": .list(attachment),
        "LogDriver": .object(["Name": .value, "Options": .value]),
        "ForceUpdate": .count,
        "Runtime": .refused("services that run plugins", .text, harmless: [.string("container")]),
    ]

    private static let container: BodySchema = [
        "Image": .value, "Labels": .value, "Command": .value, "Args": .value, "Hostname": .value, "Env": .value,
        "Dir": .value, "User": .value, "Groups": .value, "TTY": .value, "OpenStdin": .value, "ReadOnly": .value,
        "Init": .value, "StopSignal": .value, "StopGracePeriod": .signed, "Hosts": .value, "Sysctls": .value,
        "CapabilityAdd": .value, "CapabilityDrop": .value,
        "Isolation": .refused("--isolation", .text, harmless: [.string("default")]),
        "DNSConfig": .object(["Nameservers": .value, "Search": .value, "Options": .value]),
        "Ulimits": .list(["Name": .value, "Soft": .signed, "Hard": .signed]),
        "Mounts": .list(mount),
        "Secrets": .list(["File": .object(file), "SecretID": .value, "SecretName": .value]),
        "Configs": .list([
            "File": .object(file), "ConfigID": .value, "ConfigName": .value,
            "Runtime": .refusedIfPresent("--credential-spec config://..."),
        ]),
        "OomScoreAdj": .signed,
        "Healthcheck": .object([
            "Test": .value, "Interval": .signed, "Timeout": .signed, "StartPeriod": .signed, "StartInterval": .signed,
            "Retries": .signed,
        ]),
        "Privileges": .object([
            "CredentialSpec": .refused("--credential-spec", .object),
            "SELinuxContext": .object([
                "Disable": .value, "User": .value, "Role": .value, "Type": .value, "Level": .value,
            ]),
            "NoNewPrivileges": .value,
            "Seccomp": .object(["Mode": .value, "Profile": .value]),
            "AppArmor": .object(["Mode": .value]),
        ]),
    ]

    private static let file: BodySchema = [
        "Name": .value, "UID": .value, "GID": .value, "Mode": .integer(0...4_294_967_295),
    ]

    private static let mount: BodySchema = [
        "Type": .value, "Source": .value, "Target": .value, "ReadOnly": .value, "Consistency": .value,
        "BindOptions": .object([
            "Propagation": .value, "NonRecursive": .value,
            "CreateMountpoint": .refused("--mount bind-create-src", .flag),
            "ReadOnlyNonRecursive": .refused("--mount bind-recursive=writable", .flag),
            "ReadOnlyForceRecursive": .refused("--mount bind-recursive=readonly", .flag),
        ]),
        "VolumeOptions": .object([
            "NoCopy": .value, "Labels": .value, "DriverConfig": .object(["Name": .value, "Options": .value]),
            "Subpath": .refused("--mount volume-subpath", .text),
        ]),
        "TmpfsOptions": .object([
            "SizeBytes": .count, "Mode": .integer(0...4_294_967_295),
            "Options": .refused("--mount tmpfs options", .list),
        ]),
        "ImageOptions": .refusedIfPresent("--mount type=image"),
        "ClusterOptions": .refusedIfPresent("--mount type=cluster"),
    ]

    private static let attachment: BodySchema = [
        "Target": .value, "Aliases": .value, "DriverOpts": .value,
    ]

    private static let update: BodySchema = [
        "Parallelism": .count, "Delay": .signed, "FailureAction": .value, "Monitor": .signed,
        "MaxFailureRatio": .value, "Order": .value,
    ]

    private static let limits: BodySchema = [
        "NanoCPUs": .signed, "MemoryBytes": .signed, "Pids": .signed,
        "GenericResources": .refused("limits of generic resources", .list),
    ]

    private static let reservations: BodySchema = [
        "NanoCPUs": .signed, "MemoryBytes": .signed, "Pids": .signed,
        "GenericResources": .list([
            "NamedResourceSpec": .object(["Kind": .value, "Value": .value]),
            "DiscreteResourceSpec": .object(["Kind": .value, "Value": .signed]),
        ]),
    ]
}
