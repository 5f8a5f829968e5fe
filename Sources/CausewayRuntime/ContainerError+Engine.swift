import CausewayEngine
import CausewayModel

extension ContainerError {
    /// Keeps Docker's words.
    ///
    /// The engine says 404 of images, networks and executables too: only its words tell that the container is gone.
    init(_ error: EngineError) {
        let isGone = error.isNotFound && error.message.hasPrefix("No such container")
        let isSilent = error.isUnreachable || error.status == 503
        self.init(isSilent ? .unavailable : isGone ? .notFound : .refused, error.message)
    }
}
