/// What must not come out by accident: whoever interpolates it, logs it or dumps what it is in sees its description, and
/// no more.
package protocol Concealed: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {}

extension Concealed {
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
