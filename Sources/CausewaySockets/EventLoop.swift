import CLinux
import Glibc

/// Who is told when a descriptor is ready.
package protocol EventHandler: AnyObject {
    /// A failed descriptor is readable and writable: the next call on it says why.
    func ready(_ descriptor: CInt, _ events: EventLoop.Events)
}

/// One thread's loop over epoll(7): descriptors and timers.
///
/// Everything on it belongs to the thread that runs it; nothing here is Sendable, and nothing locks.
package final class EventLoop {
    package struct Events: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let readable = Events(rawValue: 1)
        package static let writable = Events(rawValue: 4)
        /// EPOLLERR and EPOLLHUP, which are told whether asked for or not.
        static let broken = Events(rawValue: 8 | 16)
    }

    private struct Registration {
        var handler: any EventHandler
        var interest: Events
        /// Told by epoll with each event, so that one that was meant for a descriptor's former owner is known as such.
        var generation: UInt32
    }

    private let epoll: CInt
    private var registrations: [Registration?] = []
    private var generation: UInt32 = 0
    private var timers = Timers()
    private var isRunning = false
    private let events: UnsafeMutableBufferPointer<epoll_event>
    /// Nanoseconds of CLOCK_MONOTONIC when this turn began.
    package private(set) var now: UInt64

    package init() throws(SocketError) {
        epoll = epoll_create1(CInt(O_CLOEXEC))
        guard epoll >= 0 else { throw SocketError(doing: "make an epoll descriptor", errno: errno) }
        events = .allocate(capacity: 128)
        now = Self.clock()
    }

    deinit {
        close(epoll)
        events.deallocate()
    }

    /// Tells `handler` of `events` on a descriptor, from now on; no events: of nothing, as if it were not there.
    ///
    /// Epoll tells of broken descriptors whether asked or not, so one of which nothing is wanted is taken out.
    package func watch(_ descriptor: CInt, _ events: Events, _ handler: any EventHandler) {
        let index = Int(descriptor)
        while registrations.count <= index { registrations.append(nil) }
        let old = registrations[index]
        if let old, old.interest == events, old.handler === handler { return }
        guard !events.isEmpty else {
            ignore(descriptor)
            return
        }
        generation &+= 1
        var event = epoll_event()
        event.events = events.rawValue
        event.data.u64 = UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        let status = epoll_ctl(epoll, old == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event)
        precondition(status == 0, "epoll refuses descriptor \(descriptor): errno \(errno)")
        registrations[index] = Registration(handler: handler, interest: events, generation: generation)
    }

    /// Tells nobody of a descriptor any more; to be called before it is closed.
    package func ignore(_ descriptor: CInt) {
        let index = Int(descriptor)
        guard index < registrations.count, registrations[index] != nil else { return }
        registrations[index] = nil
        var event = epoll_event()
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// Ignores and closes.
    package func close(_ descriptor: CInt) {
        ignore(descriptor)
        Glibc.close(descriptor)
    }

    /// Calls `body` once, at the earliest after so many nanoseconds, unless it is cancelled.
    @discardableResult
    package func after(_ nanoseconds: UInt64, _ body: @escaping () -> Void) -> Timers.ID {
        timers.add(at: Self.clock() + nanoseconds, body)
    }

    package func cancel(_ timer: Timers.ID) { timers.cancel(timer) }

    /// Runs until ``stop()``.
    package func run() throws(SocketError) {
        isRunning = true
        while isRunning { try turn() }
    }

    package func stop() { isRunning = false }

    private func turn() throws(SocketError) {
        let count = epoll_wait(epoll, events.baseAddress, CInt(events.count), timers.milliseconds(from: Self.clock()))
        guard count >= 0 || errno == EINTR else { throw SocketError(doing: "wait for events", errno: errno) }
        now = Self.clock()
        for index in 0..<Int(max(count, 0)) {
            let event = events[index]
            let descriptor = Int(UInt32(truncatingIfNeeded: event.data.u64))
            guard let registration = registrations[descriptor],
                registration.generation == UInt32(event.data.u64 >> 32)
            else { continue }
            var told = Events(rawValue: event.events)
            if !told.isDisjoint(with: .broken) { told.formUnion(registration.interest) }
            registration.handler.ready(CInt(descriptor), told.intersection([.readable, .writable]))
        }
        while let body = timers.due(now) { body() }
    }

    package static func clock() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// What is to be done later: a binary heap by time.
package struct Timers {
    package struct ID: Hashable, Sendable { fileprivate let number: UInt64 }

    private var heap: [(time: UInt64, id: ID)] = []
    private var bodies: [ID: () -> Void] = [:]
    private var last: UInt64 = 0

    mutating func add(at time: UInt64, _ body: @escaping () -> Void) -> ID {
        last += 1
        let id = ID(number: last)
        bodies[id] = body
        heap.append((time, id))
        var child = heap.count - 1
        while child > 0, heap[(child - 1) / 2].time > heap[child].time {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        return id
    }

    /// Its place in the heap goes when its time comes.
    mutating func cancel(_ id: ID) { bodies[id] = nil }

    /// How long to wait for the first, as epoll_wait(2) takes it; -1 when there is none.
    mutating func milliseconds(from now: UInt64) -> CInt {
        while let first = heap.first, bodies[first.id] == nil { removeFirst() }
        guard let first = heap.first else { return -1 }
        guard first.time > now else { return 0 }
        return CInt(clamping: (first.time - now + 999_999) / 1_000_000)
    }

    /// One that is due; it is forgotten.
    mutating func due(_ now: UInt64) -> (() -> Void)? {
        while let first = heap.first, first.time <= now {
            removeFirst()
            if let body = bodies.removeValue(forKey: first.id) { return body }
        }
        return nil
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { return }
            let right = left + 1
            let child = right < heap.count && heap[right].time < heap[left].time ? right : left
            guard heap[child].time < heap[parent].time else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
