"""Grading: each answer counts alone, nothing gets out of a submission's process, and nothing is left running."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import lessons
import pandas as pd
import psutil
import pytest
import submissions

from ppres.cli import main
from ppres.course import box, grade, inside
from ppres.course.check import answers


def graded(folder, csv, *more):
    assert main(["course", "grade", str(folder), "--csv", str(csv), *more]) == 0
    return pd.read_csv(csv, keep_default_na=False)


def right(frame, file):
    return {*frame[(frame.file == file) & frame.right].exercise}


@pytest.mark.slow
def test_thirty_submissions(tmp_path, monkeypatch, record_property):
    mark = "98765.4321"
    folder, secret = tmp_path / "handed in", tmp_path / "solutions.txt"
    folder.mkdir()
    secret.write_text("42")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        due = submissions.thirty(folder, secret, server.getsockname()[1], mark)
        before = {process.pid for process in psutil.process_iter()}
        frame = graded(folder, tmp_path / "marks.csv", "--seconds", "60")
        with pytest.raises(TimeoutError):  # nobody has connected
            server.accept()
    assert {file: right(frame, file) for file in due} == due, frame[["file", "exercise", "right", "why"]].to_string()
    assert secret.read_text() == "42"
    time.sleep(1)
    own = [process for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    told = [" ".join(process.info["cmdline"] or ()) for process in own]
    assert not [line for line in told if mark in line or "ppres.course.inside" in line]
    whys = frame.set_index(["file", "exercise"]).why
    assert "60 s" in whys["endless.ipynb", "lesson4.q3"] and "RuntimeError: no" in whys["raises.ipynb", "lesson4.q3"]
    assert "not there" in whys["no_check.ipynb", "lesson4.q6"]
    assert frame[frame.file == "no_notebook.ipynb"].why.item().startswith("no notebook")
    record_property("not confined", box.way()[1])


@pytest.mark.slow
def test_who_gets_around_python_is_still_in_a_box(tmp_path):
    if box.way()[1]:
        pytest.skip(box.way()[1])
    secret, mark = tmp_path / "solutions.txt", "98765.1234"
    (tmp_path / "in").mkdir()
    secret.write_text("42")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        told = submissions.AROUND.replace("{mark}", mark).replace("{port}", str(server.getsockname()[1]))
        told = told.replace("{secret!r}", repr(str(secret)))
        (tmp_path / "in" / "a.ipynb").write_text(submissions.notebook(submissions.cells("Eve", before={"q3": told})))
        frame = graded(tmp_path / "in", tmp_path / "marks.csv", "--seconds", "60")
        with pytest.raises(TimeoutError):
            server.accept()
    assert len(right(frame, "a.ipynb")) == 6, frame.why.tolist()  # it did all that, and answered
    assert secret.read_text() == "42"
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or ())]


@pytest.mark.slow
def test_every_solution_is_right_when_it_is_graded(tmp_path):
    """What checks are given goes through another process, and their fresh data are not those of the notebook."""
    for stem in lessons.STEMS:
        text = (lessons.COURSE / "solutions" / f"{stem}.ipynb").read_text(encoding="utf-8")
        (tmp_path / f"{stem}.ipynb").write_text(text.replace("Your Name", f"Student of {stem}"), encoding="utf-8")
    frame = graded(tmp_path, tmp_path / "marks.csv", "--seconds", "120")
    assert frame.file.nunique() == len(lessons.STEMS) and frame.right.all(), frame[~frame.right].to_string()


@pytest.mark.slow
def test_what_was_fitted_to_the_notebooks_check_is_not_right(tmp_path):
    """A table of answers for the data that this student's check shows in the notebook."""
    table = (
        "(lambda table: (lambda r: table.get(r, 7)))({one: next(n for n in range(1, 9999) if (1 - one) ** n <= 0.05) for one in "
    )
    table += "(0.5, 0.2, 0.08, *me.rng('lesson4', 'q4').uniform(0.005, 0.3, 5).round(3))})"
    (tmp_path / "a.ipynb").write_text(submissions.notebook(submissions.cells("Ada", {"q4": table})))
    frame = graded(tmp_path, tmp_path / "marks.csv", "--seconds", "60")
    assert right(frame, "a.ipynb") == {f"lesson4.q{i}" for i in (1, 2, 3, 5, 6)}


