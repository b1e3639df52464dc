"""What an agent may try against the machine that runs it: each fails or ends, and nothing is left. By root and by a user."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from boxes import HOME, Ended, needs_a_box

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
MARK = "31536123"  # seconds that nobody else sleeps
OTHER = 61235


def left_over():
    return [one.pid for one in psutil.process_iter(["cmdline"]) if MARK in " ".join(one.info["cmdline"] or [])]  # none of the dead


def mounted():
    """Where boxes mount; elsewhere others may."""
    return [line for line in Path("/proc/mounts").read_text().splitlines() if " /mnt" in line]


def gone(check=left_over, patience=30):
    until = time.monotonic() + patience
    while check() and time.monotonic() < until:
        time.sleep(0.1)
    return not check()


def python_of(user):
    """A command for this Python; as another user one that such a user can start."""
    if user == "as it is":
        return [sys.executable], {}
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    python = f"/usr/bin/python3.{sys.version_info.minor}"
    if not os.access(python, os.X_OK):
        pytest.skip(f"there is no {python}, which another user could start")
    return [python], {"user": OTHER, "group": OTHER, "extra_groups": []}


def run(user, script, seconds=60.0):
    """What a script in a box prints, where ppres is run by this user; and what is known of its end."""
    needs_a_box()
    python, more = python_of(user)
    code = f"""
        import json, os
        from boxes import Ended
        import boxes
        boxes.lacking = lambda: ()
        end = Ended({script!r}, seconds={seconds!r})
        print(json.dumps([os.getuid(), end.out, end.err, end.told]))
    """
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", "OPENAI_API_KEY": "sentinel-of-the-host", "PPRES_STORE": "/dev/null"}
    environment["PYTHONPATH"] = ":".join(
        [str(ROOT), str(ROOT / "tests"), *(path for path in sys.path if path.endswith("-packages"))]
    )
    environment["TMPDIR"] = tempfile.gettempdir() if os.access(tempfile.gettempdir(), os.W_OK) else "/tmp"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        environment["TMPDIR"] = folder
        done = subprocess.run(
            [*python, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            env=environment,
            cwd="/",
            timeout=300,
            check=False,
            **more,
        )
        assert not os.listdir(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    uid, out, err, told = json.loads(done.stdout)
    assert uid == more.get("user", os.geteuid())
    return out, err, told


by_both = pytest.mark.parametrize("user", ["as it is", "another"])


@by_both
def test_nothing_of_the_host_is_seen(user):
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        port = waiting.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):  # it is up, from outside
            out, _, _ = run(
                user,
                f"ls -d {ROOT} {HOME or '/root'} /etc/shadow /sys 2>&1; env; cat /proc/*/environ | tr '\\0' '\\n'; echo; "
                f"nc -z -w2 127.0.0.1 {port} && echo reached; nc -z -w2 192.0.2.1 80 && echo out; "
                "echo pids $(ls -d /proc/[0-9]* | wc -l); "
                "find /proc/sys/kernel /proc/sys/vm /proc/sys/fs /proc/sys/dev -type f -writable 2>/dev/null; "
                "dmesg > /dev/null 2>&1 && echo log; unshare -r true && echo nested; cat /proc/1/root/etc/shadow; kill -9 -- -1",
            )
    assert out.count("No such file or directory") == 4, out
    assert "sentinel" not in out and "reached" not in out and "\nout\n" not in out and "nested" not in out and "\nlog\n" not in out
    assert int(out.split("pids ")[1].split()[0]) < 20
    assert "/proc/sys" not in out and "root:" not in out


@by_both
def test_forks_end_at_the_limit(user):
    bomb = "perl -e 'for (1..1500) { my $p = fork(); last if !defined $p; if (!$p) { sleep 20; exit } $n++ } print \"forks $n\\n\"'"
    out, _, told = run(user, f'{bomb}; ssh $A "{bomb}"', seconds=50)
    told_forks = [int(line.split()[1]) for line in out.splitlines() if line.startswith("forks ")]
    assert told_forks and all(count < 500 for count in told_forks), out
    assert told["ended"] in ("ended", "time")


@by_both
def test_no_place_takes_more_than_the_disk_holds(user):
    fill = "for f in /workspace/x /tmp/x /dev/shm/x ~/x; do head -c 900M /dev/zero > $f; stat -c 'size %s' $f; rm -f $f; done; "
    fill += "for f in /x /dev/x /run/x /var/x /usr/local/x /usr/local/bin/x /etc/x /opt/x; do touch $f && echo written $f; done; "
    fill += "fallocate -l 800G /tmp/y && echo allocated; for i in $(seq 30000); do : > /tmp/f$i || break; done; ls /tmp | wc -l"
    out, _, _ = run(user, fill, seconds=120)
    sizes = [int(line.split()[1]) for line in out.splitlines() if line.startswith("size ")]
    assert len(sizes) == 4 and max(sizes) <= 512 << 20
    assert "written" not in out and "allocated" not in out and int(out.split()[-1]) < 20000


@by_both
def test_nothing_outlives_a_run(user):
    before = mounted()
    run(user, f"setsid nohup sleep {MARK} & nohup sleep {MARK} & ssh $A 'nohup setsid sleep {MARK} > /dev/null 2>&1 &'; echo done")
    assert gone() and mounted() == before


@by_both
def test_what_waits_is_ended_by_the_time(user):
    _, _, told = run(user, f"ssh -tt $A; sleep {MARK}", seconds=6)
    assert told["ended"] == "time" and gone()


def test_a_killed_ppres_leaves_nothing():
    needs_a_box()
    before = mounted()
    code = f"import boxes; print(boxes.Ended('sleep {MARK} & sleep {MARK}', seconds=600).told)"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd="/")
    try:
        until = time.monotonic() + 60
        while not left_over() and time.monotonic() < until:
            time.sleep(0.1)
        assert left_over()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert gone() and mounted() == before


def test_a_strange_program_at_the_gateways_port_gets_nothing():
    end = Ended("exec 3<>/dev/tcp/127.0.0.1/18080; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; echo sent", seconds=20)
    assert "sent" in end.out
