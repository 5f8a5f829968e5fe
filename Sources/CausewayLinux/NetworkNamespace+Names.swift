import CLinux
import CausewayKernel
import Glibc

/// Namespaces with a name, as ip-netns(8) keeps them: files of nsfs mounted in one directory.
extension NetworkNamespace {
    /// Where ip-netns(8) keeps them.
    package static let directory = "/run/netns"

    /// Makes a namespace, empty but for lo, which is down.
    ///
    /// A file of that name with no namespace behind it (a crash leaves one) is taken over.
    package static func create(
        name: String, in directory: String = Self.directory
    ) async throws(KernelError) -> NetworkNamespace {
        let step = "netns add \(name)"
        let namespace = NetworkNamespace(name: name, in: directory)
        try check(name, step)
        try await host.performStep { () throws(KernelError) in
            try prepare(directory, step)
            try makeFile(namespace.path, in: directory, step)
            // The thread goes into the new namespace, pins it down by a mount, and ends.
            var failure = clinux_new_network_namespace()
            if failure == 0, mount(current.path, namespace.path, "none", UInt(MS_BIND), nil) != 0 {
                failure = errno
            }
            guard failure == 0 else {
                unlink(namespace.path)
                throw KernelError(step, errno: failure)
            }
        }
        return namespace
    }

    /// Gives the namespace behind a file of nsfs a name, in the calling thread's mount namespace.
    static func pin(
        _ source: String, name: String, in directory: String, _ step: String
    ) throws(KernelError) {
        let path = NetworkNamespace(name: name, in: directory).path
        try check(name, step)
        try prepare(directory, step)
        try makeFile(path, in: directory, step)
        guard mount(source, path, "none", UInt(MS_BIND), nil) == 0 else {
            let failure = errno
            unlink(path)
            throw KernelError(step, errno: failure)
        }
    }

    /// Takes the name away; the namespace itself goes with its last process and socket, and its links with it.
    package static func delete(name: String, in directory: String = Self.directory) throws(KernelError) {
        let step = "netns delete \(name)"
        try check(name, step)
        let path = NetworkNamespace(name: name, in: directory).path
        // EINVAL: nothing is mounted there, and only the file is left to remove.
        if umount2(path, Int32(MNT_DETACH)) != 0, errno != EINVAL {
            throw KernelError(step, errno: errno)
        }
        guard unlink(path) == 0 else { throw KernelError(step, errno: errno) }
    }

    /// Every name, sorted.
    package static func names(in directory: String = Self.directory) throws(KernelError) -> [String] {
        guard let names = Directory.entries(directory) else {
            guard errno == ENOENT else { throw KernelError("list \(directory)", errno: errno) }
            return []
        }
        return names
    }

    private static func check(_ name: String, _ step: String) throws(KernelError) {
        guard !name.isEmpty, name.utf8.count <= 255, !name.contains("/"), name != ".", name != ".." else {
            throw KernelError(
                step, errno: EINVAL, detail: "'\(name)' is no name of a namespace",
                advice: "names have 1 to 255 bytes and no slash")
        }
    }

    /// The directory is a mount of its own that shares its mounts, so that a name appears, and goes, in every mount
    /// namespace that was copied from this one.
    private static func prepare(_ directory: String, _ step: String) throws(KernelError) {
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else { throw KernelError(step, errno: errno) }
        let shared = UInt(MS_SHARED | MS_REC)
        if mount("", directory, "none", shared, nil) == 0 { return }
        guard errno == EINVAL, mount(directory, directory, "none", UInt(MS_BIND | MS_REC), nil) == 0,
            mount("", directory, "none", shared, nil) == 0
        else { throw KernelError(step, errno: errno, detail: "cannot share mounts of \(directory)") }
    }

    private static func makeFile(_ path: String, in directory: String, _ step: String) throws(KernelError) {
        let file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)
        if file >= 0 {
            close(file)
            return
        }
        let failure = errno
        guard failure == EEXIST else { throw KernelError(step, errno: failure) }
        var (status, parent) = (stat(), stat())
        // A file on the directory's own file system has nothing mounted on it.
        guard stat(path, &status) == 0, stat(directory, &parent) == 0, status.st_dev == parent.st_dev else {
            throw KernelError(step, errno: EEXIST)
        }
    }
}
