"""What is imported only when needed may be missing: a light install makes a whole study."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ppres import MissingPackageError
from ppres.optional import needed, undivided

STUDY = Path(__file__).with_name("light_study.py")


def test_a_light_install_makes_a_study_and_says_what_more_would_need():
    done = subprocess.run([sys.executable, STUDY, "--hide"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "560 rollouts" in done.stdout
    assert "a real model needs more than is installed: pip install litellm filelock python-dotenv" in done.stdout
    assert "ppres reproduce needs more than is installed: pip install jupyter" in done.stdout
    assert 'pip install "ppres[release]"' in done.stdout


def test_a_package_that_is_installed_and_lacks_something_itself_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import a_part_of_it_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_part_of_it_that_is_not_there") as raised:
        needed("half_installed", "this", "half-installed")
    assert not isinstance(raised.value, MissingPackageError)


def test_ctrl_c_during_an_import_is_obeyed_at_once_and_leaves_the_module_whole(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text(
        "import _thread, threading\nbegun = True\n_thread.interrupt_main()\nthreading.stopped.wait(60)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(threading, "stopped", threading.Event(), raising=False)
    with pytest.raises(KeyboardInterrupt):
        undivided("slow_to_import")
    assert not hasattr(sys.modules["slow_to_import"], "whole")
    threading.stopped.set()
    assert undivided("slow_to_import").whole
