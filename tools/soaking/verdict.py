"""Whether what tools/soak saw is as it should be."""
import collections
import json

# Chosen: what the allocator keeps for itself, and what a later round needs at its busiest moment. A
# leak of 100 bytes a flow is more than that within ten minutes.
MEMORY_SLACK_KIB = 8 * 1024
COUNTS = ("flows", "bindings", "relays", "dials", "descriptors", "threads", "processes")
MOST_PIPES = 128  # ends of those that the pool of relays keeps: kKept in gateway/relay/pipe_pool.h


class Totals:
    """What clients have told."""

    def __init__(self):
        self.done, self.cut = collections.Counter(), collections.Counter()
        self.wrong = []
        self.bytes = 0

    def add(self, kind, told):
        self.done.update(told["done"])
        self.cut.update({"%s, %s" % (kind, what): times for what, times in told["cut"].items()})
        self.wrong += ["%s: %s" % (kind, what) for what in told["wrong"]]
        self.bytes += told["bytes"]

    def as_json(self):
        return {"done": self.done, "cut": self.cut, "wrong": self.wrong, "bytes": self.bytes}


def of_totals(totals, phase, may_be_cut):
    problems = ["%s: %s" % (phase, what) for what in totals.wrong]
    # Datagrams are lost on a busy machine: a queue is full, and that is what UDP is.
    cut = {what: times for what, times in totals.cut.items() if "datagrams" not in what}
    if cut and not may_be_cut:
        problems += ["%s: %s, %d times" % (phase, what, times) for what, times in sorted(cut.items())]
    if not totals.done:
        problems.append("%s: nothing was carried" % phase)
    return problems


def of_samples(samples):
    """The first is of a gateway that has seen nothing; the second of one that has seen everything."""
    if len(samples) < 2:
        return ["no round came to its end"]
    problems, first, last = [], samples[min(1, len(samples) - 1)], samples[-1]
    for name in COUNTS:
        bound = 0 if name in ("flows", "bindings", "relays", "dials") else first[name]
        worst = max(sample[name] for sample in samples[1:])
        if last[name] > bound:
            problems.append("leak: %s were %d after the first round, and are %d (at most %d)" % (
                name, first[name], last[name], worst))
    if last["pipes"] > MOST_PIPES:
        problems.append("leak: %d ends of pipes, and the pool keeps %d" % (last["pipes"], MOST_PIPES))
    grown = last["memory_kib"] - first["memory_kib"]
    if len(samples) > 2 and grown > MEMORY_SLACK_KIB:
        problems.append("drift: memory has grown by %d KiB since the first round" % grown)
    return problems


def of_audit(files):
    """Each flow starts once and ends once."""
    starts, ends, problems = collections.Counter(), collections.Counter(), []
    for path in files:
        with open(path) as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    problems.append("audit: not a line of JSON: %r" % line[:100])
                    continue
                counter = {"flow_start": starts, "flow_end": ends}.get(event.get("event"))
                if counter is not None:
                    counter[event["id"]] += 1
    for what, counter in (("started", starts), ("ended", ends)):
        twice = [number for number, times in counter.items() if times > 1]
        if twice:
            problems.append("audit: %d flows %s more than once" % (len(twice), what))
    if starts.keys() != ends.keys():
        problems.append("audit: %d flows without an end, %d without a start" % (
            len(starts.keys() - ends.keys()), len(ends.keys() - starts.keys())))
    if not starts:
        problems.append("audit: no flows")
    return problems


def of_log(lines, faults):
    """An error in the log is one that an operator must act on: only what was done on purpose, and as
    often as that."""
    errors = [line.strip() for line in lines if " error " in line[:40]]
    lost = sum("sandbox lost" in line for line in errors)
    problems = ["log: " + line for line in errors
                if "configuration not reloaded" not in line and "sandbox lost" not in line]
    if lost > faults["kill_helper"]:
        problems.append("log: %d helpers were lost, and %d were killed" % (lost, faults["kill_helper"]))
    return problems


def report(soak, seconds):
    steady, broken = soak.totals["steady"], soak.totals["faults"]
    lines = ["%.0f s, %d rounds, seed %d" % (seconds, len(soak.samples) - 1, soak.options.seed)]
    for name, totals in (("steady", steady), ("faults", broken)):
        lines.append("%-7s %d exchanges right, %d cut off, %d wrong, %.2f GB" % (
            name, sum(totals.done.values()), sum(totals.cut.values()), len(totals.wrong), totals.bytes / 1e9))
    lines.append("broken  " + (", ".join("%s %d" % item for item in sorted(soak.faults.items())) or "nothing"))
    lines += ["left out: " + what for what in soak.left_out]
    for name in (*COUNTS, "pipes", "memory_kib"):
        values = [sample[name] for sample in soak.samples]
        if values:
            lines.append("%-12s %s" % (name, " ".join(map(str, values))))
    lines += ["PROBLEM: " + problem for problem in soak.problems[:50]]
    lines.append("verdict: " + ("%d problems" % len(soak.problems) if soak.problems else "nothing lost, leaked or drifted"))
    return "\n".join(lines)