@pytest.mark.slow
@pytest.mark.parametrize("boxed", [True, False])
def test_one_that_crashes_loses_one_answer(boxed, tmp_path, monkeypatch, capsys):
    """The whole way, with the least that shows it: one submission, two processes, and a name that two have."""
    if not boxed:  # as on a system without namespaces
        monkeypatch.setattr(box, "way", lambda: ([], "no namespaces here"))
    cells = submissions.cells("Ada", before={"q3": "import os; os._exit(3)", "q1": "raise ValueError(1)"})
    (tmp_path / "ada.ipynb").write_text(submissions.notebook(cells))
    (tmp_path / "copy.ipynb").write_text(submissions.notebook([cells[0], "check.lesson4.q4(7)"]))
    frame = graded(tmp_path, tmp_path / "marks.csv", "--seconds", "60")
    assert ("Not confined: no namespaces here" in capsys.readouterr().out) == (not boxed)
    assert right(frame, "ada.ipynb") == {f"lesson4.q{i}" for i in (2, 4, 5, 6)}
    assert right(frame, "copy.ipynb") == set()
    assert "ended its process" in frame[(frame.file == "ada.ipynb") & (frame.exercise == "lesson4.q3")].why.item()
    assert frame.why.str.contains("same name in ada.ipynb, copy.ipynb").all()


@pytest.mark.slow
def test_a_function_that_exits_when_it_is_called_loses_its_own_answer_alone(tmp_path):
    """Grader and submission were out of step from there on, and right answers were told to be wrong, for a false reason."""
    ends = {"q1": "import sys\ndef ends(*given): sys.exit()\ncheck.lesson4.q1(ends)"}
    (tmp_path / "ada.ipynb").write_text(submissions.notebook(submissions.cells("Ada", before=ends)))
    (tmp_path / "bo.ipynb").write_text(submissions.notebook(submissions.cells("Bo", {"q1": "__import__('sys').exit"})))
    frame = graded(tmp_path, tmp_path / "marks.csv", "--seconds", "60")
    assert right(frame, "bo.ipynb") == {f"lesson4.q{i}" for i in (2, 3, 4, 5, 6)}
    assert {f"lesson4.q{i}" for i in (2, 3, 4, 5, 6)} <= right(frame, "ada.ipynb")


WAYS = {"bubblewrap": 0, "unshare": 1, "Python alone": 2}


@pytest.fixture(params=WAYS)
def confined(request, monkeypatch):
    """What a process is put into, in each way that runs here."""
    around = [*box.ways(), ([], "no namespaces here")][WAYS[request.param]]
    if around[0] and not box.runs(around[0]):
        pytest.skip("does not run here")
    monkeypatch.setattr(box, "way", lambda: around)
    monkeypatch.setattr(box, "ROOM", 16 * 2**20)
    return request.param


FILL = """import sys
written = 0
for folder in sys.argv[1:]:
    try:
        with open(folder + "/x", "wb", buffering=0) as file:
            for _ in range(64): written += file.write(bytes(2**20))
    except OSError: pass
print(written)"""


def test_a_box_holds_no_more_than_its_room(confined, tmp_path):
    """Whoever gets around Python fills neither the disk nor the memory."""
    if confined == "Python alone":
        pytest.skip("there is no box")
    (tmp_path / "room").mkdir()
    places = [str(tmp_path / "room"), *(["/", "/dev", "/dev/shm", str(tmp_path)] if confined == "bubblewrap" else [])]
    command = [*box.filled(box.way()[0], str(tmp_path)), sys.executable, "-c", FILL, *places]
    written = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert 15 * 2**20 < written <= 2 * box.ROOM
    assert not [*tmp_path.glob("**/x")]


@pytest.mark.slow
def test_one_that_fills_its_room_loses_its_own_answers_for_that(confined, tmp_path):
    hog = "for i in range(99):\n    with open(f'f{i}', 'wb') as file: file.write(bytes(3 << 20))"
    cells = submissions.cells("Eve", before={"q3": hog, "q4": "raise ValueError(1)"})
    (tmp_path / "eve.ipynb").write_text(submissions.notebook(cells))
    (tmp_path / "ada.ipynb").write_text(submissions.notebook(submissions.cells("Ada")))
    frame = graded(tmp_path, tmp_path / "marks.csv", "--seconds", "60")
    assert len(right(frame, "ada.ipynb")) == 6 and right(frame, "eve.ipynb") == {f"lesson4.q{i}" for i in (1, 2, 5, 6)}
    why = frame[(frame.file == "eve.ipynb") & ~frame.right].why
    assert why.str.startswith("no answer: the submission has written all of the 16 MB that it may: ").all(), why.tolist()


