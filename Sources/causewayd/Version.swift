/// The release, as `--version` and the Engine API say it.
enum Version {
    static let text = "0.1.0"
}
