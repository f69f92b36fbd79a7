"""The microbenchmarks: several rounds of bench_micro, in which the maps take turns, and their bars."""
import json
import os
import subprocess
import tempfile

from report import Figures, bars_table, ratio

SIZES = {1 << 20: "1 M", 1 << 23: "8 M"}


def bars(figures):
    def cost(name, map_name, size):
        return figures.median("%s/%s/%d" % (name, map_name, size), "cpu_time")
    for size, said in SIZES.items():
        for name in ("find_hit", "find_miss"):
            yield ("%s at %s : absl" % (name, said), "<=", 1.3,
                   ratio(cost(name, "flow_table", size), cost(name, "absl", size)))
    insert = "insert/flow_table/%d/iterations:1" % (1 << 23)
    yield "longest insert of 8 M, us of CPU", "<=", 20, figures.median(insert, "cpu_max_us")


def run(program, arguments, rounds):
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="liftgate-bench-") as directory:
        for turn in range(rounds):
            out = os.path.join(directory, "%d.json" % turn)
            subprocess.run([program, "--benchmark_out=" + out, *arguments], check=True)
            with open(out) as file:
                for each in json.load(file)["benchmarks"]:
                    for name, value in each.items():
                        if isinstance(value, float):
                            figures.add(each["name"], name, value, {})
    print("\n" + bars_table(bars(figures)))
