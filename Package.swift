// swift-tools-version: 6.2
import PackageDescription

/// Every target is held to the same rules: Swift 6 mode comes with the tools version, a warning is an error,
/// and `package` is the widest access there is.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// What other packages give, by product.
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: [Target.Dependency] = [
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
    .product(name: "UnixSignals", package: "swift-service-lifecycle"),
]
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let collections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let hummingbird: [Target.Dependency] = [.product(name: "Hummingbird", package: "hummingbird")]
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let certificates: [Target.Dependency] = [
    crypto,
    .product(name: "X509", package: "swift-certificates"),
    .product(name: "SwiftASN1", package: "swift-asn1"),
]

let grpc: [Target.Dependency] = [
    .product(name: "GRPCCore", package: "grpc-swift-2"),
    .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
    .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
    .product(name: "SwiftProtobuf", package: "swift-protobuf"),
]

/// Below gRPC: whose certificate a connection shows, and why a handshake failed.
let tls: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOTLS", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
    .product(name: "NIOCertificateReloading", package: "swift-nio-extras"),
]

/// The ground floor: C that Swift cannot import by itself.
let ground: [Target] = [
    .target(name: "CLinux"),
    .systemLibrary(name: "CNFTables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
]

/// Values and deciders: no package beyond the toolchain, so that they build and test in seconds.
let deciders: [Target] = [
    .target(name: "CausewayModel", swiftSettings: strict),
    .target(name: "CausewayMetrics", swiftSettings: strict),
    .target(name: "CausewayKernel", dependencies: ["CausewayModel"], swiftSettings: strict),
    .target(name: "CausewayPath", dependencies: ["CausewayModel", "CausewayKernel"], swiftSettings: strict),
    .target(name: "CausewayAgent", dependencies: ["CausewayModel", "CausewayKernel", log], swiftSettings: strict),
    .target(name: "CausewayManager", dependencies: ["CausewayModel", "CausewayStore", log], swiftSettings: strict),
]

/// Edges: the kernel, the disk, the wire, Docker Engine.
let edges: [Target] = [
    .target(name: "CausewayStore", dependencies: ["CausewayModel", grdb, crypto], swiftSettings: strict),
    .target(
        name: "CausewayLinux", dependencies: ["CausewayModel", "CausewayKernel", "CLinux", "CNFTables", log],
        swiftSettings: strict),
    .target(
        name: "CausewayTrace",
        dependencies: ["CausewayModel", "CausewayKernel", "CausewayPath", "CausewayLinux", "CLinux"],
        swiftSettings: strict),
    .target(name: "CausewaySockets", dependencies: ["CausewayModel", "CLinux"], swiftSettings: strict),
    .target(name: "CausewayDNS", dependencies: ["CausewayModel", "CausewaySockets", log], swiftSettings: strict),
    .target(
        name: "CausewayKeeper", dependencies: ["CausewayModel", "CausewaySockets", "CausewayDNS", "CLinux", log],
        swiftSettings: strict),
    .target(
        name: "CausewaySession", dependencies: ["CausewayModel", log] + certificates + grpc + tls,
        exclude: ["Protocol/session.proto"], swiftSettings: strict),
    .target(
        name: "CausewayEngine", dependencies: ["CausewayModel", "CausewayMetrics", log, httpClient] + nio,
        swiftSettings: strict),
    .target(
        name: "CausewayRuntime", dependencies: ["CausewayModel", "CausewayEngine", log] + nio, swiftSettings: strict),
    .target(
        name: "CausewayAPI",
        dependencies: ["CausewayModel", "CausewayEngine", "CausewayMetrics", log, httpClient, collections] + nio
            + hummingbird,
        swiftSettings: strict),
]

/// Doors: they connect the parts and do nothing else.
let doors: [Target] = [
    .executableTarget(
        name: "causewayd",
        dependencies: [
            "CausewayModel", "CausewayKernel", "CausewayStore", "CausewayManager", "CausewayAgent", "CausewayLinux",
            "CausewayDNS", "CausewayKeeper", "CausewaySession", "CausewayEngine", "CausewayRuntime", "CausewayAPI",
            "CausewayMetrics",
            log, arguments, configuration,
        ] + lifecycle,
        swiftSettings: strict),
    .executableTarget(
        name: "causeway",
        dependencies: [
            "CausewayModel", "CausewayKernel", "CausewayPath", "CausewayLinux", "CausewayTrace", "CausewaySockets",
            arguments,
        ],
        swiftSettings: strict),
    .executableTarget(name: "causeway-oci", swiftSettings: strict),
    .executableTarget(
        name: "causeway-keeper", dependencies: ["CausewayModel", "CausewayKeeper", log, arguments],
        swiftSettings: strict),
]

let tests: [Target] = [
    .target(
        name: "CausewayTestKit", dependencies: ["CausewayModel", "CausewayKernel", "CausewayLinux"],
        swiftSettings: strict),
    .testTarget(
        name: "CausewayMetricsTests", dependencies: ["CausewayMetrics", "CausewayTestKit"], swiftSettings: strict),
    .testTarget(
        name: "CausewayDaemonTests",
        dependencies: ["causewayd", "CausewayModel", "CausewayStore", "CausewayLinux", log],
        swiftSettings: strict),
    .testTarget(name: "CausewayModelTests", dependencies: ["CausewayModel"], swiftSettings: strict),
    .testTarget(
        name: "CausewayKernelTests", dependencies: ["CausewayModel", "CausewayKernel"],
        resources: [.copy("Fixtures")], swiftSettings: strict),
    .testTarget(
        name: "CausewayPathTests", dependencies: ["CausewayModel", "CausewayKernel", "CausewayPath"],
        resources: [.copy("Fixtures")], swiftSettings: strict),
    .testTarget(
        name: "CausewayAgentTests",
        dependencies: ["CausewayModel", "CausewayKernel", "CausewayAgent", "CausewayTestKit", log],
        swiftSettings: strict),
    .testTarget(
        name: "CausewayManagerTests",
        dependencies: [
            "CausewayModel", "CausewayStore", "CausewayManager", "CausewaySession", "CausewayTestKit", grdb,
        ],
        swiftSettings: strict),
    .testTarget(
        name: "CausewaySessionTests",
        dependencies: [
            "CausewayModel", "CausewaySession", log, .product(name: "NIOPosix", package: "swift-nio"),
        ] + certificates + grpc + tls,
        swiftSettings: strict),
    .testTarget(
        name: "CausewayLinuxTests",
        dependencies: [
            "CausewayModel", "CausewayKernel", "CausewayPath", "CausewayAgent", "CausewayLinux", "CausewayTestKit", log,
        ],
        swiftSettings: strict),
    .testTarget(
        name: "CausewayTraceTests",
        dependencies: [
            "CausewayModel", "CausewayKernel", "CausewayPath", "CausewayLinux", "CausewayTrace", "CausewayTestKit",
            "CLinux",
        ],
        swiftSettings: strict),
    .testTarget(
        name: "CausewayDNSTests", dependencies: ["CausewayModel", "CausewaySockets", "CausewayDNS"] + nio,
        swiftSettings: strict),
    .testTarget(
        name: "CausewayKeeperTests",
        dependencies: [
            "CausewayModel", "CausewaySockets", "CausewayDNS", "CausewayKeeper", "CausewayLinux", "CausewayTestKit",
            "causeway-keeper",
        ],
        swiftSettings: strict),
    .testTarget(name: "CausewayOCITests", dependencies: ["causeway-oci"], swiftSettings: strict),
    .testTarget(
        name: "CausewayRuntimeTests", dependencies: ["CausewayModel", "CausewayEngine", "CausewayRuntime"],
        swiftSettings: strict),
    .testTarget(
        name: "CausewayAPITests",
        dependencies: [
            "CausewayModel", "CausewayEngine", "CausewayStore", "CausewayManager", "CausewayAPI", "CausewayTestKit",
            httpClient,
        ] + nio + hummingbird,
        resources: [.copy("Fixtures")], swiftSettings: strict),
    .testTarget(
        name: "AcceptanceTests",
        dependencies: [
            "CausewayModel", "CausewayKernel", "CausewayPath", "CausewayLinux", "CausewayTestKit", "CausewayDNS",
            "CausewayKeeper", log,
        ],
        exclude: ["Fixtures"], swiftSettings: strict),
]

/// What is measured in this process itself; not installed.
let benches: [Target] = [
    .executableTarget(
        name: "causeway-bench-change",
        dependencies: ["CausewayModel", "CausewayKernel", "CausewayAgent", "CausewayLinux", "CLinux"],
        path: "Bench/change", swiftSettings: strict),
    .executableTarget(
        name: "causeway-bench-cluster",
        dependencies: ["CausewayModel", "CausewayStore", "CausewayManager", log],
        path: "Bench/cluster", swiftSettings: strict),
]

let package = Package(
    name: "causeway",
    products: [
        .executable(name: "causewayd", targets: ["causewayd"]),
        .executable(name: "causeway", targets: ["causeway"]),
        .executable(name: "causeway-oci", targets: ["causeway-oci"]),
        .executable(name: "causeway-keeper", targets: ["causeway-keeper"]),
        .executable(name: "causeway-bench-change", targets: ["causeway-bench-change"]),
        .executable(name: "causeway-bench-cluster", targets: ["causeway-bench-cluster"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: ground + deciders + edges + doors + benches + tests
)