@pytest.mark.parametrize("cell", ['tell(b\'{"failed": 0, "why": "StoreError"}\')', ""], ids=["a cell fails", "a check fails"])
def test_a_full_disk_is_nobodys_wrong_answer(cell, speaking, tmp_path, monkeypatch, capsys):
    def rule(answer, me):
        raise OSError("database or disk is full")

    monkeypatch.setattr(grade, "_rules", lambda lesson: ["odd.q0"])
    monkeypatch.setattr(answers, "RULES", {"odd.q0": rule})
    monkeypatch.setattr(box, "_SPARE", 2**62)
    (tmp_path / "a.ipynb").write_text(submissions.notebook([cell + "  # check.lesson4.q1("]))
    assert main(["course", "grade", str(tmp_path), "--csv", str(tmp_path / "marks.csv")]) == 1
    assert "the disk is full, so nothing can be graded" in capsys.readouterr().err
    assert not (tmp_path / "marks.csv").exists()


def test_a_folder_without_notebooks_is_told(tmp_path, capsys):
    assert main(["course", "grade", str(tmp_path)]) == 1
    assert "there is no notebook in" in capsys.readouterr().err
    assert main(["course", "grade"]) == 1
    assert "takes a folder" in capsys.readouterr().err


# What each cell sends, beside its answer, instead of executing it: a process of the least that there is.
SPEAKING = """
import json, sys, time
job = json.loads(sys.stdin.buffer.readline())
tell = lambda line: (sys.stdout.buffer.write(line + bytes([10])), sys.stdout.flush())
for i, source in enumerate(job["cells"]):
    if i not in job["skipped"]:
        tell(json.dumps({"cell": i}).encode())
        exec(source)
        tell(json.dumps({"answer": f"odd.q{i}", "value": i, "student": "=1+1"}).encode())
        sys.stdin.readline()
tell(b'{"end": true}')
"""


@pytest.fixture
def speaking(monkeypatch):
    """Rules for three exercises, and a process that says what its cells say."""

    @contextlib.contextmanager
    def process():
        command = [sys.executable, "-I", "-S", "-c", SPEAKING]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
            try:
                yield process
            finally:
                box.kill(process)
                process.wait()

    monkeypatch.setattr(answers, "RULES", {f"odd.q{i}": lambda answer, me: None for i in range(3)})
    monkeypatch.setattr(box, "process", process)


LINES = [
    b'{"cell": "abc"}', b'{"cell": 1e999}', b'{"cell": null}', b'{"cell": 7}', b'{"cell": 0}', b'{"cell": [1]}', b'{"failed": {}}',
    b'{"failed": 0, "why": "x"}', b'{"failed": 1}', b'{"failed": 1, "why": []}', b'{"answer": "odd.q1", "value": 1}',
    b'{"answer": 5, "value": 1, "student": "Eve"}', b'{"answer": "odd.q1", "value": 1, "student": []}', b'{"end": 1}', b"{}",
    b'{"x": 1}', b"[1]", b"5", b"null", b'"x"', b"", b"{", b"\xff\xfe", b"[" * 1_000_000, b"[" * 11_000_000, b"9" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:30].decode(errors="replace"))
def test_a_line_that_no_exercise_sends_costs_the_cell_that_sent_it(line, speaking):
    byte = next((line[:1] for n in (11_000_000, 1_000_000) if len(line) == n), None)
    said = f"{byte} * {len(line)}" if byte else repr(line)
    work = grade.Submission(["", f"tell({said}); time.sleep(60)", ""], 30, 2048)
    work.run()
    assert (work.verdicts, work.skipped) == ({"odd.q0": "", "odd.q2": ""}, [1])
    assert work.failed == {1: "its cell sent the grader what no exercise sends"}


def test_no_cell_renews_its_time_and_no_submission_goes_on_for_ever(speaking, monkeypatch):
    work = grade.Submission(["while True: tell(json.dumps({'cell': 0}).encode())", ""], 30, 2048)
    work.run()
    assert (work.verdicts, work.skipped) == ({"odd.q1": ""}, [0])
    monkeypatch.setattr(grade, "_ROUNDS", 1)
    monkeypatch.setattr(grade, "_START", 0)
    through = "for i in range(1, 9): tell(json.dumps({'cell': i}).encode()), time.sleep(0.5)"
    work = grade.Submission([through, *[""] * 8], 2, 2048)
    work.run()
    assert work.failed[-1].endswith("or took more than 2 s in all")


