"""Files that are written stand whole, or not at all."""

import stat
import subprocess
import sys

import pytest

import ppres as pp
from ppres.outputs import BESIDE, folder_for, output, written_whole
from ppres.store.store import Store

# With -B, as Python would leave half of a module's bytecode behind.
FULL = """
import resource, sys
import ppres as pp
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
pp.to_csv(pp.read_csv("good.csv"), sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
@pytest.mark.parametrize("name", ["good.csv", "new.csv"])
def test_a_disk_that_is_full_leaves_what_was_there(name, tmp_path):
    frame = pp.run(pp.grid(scenario="deletion"), "sim/compliant", n=100, progress=False)
    pp.to_csv(frame, "good.csv")
    before = (tmp_path / "good.csv").read_bytes()
    done = subprocess.run([sys.executable, "-B", "-c", FULL, name], capture_output=True, text=True, check=False)
    assert done.returncode and "OSError" in done.stderr
    assert (tmp_path / "good.csv").read_bytes() == before and len(before) > 20_000
    assert {path.name for path in tmp_path.iterdir() if "csv" in path.name} == {"good.csv"}


def test_what_is_interrupted_leaves_what_was_there(tmp_path):
    place = tmp_path / "page.html"
    place.write_text("good")

    def write():
        with written_whole(place) as file:
            file.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert place.read_text() == "good" and [*tmp_path.glob("*")] == [place]


def test_a_link_stays_one_and_a_file_keeps_its_rights(tmp_path):
    place, link = tmp_path / "a.csv", tmp_path / "link.csv"
    place.write_text("old")
    place.chmod(0o600)
    link.symlink_to(place)
    with written_whole(link) as file:
        file.write_text("new")
    assert link.is_symlink() and place.read_text() == "new" and stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_a_pipe_is_written_through_the_name_that_it_has_in_every_process(tmp_path):
    frame = "pp.run(pp.grid(scenario='deletion'), 'sim/compliant', n=2, progress=False)"
    code = f"import ppres as pp; pp.to_csv({frame}, '/dev/stdout')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3 and done.stdout.startswith("id,model,")


def test_a_frame_is_packed_by_its_name(tmp_path):
    frame = pp.run(pp.grid(scenario="deletion"), "sim/compliant", n=2, progress=False)
    pp.to_csv(frame, "a.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes()[:2] == b"\x1f\x8b" and pp.read_csv("a.csv.gz").id.tolist() == frame.id.tolist()


def test_the_home_of_nobody_is_told():
    for act in (lambda: output("~nobody-of-that-name/a.csv"), lambda: pp.frame(store="~nobody-of-that-name/a.sqlite")):
        with pytest.raises((ValueError, pp.StoreError), match="~nobody-of-that-name"):
            act()


def test_without_docstrings_it_says_what_is_wrong():
    done = subprocess.run([sys.executable, "-OO", "-c", "import ppres"], capture_output=True, text=True, check=False)
    assert done.stderr.rstrip().endswith("start it without")


@pytest.mark.parametrize(
    "act",
    [
        lambda: pp.to_csv(None, "a.csv"),
        lambda: pp.stats.rates("df", "model"),
        lambda: pp.run(None, "sim/compliant", n=1),
        lambda: pp.run(pp.grid(scenario="deletion"), 5, n=1),
        lambda: pp.run(pp.grid(scenario="deletion"), "sim/compliant", n=1, discard_below="5"),
        lambda: pp.run(pp.grid(scenario="deletion"), "sim/compliant", n=1, executor="threads"),
    ],
)
def test_what_is_none_of_the_kind_is_told(act):
    with pytest.raises(ValueError, match=r"None|'df'|5|threads"):
        act()


def test_a_folder_has_no_name_that_stands_beside_a_store(tmp_path):
    with Store(tmp_path / "s.sqlite"):
        pass
    for end in BESIDE:
        with pytest.raises(ValueError, match="has the name of what SQLite keeps beside a store"):
            folder_for(tmp_path / f"s.sqlite{end}" / "below")
        folder_for(tmp_path / f"notes{end}")
