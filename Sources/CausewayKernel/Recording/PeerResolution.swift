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
        let found = states.first { other in
            other.links.contains { end in
                end.index == index && end.peerIndex == link.index && end.peerNamespace == states[position].inode
            }
        }
        if let found {
            states[position].links[offset].peerNamespace = found.inode
        } else {
            // A pair into a namespace that was not recorded is like a card.
            states[position].links[offset].peerIndex = nil
            states[position].links[offset].peerNamespace = nil
        }
    }
}