def test_what_a_submission_calls_itself_is_neither_a_formula_nor_an_end(speaking, tmp_path, monkeypatch):
    monkeypatch.setattr(grade, "_rules", lambda lesson: ["odd.q0"])
    for name, student in (("a", "\\ud800"), ("b", "=1+1")):
        cell = f'tell(b\'{{"answer": "odd.q0", "value": 1, "student": "{student}"}}\'); sys.stdin.readline(); sys.exit()'
        (tmp_path / f"{name}.ipynb").write_text(submissions.notebook([cell + "  # check.lesson4.q1("]))
    (tmp_path / "c.ipynb").write_text("[" * 1_000_000)
    frame = graded(tmp_path, tmp_path / "marks.csv")
    assert frame.student.tolist() == ["?", "'=1+1", ""] and json.dumps(frame.why[2]) == '"no notebook: RecursionError"'


def test_a_notebook_has_one_name_and_no_answer_of_another(speaking):
    copied = 'tell(b\'{"answer": "odd.q1", "value": 1, "student": "Bob"}\'); sys.stdin.readline()'
    work = grade.Submission(["", copied, ""], 30, 2048)
    work.run()
    assert work.student == "=1+1" and work.verdicts.pop("odd.q1") == ""  # the cell's own answer follows the copied one
    work = grade.Submission([copied, ""], 30, 2048)
    work.run()
    assert work.student == "Bob" and work.verdicts["odd.q1"] == "no answer of Bob, whose notebook this is: it was given as =1+1"


def test_capitals_make_no_other_student(speaking):
    named = 'tell(b\'{"answer": "odd.q1", "value": 1, "student": "ada l"}\'); sys.stdin.readline(); tell(b\'{"end": true}\')'
    work = grade.Submission(["", named], 30, 2048)
    work.student = "ADA L"
    work.run()
    assert work.verdicts["odd.q1"] == "" and work.verdicts["odd.q0"].startswith("no answer of ADA L")


TABLES = [
    {"series": "A" * 9_000, "index": {"list": [0] * 3_000}},
    {"series": 1, "index": {"list": [0] * 3_000}},
    {"series": {"list": [1]}, "index": {"mapping": [[1, 2]]}},
    {"frame": [["a", "A" * 9_000], ["b", {"list": [0] * 3_000}]], "index": {"list": [0] * 3_000}},
    {"frame": [["a", {"mapping": [[0, 1]]}]], "index": {"list": [0]}},
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: json.dumps(table)[:30])
def test_a_table_is_as_large_as_what_was_sent(table, speaking):
    line = json.dumps({"answer": "odd.q1", "value": table, "student": "=1+1"})
    work = grade.Submission(["", f"tell({line!r}.encode()); sys.stdin.readline(); time.sleep(60)"], 30, 2048)
    work.run()
    assert work.verdicts == {"odd.q0": "", "odd.q1": "checking this answer sent the grader what no exercise sends"}


def test_what_one_submission_makes_the_grader_hold_is_bounded(speaking, monkeypatch):
    def all_levels(answer, me):
        return [answer() for _ in range(1_000)]

    monkeypatch.setattr(answers, "RULES", answers.RULES | {"odd.q1": all_levels})
    monkeypatch.setattr(grade, "_ALL", 2**20)
    asked = json.dumps({"answer": "odd.q1", "value": {"function": 0}, "student": "=1+1"})
    sent = json.dumps({"value": "x" * 100_000})
    work = grade.Submission(["", f"tell({asked!r}.encode())\nwhile sys.stdin.readline(): tell({sent!r}.encode())", ""], 30, 2048)
    work.run()
    why = "sent the grader more than the 1 MB that it takes from one submission"
    assert work.verdicts == {"odd.q0": "", "odd.q1": f"checking this answer {why}"}
    assert work.failed == {-1: f"the submission {why}"}


def test_a_line_for_jupyter_is_left_out_and_an_operator_or_a_text_is_not():
    source = """%matplotlib inline
a, b = 7, 4
same = (a
        % b
        != 0)
said = '''x
%y
!z'''
if same:
    !ls
    %time a
    said.upper??
?said
%time?
!pip install x"""
    space = {}
    exec(inside._compiled(source, "cell"), space)
    assert (space["same"], space["said"]) == (True, "x\n%y\n!z")
    with pytest.raises(SyntaxError):
        inside._compiled("%matplotlib inline\nx = = 1", "cell")


