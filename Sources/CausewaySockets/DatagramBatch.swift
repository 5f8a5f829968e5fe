import CLinux
import Glibc

/// Room for the datagrams of one recvmmsg(2) and for their answers: one for a loop, whatever the number of its sockets.
package final class DatagramBatch {
    /// The size of each datagram's room.
    package let size: Int
    private let questions: UnsafeMutablePointer<clinux_batch>
    private let answers: UnsafeMutablePointer<clinux_batch>

    package init(size: Int) {
        self.size = size
        (questions, answers) = (Self.make(size), Self.make(size))
    }

    deinit {
        for batch in [questions, answers] {
            batch.pointee.bytes.deallocate()
            batch.deallocate()
        }
    }

    private static func make(_ size: Int) -> UnsafeMutablePointer<clinux_batch> {
        let batch = UnsafeMutablePointer<clinux_batch>.allocate(capacity: 1)
        batch.initialize(to: clinux_batch())
        batch.pointee.bytes = .allocate(capacity: size * Int(CLINUX_BATCH))
        batch.pointee.size = UInt32(size)
        return batch
    }

    /// Reads what waits on a socket; 0 when nothing does.
    ///
    /// An error that an earlier datagram brought (ICMP) is taken off and counts for nothing.
    package func receive(_ socket: CInt) -> Int {
        for _ in 0..<4 {
            let count = clinux_receive_batch(socket, questions)
            if count >= 0 {
                withUnsafeMutableBytes(of: &answers.pointee.lengths) { lengths in
                    for index in lengths.indices { lengths[index] = 0 }
                }
                return Int(count)
            }
            if errno == EAGAIN { return 0 }
        }
        return 0
    }

    package func question(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: questions.pointee.bytes + index * size, count: Int(lengths(questions)[index]))
    }

    /// Room for an answer; ``answer(_:length:)`` says how much of it is one.
    package func room(_ index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: answers.pointee.bytes + index * size, count: size)
    }

    package func answer(_ index: Int, length: Int) { lengths(answers)[index] = UInt32(length) }

    /// Where a question came from.
    package func name(_ index: Int) -> SocketName? {
        withUnsafePointer(to: &questions.pointee.names) { names in
            names.withMemoryRebound(to: sockaddr_storage.self, capacity: Int(CLINUX_BATCH)) { SocketName($0 + index) }
        }
    }

    /// Sends the answers to the first `count` questions, and returns how many the kernel would not take.
    package func send(_ socket: CInt, count: Int) -> Int {
        Int(clinux_send_batch(socket, answers, questions, CInt(count)))
    }

    private func lengths(_ batch: UnsafeMutablePointer<clinux_batch>) -> UnsafeMutablePointer<UInt32> {
        withUnsafeMutablePointer(to: &batch.pointee.lengths) {
            UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt32.self)
        }
    }
}
