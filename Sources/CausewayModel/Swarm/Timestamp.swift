/// A moment, to the nanosecond, as Docker writes it: RFC 3339 with nine digits and `Z`.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    package let seconds: Int64
    /// 0 to 999,999,999.
    package let nanoseconds: Int32

    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Go's zero time, which Docker writes where there is no moment.
    package static let zero = Timestamp(seconds: -62_135_596_800)

    package static func < (a: Self, b: Self) -> Bool { (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds) }

    package func advanced(by duration: Nanoseconds) -> Timestamp {
        let total = Int64(nanoseconds) + duration.rawValue % 1_000_000_000
        let carry = total >= 1_000_000_000 ? 1 : (total < 0 ? -1 : 0)
        return Timestamp(
            seconds: seconds + duration.rawValue / 1_000_000_000 + Int64(carry),
            nanoseconds: Int32(total - Int64(carry) * 1_000_000_000))
    }

    /// The time from `earlier` to here.
    package func since(_ earlier: Timestamp) -> Nanoseconds {
        Nanoseconds((seconds - earlier.seconds) * 1_000_000_000 + Int64(nanoseconds - earlier.nanoseconds))
    }
}

extension Timestamp: CodableAsText {
    /// Reads `2006-01-02T15:04:05[.fraction](Z|±hh:mm)`.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            return bytes[range].reduce(Int64?(0)) { total, byte in
                guard let total, (48...57).contains(byte) else { return nil }
                return total * 10 + Int64(byte - 48)
            }
        }
        guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            bytes[4] == 45, bytes[7] == 45, bytes[10] | 0x20 == 0x74, bytes[13] == 58, bytes[16] == 58,
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }

        var at = 19
        var fraction: Int64 = 0
        if bytes[at] == 46 {
            let digits = bytes[(at + 1)...].prefix { (48...57).contains($0) }
            guard !digits.isEmpty else { return nil }
            fraction = (0..<9).reduce(0) {
                $0 * 10 + ($1 < digits.count ? Int64(digits[digits.startIndex + $1]) - 48 : 0)
            }
            at += 1 + digits.count
        }
        var offset: Int64 = 0
        switch bytes.count - at {
        case 1 where bytes[at] | 0x20 == 0x7a: break
        case 6 where bytes[at] == 43 || bytes[at] == 45:
            guard let hours = number(at + 1..<at + 3), let minutes = number(at + 4..<at + 6) else { return nil }
            offset = (hours * 60 + minutes) * 60 * (bytes[at] == 43 ? 1 : -1)
        default: return nil
        }
        seconds = Self.days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        nanoseconds = Int32(fraction)
    }

    package var description: String {
        func pad(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = seconds >= 0 ? seconds / 86_400 : -((86_399 - seconds) / 86_400)
        let rest = seconds - day * 86_400
        let (year, month, dayOfMonth) = Self.civil(day)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))"
        let time = "\(pad(rest / 3_600, 2)):\(pad(rest / 60 % 60, 2)):\(pad(rest % 60, 2))"
        return nanoseconds == 0 ? "\(date)T\(time)Z" : "\(date)T\(time).\(pad(Int64(nanoseconds), 9))Z"
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted + (shifted < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}

/// A length of time as the Engine API gives it: a whole number of nanoseconds.
package struct Nanoseconds: Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64

    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package static func seconds(_ count: Int64) -> Nanoseconds { Nanoseconds(count * 1_000_000_000) }
    package static func milliseconds(_ count: Int64) -> Nanoseconds { Nanoseconds(count * 1_000_000) }

    package static let zero = Nanoseconds(0)

    package var duration: Duration { .nanoseconds(rawValue) }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    package init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
