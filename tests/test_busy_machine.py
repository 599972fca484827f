"""What a busy machine is known by."""

import os
import subprocess
import sys
import time

import pytest

from rlvr.launch.cpu import STEPS, BusyMachine, CpuWait, wait_asleep

HOG = "import os, time\nos.sched_setaffinity(0, {%d})\nend = time.time() + 30\nwhile time.time() < end: pass"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel tells on Linux only")
def test_a_thread_that_shares_its_cpu_waits_for_half_of_the_time():
    cpu = min(os.sched_getaffinity(0))
    code = (
        f"import os, time\nos.sched_setaffinity(0, {{{cpu}}})\n"
        "from rlvr.launch.cpu import CpuWait\nwait, end = CpuWait(), time.time() + 1\n"
        "while time.time() < end: pass\nprint(wait.share())"
    )
    hog = subprocess.Popen([sys.executable, "-c", HOG % cpu])
    try:
        time.sleep(0.2)
        share = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    finally:
        hog.kill()
        hog.wait()
    assert 0.3 < share < 1


def test_sleeping_is_not_waiting():
    wait, ran = CpuWait(), time.process_time()
    time.sleep(1)
    share, ran = wait.share(), time.process_time() - ran
    if share is None:
        pytest.skip("this kernel does not tell")
    assert 0 <= ran * share / (1 - share) < 0.5  # seconds without a CPU, where one was wanted


def said(shares):
    steps = iter(shares)
    machine = BusyMachine(lambda: next(steps))
    return [step for step, _ in enumerate(shares, start=1) if machine.step()[1]]


def test_it_is_said_once_and_again_after_it_has_ended():
    assert said([0.0] * 30) == []
    assert said([0.4] * 30) == [STEPS]
    assert said([0.4] * 15 + [0.15] * 15 + [0.4] * 15) == [STEPS]  # it wavers
    assert said([0.4] * 15 + [0.0] * 15 + [0.4] * 15) == [STEPS, 30 + STEPS // 2]
    assert said([0.9] + [0.0] * 30) == []  # a moment
    assert said([None] * 30) == []  # a kernel that does not tell


def test_threads_that_wait_sleep_unless_the_environment_says_otherwise(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    wait_asleep()
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # restored at the end of the test, whatever it is then
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_it_is_said_before_torch_is_loaded():
    code = (
        "import sys, builtins, os\nimport rlvr.cli as cli\n"
        "assert 'torch' not in sys.modules\n"
        "import rlvr.commands as commands\n"
        "commands.check = lambda args: print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])\n"
        "cli.main(['check'])"
    )
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean)
    assert done.stdout.split() == ["False", "passive"], done.stderr