@pytest.mark.parametrize(
    ("line", "means"),
    [
        ("%time x = 7", "x = 7"), ("  %timeit -n 10 -r3 f(1)", "  f(1)"), ("%timeit -o f(-1)", "f(-1)"), ("%time  !ls", "pass"),
        ("%time %matplotlib", "pass"), ("%timeit?", "pass"), ("%time f?", "pass"), ("%%time", "pass"), ("%timed x", "pass"),
        ("files = !ls", "pass"),
    ],
)  # fmt: skip
def test_what_is_timed_is_executed(line, means):
    before = "if True:\n" if line[0] == " " else ""
    assert inside._compiled(before + line, "cell").co_code == compile(before + means, "cell", "exec").co_code


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("check.lesson4.q1(f); check.lesson5.q1(f)", ["lesson4", "lesson5"]),
        ("from ppres.course.check import lesson3, lesson4\nlesson4.q1(f)", ["lesson4", "lesson3"]),
        ("from ppres.course.check.lesson4 import q1\nq1(f)", ["lesson4"]),
        ("from ppres.course import check as c\nc.lesson4.q1(f)", ["lesson4"]),
        ("me.data('lesson4')  # of lesson4", []),
    ],
)
def test_a_lesson_is_asked_for_by_any_name_that_it_was_imported_by(source, asked):
    assert grade._asked(source) == asked


def test_what_jupyter_runs_is_an_answer(tmp_path):
    """Magics, top-level `await`, a check by another name."""
    start = "from ppres import course\nfrom ppres.course.check import lesson4 as l4\nme = course.student('Ada')"
    waits = "import asyncio, math\nasync def ready(): return await asyncio.to_thread(lambda: 0.05)\nrest = await ready()"
    cells = [start, waits, "%time n = lambda r: math.ceil(math.log(rest) / math.log(1 - r))", "l4.q4(n)"]
    (tmp_path / "a.ipynb").write_text(submissions.notebook(cells))
    marks = graded(tmp_path, tmp_path / "marks.csv")
    assert right(marks, "a.ipynb") == {"lesson4.q4"}, marks.why.tolist()


def test_a_notebook_or_a_line_has_values_within_bounds(speaking, tmp_path):
    (tmp_path / "a.ipynb").write_text('{"cells": [' + "0," * 2_000_001 + "0]}")
    assert graded(tmp_path, tmp_path / "marks.csv").why.tolist() == ["no notebook: it has more than 2,000,000 values"]
    many = """tell(b'{"answer": "odd.q1", "student": "=1+1", "value": {"other": [' + b"0," * 2_000_001 + b"0]}}"); time.sleep(60)"""
    work = grade.Submission(["", many, ""], 30, 2048)
    work.run()
    assert work.failed == {1: "its cell sent the grader what no exercise sends"}


def test_notebooks_are_found_as_platforms_hand_them_out(speaking, tmp_path, monkeypatch):
    """Each in a folder of its student's, some with a byte order mark; what Jupyter keeps beside is nobody's."""
    monkeypatch.setattr(grade, "_rules", lambda lesson: ["odd.q0"])
    for i, place in enumerate(("Lovelace, Ada_17", ".ipynb_checkpoints", "Bob/.ipynb_checkpoints", "Bob", "Eve")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        text = submissions.notebook([f"# {i} check.lesson4.q1("])
        name = "lesson 4.IPYNB" if place == "Eve" else "lesson 4.ipynb.json" if place == "Bob" else "lesson 4.ipynb"
        (tmp_path / place / name).write_text(text, encoding="utf-8-sig" if i else "utf-8")
    marks = graded(tmp_path, tmp_path / "marks.csv")
    files = ["Bob/lesson 4.ipynb.json", "Eve/lesson 4.IPYNB", "Lovelace, Ada_17/lesson 4.ipynb"]
    assert marks.file.tolist() == files and marks.right.all()


@pytest.mark.skipif(sys.platform != "linux", reason="names there are texts")
def test_a_file_whose_name_is_no_text_costs_nobody_their_mark(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"M\xfcller.ipynb")).write_text("{}")
    assert graded(folder, tmp_path / "marks.csv").file.tolist() == ["M?ller.ipynb"]


