"""A real Slurm of one node with two slots, from Debian's packages, on a machine that may be changed.

It needs no systemd: munge, the controller and the node's daemon are started as our own processes and end with the test.
"""

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
CONFIGURATION = Path("/etc/slurm/slurm.conf")  # where Debian's Slurm looks; another place is not seen by every command
OURS = "# of tests/cluster/one_node.py; removed when the test ends"
SETTINGS = """{ours}
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={megabytes} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def refusal() -> str:
    """Why nothing is installed or started here; empty where it may be."""
    if os.environ.get("ALLOW_SYSTEM_INSTALL") != "1":
        return f"this installs {', '.join(PACKAGES)} and starts them; set ALLOW_SYSTEM_INSTALL=1 where that is welcome"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "Slurm is installed by apt-get as root, on Debian or what descends from it"
    if CONFIGURATION.exists() and OURS not in CONFIGURATION.read_text():
        return f"a Slurm is configured here already ({CONFIGURATION}), and is left alone"
    return ""


def install() -> None:
    """Debian's packages, whose own services stay off."""
    if not all(shutil.which(command) for command in ("munged", "slurmctld", "slurmd", "sbatch")):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        asked = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        subprocess.run(asked, check=True, env=quiet, stdout=subprocess.DEVNULL)


def wait_for(what: str, met: Callable[[], object], seconds: float = 120) -> None:
    """Look twice a second until `met`.

    Raises:
        TimeoutError: not met after `seconds`; says `what` was waited for.
    """
    ends = time.monotonic() + seconds
    while not met():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {seconds:.0f} seconds for {what}")
        time.sleep(0.5)


def told(*command: str) -> str:
    """What a command prints; empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


@dataclass
class Slurm:
    """The running daemons, whose logs and state lie in `folder`."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str, user: str = "root") -> None:
        """Start a daemon as our child."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, user=user, group=user, extra_groups=[]
            )

    def start_node(self) -> None:
        """Start the node's daemon and wait until the controller has it."""
        self.start("slurmd", "slurmd", "-D")
        wait_for("the node", lambda: self.node() in {"idle", "mix", "alloc"})

    def kill_job(self, number: str) -> None:
        """SIGKILL for all processes of a job."""
        subprocess.run(["scancel", "--signal=KILL", "--full", number], check=True)

    def kill_node(self) -> None:
        """SIGKILL for the node's daemon, and wait until the controller gives the node up."""
        self.daemons["slurmd"].send_signal(signal.SIGKILL)
        self.daemons.pop("slurmd").wait()
        wait_for("the controller to give the node up", lambda: self.node().startswith("down"))

    def node(self) -> str:
        """State of the node in a word: idle, mix, alloc, down*."""
        return told("sinfo", "--noheader", "--format=%t")

    def running(self) -> list[str]:
        """Numbers of the jobs at work."""
        return told("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()

    def stop(self) -> None:
        """End every job and every daemon that we started."""
        told("scancel", "--user=root", "--signal=KILL", "--full")
        told("scancel", "--user=root")
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(timeout=30)


@contextmanager
def one_node(folder: Path) -> Iterator[Slurm]:
    """A Slurm that takes jobs, two at a time, until the block ends."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    host = platform.node().partition(".")[0]
    CONFIGURATION.write_text(SETTINGS.format(ours=OURS, host=host, folder=folder, megabytes=megabytes))
    slurm = Slurm(folder)
    try:
        if not told("munge", "--no-input"):
            subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "/run/munge"], check=True)
            slurm.start("munged", "munged", "--foreground", user="munge")
            wait_for("munge", lambda: told("munge", "--no-input"))
        slurm.start("slurmctld", "slurmctld", "-D")
        wait_for("the controller", lambda: "UP" in told("scontrol", "ping"))
        slurm.start_node()
        yield slurm
    finally:
        slurm.stop()
        CONFIGURATION.unlink()
