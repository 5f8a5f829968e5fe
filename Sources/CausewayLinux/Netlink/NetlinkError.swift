import CausewayKernel
import Glibc

/// What went wrong between us and the kernel over netlink.
package struct NetlinkError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Cause: Hashable, Sendable {
        /// The kernel understood, and said no.
        case refused
        /// A system call failed.
        case call(String)
        /// What came back is not netlink.
        case malformed
        /// A dump was disturbed by changes again and again.
        case disturbed
    }

    package var cause: Cause
    package var errno: Int32
    package var detail: String

    package init(_ cause: Cause, errno: Int32 = 0, detail: String = "") {
        self.cause = cause
        self.errno = errno
        self.detail = detail
    }

    init(_ malformed: NetlinkReader.Malformed) { self.init(.malformed, detail: malformed.description) }

    package var description: String {
        let words = errno == 0 ? "" : String(cString: strerror(errno))
        return ["\(cause)", words, detail].filter { !$0.isEmpty }.joined(separator: ": ")
    }

    /// The same, as the failure of a step.
    package func kernelError(_ step: String, advice: String? = nil) -> KernelError {
        var detail = detail
        switch cause {
        case .refused, .malformed: break
        case .call(let call): detail = detail.isEmpty ? "\(call) failed" : "\(call): \(detail)"
        case .disturbed: detail = "it changed while it was read, again and again"
        }
        return KernelError(step, errno: errno, detail: detail, advice: advice)
    }
}

extension KernelError {
    /// An error by the kernel's number: what kind it is, and what to do if nothing better is known.
    package init(_ step: String, errno: Int32, detail: String = "", advice: String? = nil) {
        let reason = Reason(errno: errno)
        var detail = detail
        if detail.isEmpty, errno != 0 { detail = String(cString: strerror(errno)) }
        self.init(
            step: step, reason: reason, errno: errno, detail: detail, advice: advice ?? reason.usualAdvice)
    }
}

extension KernelError.Reason {
    package init(errno: Int32) {
        switch errno {
        case EEXIST: self = .alreadyExists
        case ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL, ENXIO: self = .notFound
        case EPERM, EACCES, EROFS: self = .notPermitted
        case EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT, ENOSYS: self = .unsupported
        case EINVAL, ERANGE, ENAMETOOLONG, ENETUNREACH, EHOSTUNREACH: self = .invalid
        case EBUSY, EAGAIN, ENOBUFS, EADDRINUSE: self = .busy
        default: self = .other
        }
    }

    fileprivate var usualAdvice: String {
        switch self {
        case .alreadyExists: "somebody made it before; the next look at the kernel settles it"
        case .notFound: "somebody removed it, or what it stands on; the next look at the kernel settles it"
        case .notPermitted: "run as root: CAP_NET_ADMIN and CAP_SYS_ADMIN are needed"
        case .unsupported: "the kernel lacks a module or an option for this"
        case .busy: "try again"
        case .noNamespace: "it is made again on the next round"
        case .invalid, .other: ""
        }
    }
}
