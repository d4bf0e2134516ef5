"""A real Slurm on this machine: munged, slurmctld and two slurmd, started from Debian's packages in a folder of their own.

The two nodes n1 and n2 are this machine twice, by port; their CPUs and memory are made up, so that jobs fit beside each other.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from kishi.processes import die_with_parent

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
ReturnToService=2
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=4 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=4 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES State=UP
"""
# cred_expire is also how long a requeued job must wait: 120 s by default


def missing() -> str:
    """Why no Slurm can be started here; empty when it can."""
    if absent := [name for name in PROGRAMS if not _program(name)]:
        return f"{', '.join(absent)} not installed (apt-get install slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started as root"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


class Cluster:
    """The daemons; `environment` makes Slurm's commands talk to them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.daemons = folder, list[subprocess.Popen[bytes]]()
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        """Returns when both nodes are idle."""
        for name in ("munge", "state", "spool-n1", "spool-n2"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        ports = dict(zip(("controller", "first", "second"), _free_ports(3), strict=True))
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(folder=self.folder, host=socket.gethostname(), **ports))
        names = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        self._daemon("munged", "--foreground", "--force", *(f"--{name}={self.folder}/munge/{name.partition('-')[0]}" for name in names))
        wait_for((self.folder / "munge" / "socket").exists, 10, "munged does not answer")
        self._daemon("slurmctld", "-D")
        self._daemon("slurmd", "-D", "-N", "n1")
        self._daemon("slurmd", "-D", "-N", "n2")
        wait_for(lambda: self.run("sinfo", "--noheader", "--format=%t %D").split() == ["idle", "2"], 30, self._logs)

    def stop(self) -> None:
        """Cancel all jobs, and when they have ended end the daemons, the nodes first."""
        self.run("scancel", "--user=root")
        deadline = time.monotonic() + 40
        while self.run("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(20)

    def run(self, *command: str) -> str:
        """Output of a command of Slurm's, whatever its exit code."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def job(self, number: str) -> dict[str, str]:
        """`scontrol show job` by field."""
        words = self.run("scontrol", "show", "job", "--oneliner", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, number: str, states: set[str], seconds: float) -> dict[str, str]:
        """Until the job is in one of the states."""
        wait_for(lambda: self.job(number).get("JobState") in states, seconds, lambda: f"job {number} is {self.job(number)}")
        return self.job(number)

    def _daemon(self, name: str, *options: str) -> None:
        command = [_program(name) or name, *options]
        with (self.folder / f"{name}.out").open("ab") as log:
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, preexec_fn=die_with_parent))

    def _logs(self) -> str:
        return "\n".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))


def wait_for(true: Callable[[], bool], seconds: float, why: str | Callable[[], str]) -> None:
    """Poll; fails with the reason after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
