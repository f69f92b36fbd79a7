"""What was measured, in tables: medians and spreads, ratios to the peers, and the bars."""
import statistics

from loads import LOADS, ONRAMPS, PEERS


class Figures:
    """Every round's figure of every load and way, and what else was measured with it."""

    def __init__(self):
        self.values = {}

    def add(self, load, way, figure, more):
        self.values.setdefault((load, way), []).append(figure)
        for name, value in more.items():
            if isinstance(value, (int, float)):
                self.values.setdefault((load, way, name), []).append(value)

    def median(self, *key):
        return statistics.median(self.values[key]) if self.values.get(key) else None

    def half_spread(self, *key):
        """Half of what lies between highest and lowest, in percent of the median."""
        values, median = self.values[key], self.median(*key)
        return 50 * (max(values) - min(values)) / median if median else 0


def number(value):
    if value is None:
        return "-"
    return "%.0f" % value if abs(value) >= 100 else "%.2f" % value


def ratio(a, b):
    return a / b if a is not None and b else None


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def medians_table(figures, loads, ways):
    def cell(load, way):
        median = figures.median(load, way)
        if median is None:
            return "-"
        text = "%s ±%.0f%%" % (number(median), figures.half_spread(load, way))
        of_ceiling = ratio(median, figures.median(load, "ceiling"))
        return text if of_ceiling is None or way == "ceiling" else text + " (%.2f)" % of_ceiling
    return markdown(["load", *ways], [["%s, %s" % (load, LOADS[load][0]), *(cell(load, way) for way in ways)]
                                      for load in loads])


def peers_table(figures, loads):
    """How often each way of Liftgate's is of each peer."""
    pairs = [(way, peer) for way in ONRAMPS for peer in PEERS
             if peer.endswith("1500") == (way == "mtu1400")]
    rows = []
    for load in loads:
        cells = [ratio(figures.median(load, way), figures.median(load, peer)) for way, peer in pairs]
        if any(cell is not None for cell in cells):
            rows.append([load, *(number(cell) for cell in cells)])
    return markdown(["load", *("%s : %s" % pair for pair in pairs)], rows) if rows else ""


def cpu_table(figures, loads, ways):
    names = {"cpu_seconds_per_gigabyte": "s per GB",
             "cpu_seconds_per_thousand_connections": "s per 1,000 connections"}
    rows = []
    for load in loads:
        for name, unit in names.items():
            cells = [figures.median(load, way, name) for way in ways]
            if any(cell is not None for cell in cells):
                rows.append(["%s, %s" % (load, unit), *(number(cell) for cell in cells)])
    return markdown(["processor time", *ways], rows) if rows else ""


def bars(figures):
    """(what, bar, reached) for each line of the issue that asks for a number; reached is None when
    its loads were not run."""
    m = figures.median
    for load in ("up1", "down1"):
        yield load + ", run : ceiling", ">=", 0.85, ratio(m(load, "run"), m(load, "ceiling"))
        yield load + ", run : slirp", ">=", 2, ratio(m(load, "run"), m(load, "slirp"))
        yield load + ", run : pasta", ">", 1, ratio(m(load, "run"), m(load, "pasta"))
        yield load + ", offload : ceiling", ">=", 0.60, ratio(m(load, "offload"), m(load, "ceiling"))
        yield (load + ", mtu1400 : ceiling", ">=", 0.25 if load == "up1" else 0.60,
               ratio(m(load, "mtu1400"), m(load, "ceiling")))
        peers = [m(load, peer) for peer in ("slirp1500", "pasta1500") if m(load, peer) is not None]
        yield (load + ", mtu1400 : better peer at 1500", ">=", 3,
               ratio(m(load, "mtu1400"), max(peers, default=None)))
    for way in ("run", "mtu1400"):
        yield "crr32, %s : slirp" % way, ">=", 1.3, ratio(m("crr32", way), m("crr32", "slirp"))
        yield "crr32, %s : pasta" % way, ">=", 3, ratio(m("crr32", way), m("crr32", "pasta"))
        yield "%s, crr256 : crr32" % way, ">=", 1, ratio(m("crr256", way), m("crr32", way))
    yield "rr p50, run : pasta", "<=", 1, ratio(m("rr", "run"), m("rr", "pasta"))
    yield "rr p99, run : pasta", "<=", 1, ratio(m("rr", "run", "p99_us"), m("rr", "pasta", "p99_us"))
    for load in ("forward64", "forward1400"):
        yield load + " : bare loop", ">=", 0.70, ratio(m(load, "mtu1400"), m(load, "ceiling"))
    for way in ONRAMPS:
        yield "idle connection, %s, bytes" % way, "<=", 5120, m("idle", way)
    for way in ("offload", "mtu1400"):
        yield "TCP beside a SYN flood of another tenant : without, " + way, ">=", 0.8, m("flood-up", way)
        yield "TCP beside a SYN flood of its own tenant : without, " + way, ">=", 0.8, m("flood-own-up", way)
        yield "CPU per GB beside many flows : few, " + way, "<=", 1.25, m("crowd-up", way)
        yield "CPU per connection beside many flows : few, " + way, "<=", 1.25, m("crowd-crr", way)


def is_reached(value, sign, bar):
    return {">=": value >= bar, ">": value > bar, "<=": value <= bar}[sign]


def bars_table(lines):
    rows = [[what, "%s %g" % (sign, bar), number(value), "yes" if is_reached(value, sign, bar) else "NO"]
            for what, sign, bar, value in lines if value is not None]
    return markdown(["bar", "asked", "measured", "reached"], rows) if rows else ""