@pytest.mark.skipif(sys.platform != "linux", reason="no such files are there")
def test_what_is_handed_in_is_read_if_it_is_a_file_of_some_size(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "a.ipynb")
    (folder / "b.ipynb").symlink_to("/dev/zero")
    with (folder / "c.ipynb").open("wb") as file:
        file.truncate(2**30)
    (folder / "d.ipynb").symlink_to("nowhere")
    (folder / "e.ipynb").mkdir()
    marks = graded(folder, tmp_path / "marks.csv")
    assert marks.why.tolist() == ["no notebook: no file, or one of more than 64 MB"] * 5


@pytest.mark.skipif(os.name != "posix", reason="no signal is sent there")
def test_ctrl_c_ends_the_grading_of_what_does_not_end(tmp_path):
    begins = ["from ppres import course\nfrom ppres.course import check\nme = course.student('Ada L')"]
    for name in "abcde":
        notebook = submissions.notebook(begins + ["while True: pass\ncheck.lesson4.q1(1)"] * 9)
        (tmp_path / f"{name}.ipynb").write_text(notebook)
    grading = subprocess.Popen([sys.executable, "-m", "ppres", "course", "grade", str(tmp_path)], stderr=subprocess.PIPE)
    me, executing = psutil.Process(grading.pid), []
    while not executing:
        assert grading.poll() is None
        time.sleep(0.05)
        executing = [child for child in me.children(recursive=True) if "ppres.course.inside" in command(child)]
    grading.send_signal(signal.SIGINT)
    grading.communicate(timeout=60)  # each of the five would take minutes
    assert grading.returncode == 130
    psutil.wait_procs(executing, timeout=10)
    assert not [child for child in executing if child.is_running()]


GRADER = """import sys
from ppres.cli import main
from ppres.course import grade
def busy(*_):
    print("begun", flush=True)
    while True: pass
grade._graded = busy
sys.exit(main(["course", "grade", sys.argv[1]]))"""


@pytest.mark.skipif(os.name != "posix", reason="no signal is sent there")
def test_one_ctrl_c_ends_grading_whatever_the_grader_itself_is_at(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    grading = subprocess.Popen([sys.executable, "-c", GRADER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert grading.stdout.readline() == b"begun\n"
        grading.send_signal(signal.SIGINT)
        grading.communicate(timeout=60)
    finally:
        grading.kill()
    assert grading.returncode == 130


def command(process):
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.mark.skipif(sys.platform != "linux", reason="such names are not there")
def test_a_table_of_marks_obeys_nobody(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("=1+1", " =2", "\uff1d3", "a\x1b[2J\u202eb", "c\nd: 6 of 6"):
        (folder / f"{name}.ipynb").write_text("{}")
    marks = graded(folder, tmp_path / "marks.csv").file.tolist()
    assert sorted(marks) == sorted(
        ["'=1+1.ipynb", "' =2.ipynb", "'\uff1d3.ipynb", "a\u241b[2J<U+202E>b.ipynb", "c\u240ad: 6 of 6.ipynb"]
    )


class Whole(int):
    """A number that says when it is looked up."""

    def __hash__(self):
        raise AssertionError("looked up")


def _conditions(n):
    return [SimpleNamespace(scenario="tampering", subject="peer", peer=Whole(i), instantiation=Whole(i)) for i in range(n)]


def _planted(n):
    told = {"model": [Whole(i) for i in range(n)], "peer": "stranger", "source": "planted", "preserved": True, "cell": "a"}
    return pd.DataFrame(told | {"model": pd.Series(told["model"], dtype=object)})


def _registration(n):
    record = {"hypotheses": {}, "tests": {"a": {"arguments": {"by": "peer model"}, "expect": "less"}}, "n": 1, "confounds": []}
    return record | {"cells": [{"model": Whole(i)} for i in range(n)], "made_before": 0}


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("lesson3.q1", _conditions(20)),
        ("lesson3.q6", _planted(20)),
        ("lesson8.q4", _registration(20)),
        ("lesson2.q4", lambda frame: pd.DataFrame({"k": 1, "n": 1}, pd.Index([*map(Whole, range(20))], dtype=object))),
    ],
)
def test_lists_of_numbers_are_not_looked_up(exercise, answer):
    """They may be long."""
    grade._rules(exercise.partition(".")[0])
    with pytest.raises(answers.Wrong, match=r"^(?!.*looked up)"):
        answers.judge(answers.RULES[exercise], answer, lessons.as_ada())
