"""The same line of code in a script, a notebook, a running event loop, two processes at once, and the workers of an executor."""

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import faults
import pytest

import ppres as pp

PERSONA = "gemini-3-flash"
RUN = """
import sys
import ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
model = pp.Model("openai/gemini-3-flash", api_base=sys.argv[1], family="Gemini")
df = pp.run(cell, model, {n}, concurrency=4, progress=False)
print(len(df), df.id.is_unique)
"""


@pytest.fixture
def server():
    with faults.Faulty(latency=0.02) as running:
        yield running


def model_at(server):
    return pp.Model(f"openai/{PERSONA}", api_base=server.url, family="Gemini")


def script(server, n=6, **popen):
    return subprocess.Popen([sys.executable, "-c", RUN.format(n=n), server.url], text=True, stdout=subprocess.PIPE, **popen)


@pytest.mark.slow
def test_two_scripts_at_once_share_the_work_of_a_store(server, cell):
    both = [script(server, 20) for _ in range(2)]
    assert [one.communicate(timeout=600)[0].strip() for one in both] == ["20 True"] * 2
    frame = pp.frame(cell, model_at(server))
    assert len(frame) == 20
    assert server.begun == frame.turns.sum()  # nothing was asked twice


@pytest.mark.slow
def test_two_scripts_that_name_a_store_differently_share_its_work(server, cell, tmp_path):
    (tmp_path / "link.sqlite").symlink_to(os.environ["PPRES_STORE"])
    elsewhere = os.environ | {"PPRES_STORE": str(tmp_path / "link.sqlite")}
    both = [script(server, 20, env=environment) for environment in (dict(os.environ), elsewhere)]
    assert [one.communicate(timeout=600)[0].strip() for one in both] == ["20 True"] * 2
    assert server.begun == pp.frame(cell, model_at(server)).turns.sum()


def test_inside_a_running_event_loop_and_under_pytest(server, cell):
    async def main():
        return pp.run(cell, model_at(server), 4, progress=False)

    assert len(asyncio.run(main())) == 4
    assert len(pp.run(cell, model_at(server), 6, progress=False)) == 6


