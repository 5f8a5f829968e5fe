/// The release that all of Causeway's executables are.
package enum Release {
    package static let version = "0.1.0"
}
