"""What processes have used: processor time and memory, from /proc."""
import os
import threading

TICKS = os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid):
    """(name, fields from the state on) of a process, or nothing when it has gone."""
    text = read("/proc/%d/stat" % pid)
    if not text:
        return None
    return text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()


def family(pids, name):
    """Those of `pids` and their descendants that are called `name`."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = stat_fields(int(entry))
            if found:
                names[int(entry)], parents[int(entry)] = found[0], int(found[1][1])

    def descends(pid):
        while pid in parents and pid not in pids:
            pid = parents[pid]
        return pid in pids
    return [pid for pid in parents if descends(pid) and names[pid].startswith(name)]


def cpu_seconds(pid):
    found = stat_fields(pid)
    return (int(found[1][11]) + int(found[1][12])) / TICKS if found else None


def pss_bytes(pids):
    total = 0
    for pid in pids:
        for line in read("/proc/%d/smaps_rollup" % pid).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def slab_bytes():
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


class CpuMeter:
    """Processor time that a family of processes uses, those included that end meanwhile: what they
    had used 20 ms before they ended, at least."""

    def __init__(self, pids, name):
        self.pids, self.name = set(pids), name
        self.first, self.last = {}, {}
        self.over = threading.Event()
        self.look()
        self.first = dict(self.last)
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def look(self):
        for pid in family(self.pids, self.name):
            used = cpu_seconds(pid)
            if used is not None:
                self.last[pid] = used

    def watch(self):
        while not self.over.wait(0.02):
            self.look()

    def seconds(self):
        self.over.set()
        self.thread.join()
        self.look()
        return sum(used - self.first.get(pid, 0) for pid, used in self.last.items())
