/// Finds where the other ends of links are that a namespace knows by a number without a name.
///
/// The number's file names namespaces that are mounted in one folder; the host's own is not among them. Two links are
/// one pair when each says the other's index and nothing else is possible.
struct PeerResolution {
    let places: [Recording.Place]

    func resolve(_ states: inout [NamespaceState]) {
        for position in states.indices {
            for offset in states[position].links.indices {
                settle(&states, position, offset)
            }
        }
    }

    private func settle(_ states: inout [NamespaceState], _ position: Int, _ offset: Int) {
        let link = states[position].links[offset]
        let host = states[0].inode
        if link.tunnel?.underlay == 0, position > 0 {
            // Every other namespace of the host has a name.
            states[position].links[offset].tunnel?.underlay = host
        }
        guard link.peerNamespace == 0, let index = link.peerIndex else { return }
        func ends(_ number: UInt64) -> [NamespaceState] {
            states.filter { other in
                other.inode != states[position].inode
                    && other.links.contains {
                        $0.index == index && $0.peerIndex == link.index && $0.peerNamespace == number
                    }
            }
        }
        // One that names this namespace is the other end; else the only one that could be.
        let others = ends(0)
        if let found = ends(states[position].inode).first ?? (others.count == 1 ? others[0] : nil) {
            states[position].links[offset].peerNamespace = found.inode
        } else {
            // A pair into a namespace that was not recorded is like a card.
            states[position].links[offset].peerIndex = nil
            states[position].links[offset].peerNamespace = nil
        }
    }
}
