import CausewayMetrics
import CausewayTestKit
import Testing

@Suite struct ExpositionTests {
    @Test func `families, samples and labels are as Prometheus reads them`() throws {
        var page = Exposition()
        page.gauge(
            "causeway_tasks", "Tasks, by service.\nAnd state.",
            [.init(["service": "we\"b\\\n", "state": "running"], 3), .init(["service": "a", "state": "running"], 1)])
        page.counter("causeway_repairs_total", "Repairs.", 7)
        page.gauge("causeway_ratio", "A ratio.", [.init([:], 0.25)])
        page.gauge("causeway_nothing", "Nothing.", [Exposition.Sample]())

        #expect(
            page.text == """
                # HELP causeway_tasks Tasks, by service.\\nAnd state.
                # TYPE causeway_tasks gauge
                causeway_tasks{service="a",state="running"} 1
                causeway_tasks{service="we\\"b\\\\\\n",state="running"} 3
                # HELP causeway_repairs_total Repairs.
                # TYPE causeway_repairs_total counter
                causeway_repairs_total 7
                # HELP causeway_ratio A ratio.
                # TYPE causeway_ratio gauge
                causeway_ratio 0.25

                """)
        #expect(try ExpositionParser(page.text).samples.count == 4)
    }

    @Test func `a histogram's buckets hold all that is below them`() throws {
        let stopwatch = Stopwatch()
        for milliseconds in [0, 1, 2, 30, 90_000] { stopwatch.add(["route": "/x"], .milliseconds(milliseconds)) }
        var page = Exposition()
        page.histogram("causeway_call_seconds", "Calls.", stopwatch.histograms)

        let read = try ExpositionParser(page.text)
        #expect(read.value("causeway_call_seconds_bucket", ["route": "/x", "le": "0.001"]) == 2)
        #expect(read.value("causeway_call_seconds_bucket", ["route": "/x", "le": "30"]) == 4)
        #expect(read.value("causeway_call_seconds_bucket", ["route": "/x", "le": "+Inf"]) == 5)
        #expect(read.value("causeway_call_seconds_count", ["route": "/x"]) == 5)
    }

    @Test(arguments: [
        "a 1", "# HELP a x\n# TYPE a gauge\nb 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a x\n# TYPE a gauge\na{l=\"x} 1\n", "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP a x\n# TYPE a gauge\na{l=\"1\",} 1\n", "# HELP a x\n# TYPE a gauge\na one\n",
    ]) func `the reader that judges us accepts nothing wrong`(_ text: String) {
        #expect(throws: ExpositionParser.Failure.self) { try ExpositionParser(text) }
    }
}
