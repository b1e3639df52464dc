"""Thirty notebooks that students hand in: right, wrong, crashing, endless, hostile; with what each should get."""

import json

RIGHT = {
    "q1": "lambda f: (f.preserved.sum(), f.preserved.count(), f.preserved.isna().sum())",
    "q2": "lambda f: (f.preserved.fillna(False).mean(), f.preserved.fillna(True).mean())",
    "q3": "lambda k, n: tuple((k + 1.9207 + s * 1.96 * (k * (n - k) / n + 0.96) ** 0.5) / (n + 3.8415) for s in (-1, 1))",
    "q4": "lambda r: next(n for n in range(1, 10000) if (1 - r) ** n <= 0.05)",
    "q5": "lambda r, n, g: (abs(np.subtract(*np.random.default_rng(0).binomial(n, r, (2, 90000)))) >= g).mean()",
    "q6": "words",
}
START = """%matplotlib inline
!pip list
import numpy as np, pandas as pd, ppres as pp
from ppres import course
from ppres.course import check
me = course.student("{name}")"""
WORDS = """df = me.data("lesson4")
table = pp.stats.differences(df, "peer", "cooperative", "stranger", by="model").set_index("model")
words = {a: "different" if row.low > 0 or row.high < 0 else "undecided" for a, row in table.iterrows()}"""
# What stands before the check in the cell of the third exercise, or in its function, and costs that answer alone.
HARM = {
    "raises": "raise RuntimeError('no')",
    "leaves": "import sys; sys.exit()",
    "ends its process": "import os; os._exit(3)",
    "crashes": "import os, signal; signal.raise_signal(11)",
    "deep": "(f := lambda: f())()",
    "endless": "while True: pass",
    "endless and deaf": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "much memory": "x = bytearray(9 << 30)",
    "memory by and by": "x = []\nwhile True: x.append(np.ones(10**7))",
    "reads a file": "print(open({secret!r}).read()); assert False",
    "reads by the system": "import os; os.system('cat {secret}'); assert False",
    "lists": "import os; os.listdir('/root') or os.listdir('/home'); os.listdir({folder!r})",
    "writes": "open({secret!r}, 'w').write('gone')",
    "removes": "import os; os.remove({secret!r})",
    "connects": "import socket; socket.create_connection(('127.0.0.1', {port}))",
    "asks a page": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/')",
    "forks": "import os\nwhile True: os.fork()",
    "starts another": "import subprocess; subprocess.Popen(['sleep', '{mark}'])",
    "starts by C": "import ctypes; ctypes.CDLL(None).system(b'sleep {mark} &')",
    "kills": "import os; os.kill(os.getppid(), 9)",
    "floods": "import os\nfor fd in range(3, 30):\n    try: os.write(fd, b'x' * 10**7)\n    except OSError: pass",
}
# Takes the audit hook away, as a determined one can: what holds then is the box.
AROUND = """import __main__, gc, os, socket
__main__.REFUSED = ()
functions = (one for one in gc.get_objects() if type(one) is type(lambda: 0))
refuse = next(one for one in functions if one.__qualname__.endswith("<locals>.refuse"))
for name, cell in zip(refuse.__code__.co_freevars, refuse.__closure__):
    if name.startswith("may_"): cell.cell_contents = ("",)
refused = [os.fork, lambda: os.memfd_create("m"), lambda: os.posix_spawn("/bin/sleep", ["sleep", "{mark}"], {})]
for attempt in refused:
    try:
        attempt()
    except PermissionError as error:
        refused = [*refused[1:], error.errno]  # the kernel's word, and no more Python's
assert refused == [1, 1, 1]
os.system("sleep {mark} &")
for attempt in (lambda: socket.create_connection(("127.0.0.1", {port}), 2), lambda: open({secret!r}, "a").write("gone")):
    try:
        attempt()
    except OSError:
        pass
assert not os.path.exists({secret!r})"""
IN_FUNCTION = {"endless": "while True: pass", "ends": "import os; os._exit(0)", "returns much": "return ('x' * 10**8, 1)"}
WRONG = {"q1": "lambda f: (1, 2, 3)", "q2": "(0.1, 0.2)", "q3": "lambda k, n: (0, 1)", "q4": "37", "q5": "...", "q6": "{}"}
FORGED = """from ppres.course.check import answers
answers.RULES.clear(); answers.judge = lambda *_: None; answers.Wrong = int
import math; math.sqrt = lambda x: 0
class Any(float):
    def __eq__(self, other): return True
    __ne__ = lambda *_: False
    __hash__ = float.__hash__"""


def notebook(cells):
    made = [{"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None} for text in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def cells(name, answers=(), before=(), start=START):
    """A whole submission: the right answers, but for those given."""
    told = RIGHT | dict(answers)
    parts = [f"{dict(before).get(q, '')}\nanswer = {told[q]}\ncheck.lesson4.{q}(answer)" for q in RIGHT]
    return [start.replace("{name}", name), WORDS, *parts]


def thirty(folder, secret, port, mark):
    """Writes them; what each should have right, by file."""
    made, due = {}, {}
    everything = {f"lesson4.{q}" for q in RIGHT}

    def add(name, text, right):
        made[f"{name.replace(' ', '_')}.ipynb"], due[f"{name.replace(' ', '_')}.ipynb"] = text, right

    add("right", notebook(cells("right")), everything)
    add("shuffled", notebook([cells("shuffled")[i] for i in (0, 1, 7, 5, 6, 3, 4, 2)]), everything)
    add("wrong", notebook(cells("wrong", WRONG)), set())
    add("forged", notebook(cells("forged", {"q4": "lambda r: Any(1)"} | {q: WRONG[q] for q in ("q1", "q3")}, {"q1": FORGED})),
        everything - {"lesson4.q1", "lesson4.q3", "lesson4.q4"})  # fmt: skip
    add("no check", notebook(cells("no check")[:-1]), everything - {"lesson4.q6"})
    add("no notebook", '{"cells": 3', set())
    for name, harm in HARM.items():
        told = harm
        places = {"secret!r": repr(str(secret)), "secret": secret, "folder!r": repr(str(folder)), "port": port, "mark": mark}
        for key, value in places.items():
            told = told.replace(f"{{{key}}}", str(value))
        add(name, notebook(cells(name, before={"q3": told})), everything - {"lesson4.q3"})
    for name, harm in IN_FUNCTION.items():
        text = "def f(*_):\n" + "\n".join(f"    {line}" for line in harm.split("\n"))
        add(f"function {name}", notebook(cells(name, {"q3": "f"}, {"q3": text})), everything - {"lesson4.q3"})
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert len(made) == 30
    return due
