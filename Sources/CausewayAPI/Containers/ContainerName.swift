/// Names for containers that were given none, as Docker draws them: an adjective and a noun.
///
/// Docker Engine would draw one itself, but the container's name is known in its networks before the engine is asked.
enum ContainerName {
    private static let adjectives = [
        "able", "amber", "brisk", "calm", "clear", "deft", "eager", "early", "fair", "fleet", "gentle", "glad", "hardy",
        "honest", "humble", "jolly", "keen", "kind", "lively", "lucid", "merry", "mild", "neat", "nimble", "patient",
        "plain", "proud", "quick", "quiet", "ready", "rosy", "sharp", "silent", "sober", "steady", "sturdy", "sunny",
        "swift", "tidy", "vivid", "warm", "wise",
    ]
    /// Rivers that have causeways or bridges of note.
    private static let nouns = [
        "adige", "arno", "clyde", "danube", "douro", "drava", "ebro", "elbe", "forth", "garonne", "humber", "inn",
        "isar", "loire", "mersey", "meuse", "moldau", "mosel", "neckar", "neva", "oder", "po", "rhine", "rhone",
        "saale",
        "sava", "seine", "severn", "shannon", "spree", "tagus", "tay", "thames", "tiber", "tweed", "tyne", "vistula",
        "volga", "weser", "yare",
    ]

    /// `attempt`: from the second on a digit makes a name less likely to be taken.
    static func draw(attempt: Int, using generator: inout some RandomNumberGenerator) -> String {
        let adjective = adjectives[Int.random(in: adjectives.indices, using: &generator)]
        let noun = nouns[Int.random(in: nouns.indices, using: &generator)]
        return "\(adjective)_\(noun)" + (attempt == 0 ? "" : "\(Int.random(in: 0...9, using: &generator))")
    }
}
