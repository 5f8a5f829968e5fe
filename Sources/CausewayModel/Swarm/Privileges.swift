import FoundationEssentials

extension Swarm {
    /// What a task's container may do beyond or below the usual (`Privileges` of the Engine API).
    package struct Privileges: Hashable, Codable, Sendable {
        package struct SELinuxContext: Hashable, Codable, Sendable {
            package var isDisabled: Bool?
            package var user: String?
            package var role: String?
            package var type: String?
            package var level: String?

            enum CodingKeys: String, CodingKey {
                case isDisabled = "Disable"
                case user = "User"
                case role = "Role"
                case type = "Type"
                case level = "Level"
            }
        }

        package struct Seccomp: Hashable, Codable, Sendable {
            /// `default`, `unconfined` or `custom`.
            package var mode: String?
            /// The profile in JSON; with `custom` alone.
            package var profile: Data?

            enum CodingKeys: String, CodingKey {
                case mode = "Mode"
                case profile = "Profile"
            }
        }

        package struct AppArmor: Hashable, Codable, Sendable {
            /// `default` or `disabled`.
            package var mode: String?

            enum CodingKeys: String, CodingKey { case mode = "Mode" }
        }

        package var seLinux: SELinuxContext?
        package var seccomp: Seccomp?
        package var appArmor: AppArmor?
        package var hasNoNewPrivileges: Bool?

        package init() {}

        enum CodingKeys: String, CodingKey {
            case credentials = "CredentialSpec"
            case seLinux = "SELinuxContext"
            case seccomp = "Seccomp"
            case appArmor = "AppArmor"
            case hasNoNewPrivileges = "NoNewPrivileges"
        }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            seLinux = try values.decodeIfPresent(SELinuxContext.self, forKey: .seLinux)
            seccomp = try values.decodeIfPresent(Seccomp.self, forKey: .seccomp)
            appArmor = try values.decodeIfPresent(AppArmor.self, forKey: .appArmor)
            hasNoNewPrivileges = try values.decodeIfPresent(Bool.self, forKey: .hasNoNewPrivileges)
        }

        /// As Docker writes it, with nulls.
        ///
        /// Credentials are for Windows, and there are none here.
        package func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encodeNil(forKey: .credentials)
            try values.encode(seLinux, forKey: .seLinux)
            try values.encodeIfPresent(seccomp, forKey: .seccomp)
            try values.encodeIfPresent(appArmor, forKey: .appArmor)
            try values.encode(hasNoNewPrivileges ?? false, forKey: .hasNoNewPrivileges)
        }
    }
}
