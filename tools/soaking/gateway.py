"""The gateway under tools/soak: started, asked, counted, stopped.

Its tables are small: slots are used in turn, each the first time in new memory, and an hour of large
ones would look like a leak.
"""
import glob
import json
import os
import subprocess

import processes
from ways import wait_until

SERVERS = ("198.51.100.7", "2001:db8:100::7")
PORT = 7000
GUE_PORT = 6080

CONFIG = """
control: {{path: {0}/control.sock}}
onramps:
  - seqpacket: {{path: {0}/onramp.sock}}
  - gue: {{listen: "127.0.0.1:%d", reply_port: source, peers: [{{prefix: 127.0.0.0/8, tenant: default}}],
          peer_timeout: 2s}}
rules:
  - {{name: nowhere, match: {{destination: 203.0.113.0/24}}, action: reject}}
  - {{name: rest, action: upgrade}}
nat: {{bindings: 16384}}
flows: {{max: 16384, timeouts: {{tcp_handshake: 5s, tcp_time_wait: 500ms, udp: 2s, udp_stream: 2s, icmp: 1s, other: 2s}}}}
audit: {{path: {0}/audit/flows.jsonl}}
telemetry: {{listen: "127.0.0.1:9464"}}
""" % GUE_PORT


class Gateway:
    def __init__(self, build, directory):
        self.directory = directory
        self.liftgate, self.flowctl_program, self.load_program = (
            os.path.join(build, "bin", name) for name in ("liftgate", "flowctl", "bench_load"))
        self.onramp = os.path.join(directory, "onramp.sock")
        self.control = os.path.join(directory, "control.sock")
        self.gue = "127.0.0.1:%d" % GUE_PORT
        self.config = os.path.join(directory, "liftgate.yaml")
        self.log_path = os.path.join(directory, "log")
        self.process = None
        os.environ["XDG_RUNTIME_DIR"] = directory  # for the sockets of `liftgate run`

    def start(self):
        os.mkdir(os.path.join(self.directory, "audit"))
        with open(self.config, "w") as file:
            file.write(CONFIG.format(self.directory))
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([self.liftgate, "serve", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the gateway", lambda: any("ready" in line for line in self.log()) or self.has_ended())

    def has_ended(self):
        return self.process.poll() is not None

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.readlines()

    def audit_files(self):
        return glob.glob(os.path.join(self.directory, "audit", "*"))

    def flowctl(self, *words):
        ended = subprocess.run([self.flowctl_program, "--socket", self.control, "--json", *words],
                               capture_output=True, text=True, timeout=30)
        if ended.returncode != 0:
            raise RuntimeError("flowctl %s: %s" % (" ".join(words), ended.stderr.strip()))
        return json.loads(ended.stdout)

    def kill(self, flow):
        """It may have ended by then."""
        subprocess.run([self.flowctl_program, "--socket", self.control, "kill", str(flow)], capture_output=True,
                       timeout=30)

    def tunnels_but_gue(self):
        return [tunnel for tunnel in self.flowctl("tunnels") if tunnel.get("onramp") != "gue"]

    def helpers(self):
        return [pid for pid in processes.family({self.process.pid}, "liftgate") if pid != self.process.pid]

    @staticmethod
    def links(pid):
        """What its descriptors are."""
        directory, found = "/proc/%d/fd" % pid, []
        for number in os.listdir(directory):
            try:
                found.append(os.readlink(os.path.join(directory, number)))
            except OSError:
                pass  # it has just been closed
        return found

    def sample(self):
        """What can leak, now that nothing is under way."""
        pid, stats = self.process.pid, self.flowctl("stats")
        links = self.links(pid)
        pipes = sum(link.startswith("pipe:") for link in links)
        return {"flows": len(self.flowctl("flows")), "bindings": self.flowctl("nat")["claimed"],
                "relays": stats["relays"], "dials": stats["dials"],
                "descriptors": len(links) - pipes, "pipes": pipes,
                "threads": len(os.listdir("/proc/%d/task" % pid)),
                "processes": len(processes.family({pid}, "")),
                "memory_kib": processes.pss_bytes([pid]) // 1024}

    def stop(self):
        """What was wrong with its end."""
        if self.has_ended():
            return ["the gateway ended by itself with %d" % self.process.returncode]
        children = processes.family({self.process.pid}, "")
        self.process.terminate()
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return ["the gateway did not end within 30 s of SIGTERM"]
        problems = [] if status == 0 else ["the gateway ended with %d" % status]
        left = [pid for pid in children if os.path.exists("/proc/%d" % pid)
                and (processes.stat_fields(pid) or ("", "Z"))[1][0] != "Z"]
        if left:
            problems.append("%d processes of the gateway live on" % len(left))
        sockets = glob.glob(os.path.join(self.directory, "*.sock"))
        if sockets:
            problems.append("left behind: " + ", ".join(sockets))
        return problems
