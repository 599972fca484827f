"""Honest programs that use more of the platform than a function: processes, files, large inputs, long integers."""

import pytest

from verifiers.code import CodeVerifier, sandbox
from verifiers.types import Problem

AVAILABLE = sandbox.LEVELS[: sandbox.LEVELS.index(sandbox.level()) + 1]


@pytest.fixture(scope="module", params=AVAILABLE)
def verifier(request):
    made = CodeVerifier(level=request.param, allow_weak=True)
    yield made
    made.close()


def stdin(given, expected, **more):
    return Problem("p", "", {"tests": [{"stdin": given, "stdout": expected}], "time_limit": 30, **more})


PROCESSES = {
    "a pool": "from multiprocessing import Pool\nif __name__ == '__main__':\n    with Pool(2) as p:\n"
    "        print(sum(p.map(int, input().split())))",
    "a pool of a hundred": "import multiprocessing as mp\np = mp.Pool(100)\nprint(sum(p.imap(int, input().split())))",
    "a pool of a context": "import multiprocessing\nwith multiprocessing.get_context('fork').Pool() as p:\n"
    "    print(sum(p.imap_unordered(int, input().split())))",
    "an executor": "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as ex:\n"
    "    print(sum(ex.map(int, input().split())))",
    "a process and a queue": "from multiprocessing import Process, Queue\nq = Queue()\n"
    "p = Process(target=q.put, args=(sum(map(int, input().split())),))\np.start()\np.join()\nprint(q.get())",
    "a shared value": "from multiprocessing import Process, Value\nv = Value('i', 0)\ndef add(x):\n"
    "    with v.get_lock():\n        v.value += x\nps = [Process(target=add, args=(int(x),))"
    " for x in input().split()]\n"
    "for p in ps: p.start()\nfor p in ps: p.join()\nprint(v.value)",
}


@pytest.mark.parametrize("program", PROCESSES.values(), ids=PROCESSES)
def test_threads_take_the_place_of_processes(verifier, program):
    verdict = verifier.verify(stdin("2 3\n", "5\n"), "", program)
    assert verdict.score == 1.0, verdict


def test_a_program_reads_and_writes_the_files_of_the_row(verifier):
    problem = stdin("4 5\n", "20\n", input_mode="file", input_file="in.dat", output_file="out.dat")
    program = "a, b = map(int, open('in.dat').read().split())\nprint({}, file=open('out.dat', 'w'))\n"
    assert verifier.verify(problem, "", program.format("a * b")).score == 1.0
    assert verifier.verify(problem, "", program.format("a + b")).score == 0.0
    assert verifier.verify(problem, "", "print(20)").score == 0.0


def test_an_input_larger_than_the_scratch_folder(verifier):
    problem = stdin("x" * (68 << 20), str(68 << 20))
    assert verifier.verify(problem, "", "import sys\nprint(len(sys.stdin.read()))").score == 1.0


def test_integers_have_as_many_digits_as_they_need(verifier):
    problem = Problem("p", "", {"entry": "f", "tests": [{"args": [10**6000], "expected": 10**6000 + 1}]})
    assert verifier.verify(problem, "", "def f(n):\n    return int(str(n)) + 1\n").score == 1.0
    assert verifier.verify(problem, "", "def f(n):\n    return int(str(n)) + 2\n").score == 0.0


def test_dev_stdout_is_standard_output(verifier):
    program = "print(1)\nwith open('/dev/stdout', 'w') as out:\n    out.write('2\\n')\nprint(3)"
    flushed = program.replace("print(1)", "print(1, flush=True)")
    assert verifier.verify(stdin("", "1\n2\n3\n"), "", flushed).score == 1.0