@pytest.mark.slow
def test_in_a_kernel_again_and_again_without_leaks(server):
    import nbformat
    from nbclient import NotebookClient

    code = [
        f"import os, psutil, sys\nsys.argv[1:] = [{server.url!r}]" + RUN.format(n=2),
        "rows = []\nfor n in range(3, 23):\n    rows.append(len(pp.run(cell, model, n, progress=False)))\n"
        "    if n == 4: files, memory = psutil.Process().num_fds(), psutil.Process().memory_info().rss",
        "print(rows[-1], psutil.Process().num_fds() - files, psutil.Process().memory_info().rss - memory)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in code])
    NotebookClient(notebook, kernel_name="python3", timeout=600).execute(env=dict(os.environ))
    assert not [o for cell in notebook.cells for o in cell.outputs if o.get("name") == "stderr"]
    rows, files, memory = map(int, notebook.cells[2].outputs[0].text.split())
    assert rows == 22
    assert files <= 3
    assert memory < 30e6


@pytest.mark.slow
def test_an_interrupt_ends_it_with_a_summary_and_the_next_run_goes_on(server, cell):
    child = script(server, 200, stderr=subprocess.PIPE)
    while server.calls < 10:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    told = child.stderr.readline()
    assert child.communicate(timeout=600)[0] == ""  # it did not go on to its end
    assert "ppres: stopped: " in told and "paused in conversation" in told
    begun = server.begun
    frame = pp.run(cell, model_at(server), 20, progress=False)
    assert server.begun <= frame.turns.sum() + 4  # the calls that were in flight
    assert begun < server.begun
    assert pp.verify().empty


@pytest.mark.parametrize("kind", [concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor])
def test_an_executor_of_the_standard_library_makes_the_same_rollouts(kind, cell):
    here = pp.run(cell, f"sim/{PERSONA}", 300, progress=False)
    pp.discard(here.id)
    with kind(2) as executor:
        there = pp.run(cell, f"sim/{PERSONA}", 300, executor=executor, progress=False)
    assert there.equals(here)


@pytest.mark.slow
def test_dask_workers_one_of_them_killed(server, cell):
    from distributed import Client, LocalCluster

    conditions = pp.grid(cell, dataset=["factual", "creativity", "red"], instantiation=["file", "file+prompt", "memory"])
    options = {"n_workers": 3, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0", "silence_logs": 50}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def kill():
            while server.calls < 20:
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        with concurrent.futures.ThreadPoolExecutor(1) as aside:
            killed = aside.submit(kill)
            live = pp.run(cell, model_at(server), 30, executor=client.get_executor(), progress=False)
            killed.result()
        simulated = pp.run(conditions, f"sim/{PERSONA}", 400, executor=client.get_executor(), progress=False)
    assert live.replicate.tolist() == list(range(30))
    assert live.stop_reason.isin(["ended", "no_tool_call"]).all()
    assert len(simulated) == simulated.id.nunique() == 9 * 400
    assert pp.verify().empty
    frame = pp.run(conditions, f"sim/{PERSONA}", 400, store="again.sqlite", progress=False)
    assert frame.equals(simulated)


class Pool:
    """An executor that hands out futures of a kind."""

    def __init__(self, future):
        self.submit = lambda *_: future()


def ended(value=None, error=None):
    future = concurrent.futures.Future()
    if error == "cancelled":
        future.cancel()
        future.set_running_or_notify_cancel()
    elif error:
        future.set_exception(error)
    else:
        future.set_result(value)
    return future


@pytest.mark.parametrize("n", [2, 600])
@pytest.mark.parametrize(
    ("future", "told"),
    [
        (lambda: ended(error="cancelled"), "a worker of the executor ended without its rollouts"),
        (lambda: ended(error=SystemExit(2)), "ended without its rollouts .SystemExit"),
        (lambda: ended(error=concurrent.futures.BrokenExecutor("killed")), "ended without its rollouts .BrokenExecutor"),
        (lambda: ended(5), "a worker of the executor returned 5"),
        (lambda: None, "returned None, which is no future"),
    ],
)
def test_workers_that_make_nothing_are_told(future, told, n):
    """A pool that is shut down, a cluster that is scaled down: run returned no rows, without a word."""
    model = pp.FunctionModel("mine", lambda messages, tools: "x", "1") if n == 2 else "sim/gemini-3-flash"
    with pytest.raises((RuntimeError, ValueError), match=told):
        pp.run(pp.grid(scenario="tampering", peer="cooperative"), model, n=n, executor=Pool(future), progress=False)
    assert pp.frame().empty or len(pp.frame()) == 1  # the first of a cell is made here


def test_a_worker_that_was_killed_is_told_once(cell, caplog):
    """asyncio would tell of it again, with tracebacks, once nobody holds what went wrong any more."""
    model = pp.FunctionModel("mine", lambda messages, tools: "x", "1")
    with contextlib.suppress(RuntimeError):
        pp.run(cell, model, n=2, executor=Pool(lambda: ended(error=concurrent.futures.BrokenExecutor("killed"))), progress=False)
    gc.collect()
    assert "never retrieved" not in caplog.text


class Holds:
    """A model that no other process can be given."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, messages, tools):
        return "Done."


@pytest.mark.parametrize("function", [lambda messages, tools: "Done.", Holds()])
def test_what_no_other_process_can_be_given_is_told(function, cell):
    with (
        concurrent.futures.ProcessPoolExecutor(1) as executor,
        pytest.raises(RuntimeError, match=r"cannot be sent to another process .*ThreadPoolExecutor"),
    ):
        pp.run(cell, pp.FunctionModel("mine", function, "1"), 2, executor=executor, progress=False)


ALARMED = """
import signal, sys, time
import ppres as pp
class Alarm(Exception):
    pass
def leave(*_):
    raise Alarm
signal.signal(signal.SIGALRM, leave)
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
model = pp.Model("openai/gemini-3-flash", api_base=sys.argv[1], family="Gemini")
pp.run(cell, model, 1, progress=False)
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    pp.run(cell, model, 500, concurrency=4, progress=False)
except Alarm:
    print("left", end=" ", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms here")
def test_whatever_a_signals_handler_raises_stops_the_conversations(server, cell):
    """They went on by themselves, paid for and never stored."""
    child = subprocess.Popen(
        [sys.executable, "-c", ALARMED, server.url],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout.read(5) == "left "
    time.sleep(0.2)
    begun = server.begun
    time.sleep(0.5)
    assert server.begun == begun
    assert "Task was destroyed" not in child.communicate("\n", timeout=600)[1]
    assert len(pp.run(cell, model_at(server), 5, progress=False)) == 5 and pp.verify().empty


INTERRUPTED = """
import os, signal, sys
import ppres as pp
sent = []
def hook(event, given):
    if event == "import" and given[0] == sys.argv[2] and not sent:
        sent.append(given[0])
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
model = pp.Model("openai/gemini-3-flash", api_base=sys.argv[1], family="Gemini")
try:
    pp.run(cell, model, 1, progress=False)
except KeyboardInterrupt:
    print("interrupted", *sent)
print(len(pp.run(cell, model, 1, progress=False)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["pandas.core.frame", "aiohttp.connector", "litellm.main"])
def test_ctrl_c_while_a_package_is_imported_leaves_no_half_of_it_behind(server, module, tmp_path):
    """It takes up to seconds, and the session could make no frame, or ask no model, any more."""
    script = tmp_path / "study.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, str(script), server.url, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.stdout.split() == ["interrupted", module, "1"], done.stdout + done.stderr


class AtOnce(concurrent.futures.Executor):
    """Works in `submit`."""

    def submit(self, function, /, *given):
        future = concurrent.futures.Future()
        future.set_result(function(*given))
        return future


class Bounded(concurrent.futures.ThreadPoolExecutor):
    """Whose `submit` waits while its two workers are busy, as a known recipe has it."""

    def __init__(self):
        super().__init__(2)
        self.places = threading.BoundedSemaphore(2)

    def submit(self, function, /, *given):
        self.places.acquire()
        future = super().submit(function, *given)
        future.add_done_callback(lambda _: self.places.release())
        return future


@pytest.mark.parametrize("executor", [AtOnce, Bounded])
def test_an_executor_may_wait_or_work_when_it_is_given_work(executor, server, cell):
    """The loop's threads stood in `submit`, and what they waited for needed one of them."""
    with executor() as given:
        frame = pp.run(cell, model_at(server), 12, executor=given, concurrency=12, progress=False)
    assert len(frame) == 12 and frame.stop_reason.eq("ended").all()


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_a_function_that_changes_the_working_directory_changes_nothing(named, tmp_path, monkeypatch):
    """Frameworks of agents do: the store was no more found, and the run of all models ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PPRES_STORE", "mine.sqlite")

    def moves(messages, tools):
        (tmp_path / "workspace").mkdir(exist_ok=True)
        os.chdir(tmp_path / "workspace")
        return "Done."

    models = [pp.FunctionModel("moves", moves, "1"), pp.FunctionModel("stays", lambda messages, tools: "Done.", "1")]
    store = {"store": "mine.sqlite"} if named == "argument" else {}
    made = pp.run(pp.grid(scenario="tampering", peer="cooperative"), models, 2, progress=False, **store)
    assert len(made) == len(pp.frame(store=tmp_path / "mine.sqlite")) > 0
    assert not [*(tmp_path / "workspace").iterdir()]


def test_models_that_differ_in_the_familys_name_alone_are_not_pooled(cell):
    models = [pp.FunctionModel("mine", lambda messages, tools: "Done.", "1", family) for family in ("Auk", "Emu")]
    with pytest.raises(pp.ModelError, match="two different models are called function/mine@1"):
        pp.run(cell, models, 1, progress=False)


def test_a_worker_that_was_spawned_looks_for_secrets_as_well(cell, tmp_path):
    """It has none of what its parent had read."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".env").write_text("MY_SERVICE_TOKEN=tk9Qw3Er5Ty7Ui9Op1As3Df5Gh7Jk\n")
    (tmp_path / "leaks.py").write_text('def leaky(messages, tools):\n    return "401: " + open(".env").read()\n')
    code = (
        "import multiprocessing, leaks, ppres as pp\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        'if __name__ == "__main__":\n'
        '    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:\n'
        '        model = pp.FunctionModel("leaky", leaks.leaky, version="1")\n'
        '        frame = pp.run(pp.Condition(scenario="tampering"), model, n=1, executor=executor, progress=False)\n'
        '    print(pp.transcript(frame.id[0])["messages"][-1]["content"])\n'
    )
    (tmp_path / "go.py").write_text(code)
    done = subprocess.run([sys.executable, "go.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "401: MY_SERVICE_TOKEN=[secret]\n\n", done.stderr
