# From single measurements to figures and ratios. $records: what `record` wrote; $machine: where.
def median: sort | .[(length / 2) | floor];
def p99: sort | .[(length * 99 / 100) | floor];

# What is compared: the field of a measurement that a case is about, and its unit.
def fields: {
    requests: ["p50", "us"], connections: ["p50", "us"], start: ["ms", "ms"], changes: ["ms", "ms"],
    placing: ["ms", "ms"], reaching: ["ms", "ms"], build: ["ms", "ms"],
    "mesh-requests": ["p50", "us"], "mesh-connections": ["p50", "us"], convergence: ["ms", "ms"],
    names: ["us", "us"], path: ["ms", "ms"], memory: ["mib", "MiB"],
    swarm: ["ms", "ms"], "swarm-api": ["ms", "ms"], "swarm-memory": ["mib", "MiB"]
};

def figures:
    group_by([.case, .what]) | map(
        .[0].case as $case | fields[$case][0] as $field
        | {
            case: $case, what: .[0].what, unit: fields[$case][1], measured: length,
            median: (map(.[$field]) | median), least: (map(.[$field]) | min), p99: (map(.[$field]) | p99),
            rate: (map(.rate // empty) | if length > 0 then median else null end)
        });

# Docker's swarm mode divided by Causeway: the median has an aim, the least is told beside it.
def swarm_aims:
    [
        (["create 1", "create 10", "create 50", "update 20", "stack of 10", "service ls", "service ps"][]
            | ["swarm", ., 1]),
        (["POST create", "GET services", "GET service", "GET tasks", "GET 20 tasks"][] | ["swarm-api", ., 2]),
        ["swarm-memory", "500 services", 1]
    ]
    | map(
        . as [$case, $what, $aim] | "docker: \($what)" as $theirs | "causeway: \($what)" as $ours
        | [$case, "\($what), of Docker Swarm, median", $theirs, $ours, "median", "at least", $aim],
          (select($case != "swarm-memory")
            | [$case, "\($what), of Docker Swarm, least", $theirs, $ours, "least", null, null]));

# The aims: what is divided by what, of which statistic, and what it has to be.
def aims: [
    ["requests", "of a bare veth", "veth", "causeway", "least", "at least", 0.76],
    ["requests", "of a bare veth, IPv6", "veth6", "causeway6", "least", "at least", 0.76],
    ["requests", "of a routed veth with one rule that translates", "routed", "causeway", "least", null, null],
    ["requests", "of the host's own server", "host", "causeway", "least", null, null],
    ["requests", "of docker run -p, Docker alone", "docker", "causeway", "least", "at least", 1],
    ["requests", "of docker run -p, beside Causeway", "docker-beside", "causeway", "least", "at least", 1],
    ["requests", "of docker run -p on 127.0.0.1", "loopback-docker", "loopback-causeway", "least", "at least", 1],
    ["connections", "of a bare veth", "veth", "causeway", "least", "at least", 0.72],
    ["connections", "of a bare veth, IPv6", "veth6", "causeway6", "least", "at least", 0.72],
    ["connections", "of a routed veth with one rule that translates", "routed", "causeway", "least", null, null],
    ["connections", "of the host's own server", "host", "causeway", "least", null, null],
    ["connections", "of docker run -p, Docker alone", "docker", "causeway", "least", "at least", 1],
    ["connections", "of docker run -p, beside Causeway", "docker-beside", "causeway", "least", "at least", 1],
    ["connections", "of docker run -p on 127.0.0.1", "loopback-docker", "loopback-causeway", "least", "at least", 1],
    ["start", "to the first answer, of docker run -p", "causeway", "docker", "median", "at most", 1.15],
    ["start", "the same, on the same engine", "causeway", "docker-beside", "median", null, null],
    ["changes", "one change at 10,000 services, in ms", "one at 10000", null, "median", "at most", 1],
    ["changes", "one change at 10,000 services, of one at 10", "one at 10000", "one at 10", "median", "at most", 1.25],
    ["placing", "10,000 tasks on 100 nodes, in ms", "all tasks", null, "median", "at most", 60000],
    ["reaching", "one change on 100 nodes, p99, in ms", "one change, p99", null, "median", "at most", 200],
    ["memory", "of that manager, in MiB", "manager of 100 nodes", null, "median", "at most", 1024],
    ["names", "processor time of a query, of unbound", "causeway", "unbound", "median", "at most", 1],
    ["names", "processor time of a query, of dnsmasq", "causeway", "dnsmasq", "median", null, null],
    ["path", "snapshot of 10 containers, of the shell recipe", "recipe, 10 tasks", "snapshot, 10 tasks", "median", "at least", 10],
    ["path", "snapshot of 100 containers, of the shell recipe", "recipe, 100 tasks", "snapshot, 100 tasks", "median", "at least", 10],
    ["path", "snapshot of 500 containers, of the shell recipe", "recipe, 500 tasks", "snapshot, 500 tasks", "median", "at least", 10],
    ["path", "path to one beside 500, of one beside 10", "path, 500 tasks", "path, 10 tasks", "median", null, null],
    ["mesh-requests", "to a remote task, of a bare VXLAN", "vxlan", "remote", "least", "at least", 0.8],
    ["mesh-requests", "to a remote task, of a bare VXLAN, IPv6", "vxlan6", "remote6", "least", "at least", 0.8],
    ["mesh-requests", "to a remote task, of its way without rules", "vxlan-routed", "remote", "least", "at least", 0.8],
    ["mesh-requests", "to a local task, of the host's own server", "host", "local", "least", null, null],
    ["mesh-requests", "to a remote task, of the host's own server", "host", "remote", "least", null, null],
    ["mesh-connections", "to a remote task, of a bare VXLAN", "vxlan", "remote", "least", "at least", 0.8],
    ["mesh-connections", "to a remote task, of a bare VXLAN, IPv6", "vxlan6", "remote6", "least", "at least", 0.8],
    ["mesh-connections", "to a remote task, of its way without rules", "vxlan-routed", "remote", "least", "at least", 0.8],
    ["mesh-connections", "to a local task, of the host's own server", "host", "local", "least", null, null],
    ["mesh-connections", "to a remote task, of the host's own server", "host", "remote", "least", null, null],
    ["convergence", "a dead task is in no table, median, in ms", "a task's process ends", null, "median", null, null],
    ["convergence", "a dead task is in no table, p99, in ms", "a task's process ends", null, "p99", null, null],
    ["convergence", "scaled down is in every table, median, in ms", "one task less", null, "median", null, null],
    ["convergence", "scaled down is in every table, p99, in ms", "one task less", null, "p99", null, null]
] + swarm_aims;

def value($figures; $case; $what; $statistic):
    $figures | map(select(.case == $case and .what == $what)) | .[0][$statistic];

def ratios($figures):
    [aims[] as [$case, $name, $over, $under, $statistic, $bound, $aim]
        | value($figures; $case; $over; $statistic) as $a
        | (if $under then value($figures; $case; $under; $statistic) else 1 end) as $b
        | select($a != null and $b != null and $b > 0)
        | (($a / $b * 100 | round) / 100) as $ratio
        | {
            case: $case, name: $name, statistic: $statistic, ratio: $ratio, bound: $bound, aim: $aim,
            met: (if $bound == "at least" then $ratio >= $aim elif $bound == "at most" then $ratio <= $aim else true end)
        }];

($records | figures) as $figures | {machine: $machine, figures: $figures, ratios: ratios($figures)}
