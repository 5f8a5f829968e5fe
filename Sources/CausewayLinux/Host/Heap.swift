import CLinux

/// The memory that this process takes from the kernel (mallopt(3)).
package enum Heap {
    /// Has all threads share one heap, and what is free at its end given back.
    ///
    /// A heap for each thread keeps twice as much as is used, and is no faster in a program that does little at once. To
    /// be called first: threads that have a heap of their own keep it.
    package static func share() { clinux_share_heap() }
}
