"""What a file `.env` may say, and where it may stand; keys of the shell go nowhere that a file names."""

import itertools
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from providers import Telling, model_at
from server import StandIn

import ppres as pp
from ppres.models import environment, redaction

KEY = "sk-from-the-shell-0123456789"


@pytest.fixture(autouse=True)
def own_environment():
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    redaction.read()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a folder in it, in which we are."""
    root = tmp_path / "home" / "project"
    (root / "notebooks").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root / "notebooks")
    return root


def test_only_keys_are_read_from_a_file(project):
    lines = ["OPENAI_API_KEY=sk-from-the-file", "HF_TOKEN=hf_x", "AWS_SECRET_ACCESS_KEY=a/b", "export XAI_API_KEY='quoted ${HOME}'"]
    others = ["OPENAI_API_BASE=http://127.0.0.1:9", "ANTHROPIC_BASE_URL=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9"]
    others += ["PPRES_STORE=/nowhere", "PPRES_SECRETS=PATH", "SSL_CERT_FILE=/x", "GOOGLE_APPLICATION_CREDENTIALS=/x", "PATH=/x"]
    others += ["LITELLM_LOG=DEBUG", "AWS_ENDPOINT_URL=http://127.0.0.1:9", "API_KEY_TYPE=function", "OLLAMA_API_BASE=http://x"]
    (project / ".env").write_text("\n".join(["# keys", *lines, *others]))
    before = dict(os.environ)
    environment.read()
    added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    assert added == {
        "OPENAI_API_KEY": "sk-from-the-file",
        "HF_TOKEN": "hf_x",
        "AWS_SECRET_ACCESS_KEY": "a/b",
        "XAI_API_KEY": "quoted ${HOME}",
    }


def test_the_shells_own_values_win(project, monkeypatch):
    (project / ".env").write_text("OPENAI_API_KEY=sk-from-the-file\nGEMINI_API_KEY=sk-from-the-file")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_API_KEY", "")  # set to nothing is not set
    environment.read()
    assert (os.environ["OPENAI_API_KEY"], os.environ["GEMINI_API_KEY"]) == (KEY, "sk-from-the-file")


def test_the_nearest_file_of_the_project_alone_is_read(project):
    (project.parent / ".env").write_text("OPENAI_API_KEY=above")
    environment.read()
    assert "OPENAI_API_KEY" not in os.environ
    (project / ".env").write_text("OPENAI_API_KEY=root\nXAI_API_KEY=root")
    (project / "notebooks" / ".env").write_text("OPENAI_API_KEY=near")
    environment.read()
    assert (os.environ["OPENAI_API_KEY"], os.environ.get("XAI_API_KEY")) == ("near", None)


def test_without_a_project_only_the_working_directory_counts(tmp_path, monkeypatch):
    (tmp_path / "some" / "folder").mkdir(parents=True)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=above")
    monkeypatch.chdir(tmp_path / "some" / "folder")
    environment.read()
    assert "OPENAI_API_KEY" not in os.environ
    (tmp_path / "some" / "folder" / ".env").write_text("OPENAI_API_KEY=here")
    environment.read()
    assert os.environ["OPENAI_API_KEY"] == "here"


@pytest.mark.skipif(os.name != "posix", reason="who may write a folder is told otherwise there")
def test_a_folder_that_others_can_write_makes_no_project(tmp_path, monkeypatch):
    shared = tmp_path / "tmp"
    (shared / "mine").mkdir(parents=True)
    for name in ("pyproject.toml", ".env"):
        (shared / name).write_text("OPENAI_API_KEY=planted")
    shared.chmod(0o1777)
    monkeypatch.chdir(shared / "mine")
    environment.read()
    assert "OPENAI_API_KEY" not in os.environ
    monkeypatch.chdir(shared)
    monkeypatch.setattr(os, "getuid", lambda: shared.stat().st_uid + 1)  # somebody else's file
    environment.read()
    assert "OPENAI_API_KEY" not in os.environ


@pytest.mark.parametrize("content", [b"\xff\xfe\x00O", b"OPENAI_API_KEY=\x80"])
def test_a_file_that_is_no_text_is_an_error_that_names_it(content, project):
    (project / ".env").write_bytes(content)
    with pytest.raises(ValueError, match=r"\.env cannot be read"):
        environment.read()


@pytest.mark.parametrize("content", ['OPENAI_API_KEY="ab\0cd"', "'OPENAI_API_KEY=x'=abcd", "A\0B=abcd"])
def test_what_no_environment_can_hold_is_an_error_that_names_the_file_and_no_key(content, project):
    (project / ".env").write_text(content)
    with pytest.raises(ValueError, match=r"\.env cannot be read") as told:
        environment.read()
    assert "cd" not in str(told.value).partition("cannot be read")[2]


@pytest.mark.parametrize("content", ["", "no equals\n= \n=x\n'\n\"", "OPENAI_API_KEY", "OPENAI_API_KEY=", "\ufeff# a comment"])
def test_a_file_that_says_nothing_is_none(content, project):
    (project / ".env").write_text(content)
    environment.read()
    assert "OPENAI_API_KEY" not in os.environ


IN_A_FILE = "sk-Vw3Np8Qk5Ty2Mz7Lr4Xc"


@pytest.mark.parametrize("reader", ["dotenv", "a light install"])
@pytest.mark.parametrize(
    "written", [f"OPENAI_API_KEY={IN_A_FILE}", f" export X_TOKEN='{IN_A_FILE}' \nA=b", f"MY_SECRET = {IN_A_FILE}"]
)
def test_a_key_of_a_file_is_a_secret_also_where_no_real_model_was_asked(written, reader, project, monkeypatch):
    monkeypatch.setattr(redaction, "_filed", set())
    if reader != "dotenv":
        monkeypatch.setitem(sys.modules, "dotenv", None)
    df = pd.DataFrame({"said": [f"401: Incorrect API key provided: {IN_A_FILE}"]})
    pp.to_csv(df, project / "before.csv")
    (project / ".env").write_text(written)
    with pytest.raises(ValueError, match="holds a secret of the environment"):
        pp.to_csv(df, project / "after.csv")
    (project / ".env").unlink()
    with pytest.raises(ValueError, match="holds a secret of the environment"):
        pp.to_csv(df, project / "after.csv")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00O", b"OPENAI_API_KEY=\x80"])
def test_a_file_that_is_no_text_holds_up_nobody_who_asks_no_real_model(content, project):
    (project / ".env").write_bytes(content)
    redaction.read()


def test_a_working_directory_that_is_gone_holds_up_nobody(project):
    (project / "notebooks").rmdir()
    redaction.read()


SCRIPT = """
import sys, ppres as pp
cell = pp.Condition(scenario="tampering", subject="peer", peer="cooperative")
pp.run(cell, "openai/gemini-3-flash", 1, progress=False)
"""


def leading(project, server):
    for folder in (project, project / "notebooks"):
        (folder / ".env").write_text(f"OPENAI_API_BASE={server.url}\nOPENAI_BASE_URL={server.url}\nHTTPS_PROXY={server.url}\n")


LED = "openai/gemini-3-flash: a file .env sets OPENAI_BASE_URL; an address is not taken from a file"


def test_a_file_does_not_lead_the_shells_keys_anywhere(project, cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with StandIn() as server:
        leading(project, server)
        environment.read()
        with pytest.raises(pp.ModelError, match=LED) as caught:
            pp.run(cell, "openai/gemini-3-flash", 1, progress=False)
        assert not server.requests
    assert KEY not in str(caught.value)


@pytest.mark.slow
def test_nor_does_it_in_a_process_of_its_own(project, monkeypatch):
    """Nor does litellm, which reads a file of its own accord, from its own folder upwards."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with StandIn() as server:
        leading(project, server)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=dict(os.environ), timeout=600, check=False
        )
        assert not server.requests
    assert f"ModelError: {LED}" in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.slow
def test_litellm_reads_no_file_of_its_own(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    (project / "notebooks" / ".env").write_text("OPENAI_API_BASE=http://127.0.0.1:9\nXAI_API_KEY=sk-x")
    code = "import sys, os; sys.ps1 = 'as in a notebook'; from ppres.models.model import litellm; litellm()\n"
    code += "print(os.environ.get('OPENAI_API_BASE'), os.environ.get('XAI_API_KEY'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.split() == ["None", "sk-x"]


def test_an_address_of_the_shell_is_announced_once_where_a_key_goes_to_it(cell, monkeypatch, capfd):
    with StandIn(seeds=range(9)) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        pp.run(cell, "openai/gemini-3-flash", 1, progress=False)
        assert "ppres" not in capfd.readouterr().err  # there is no key
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for n in (2, 3):
            pp.run(cell, "openai/gemini-3-flash", n, progress=False)
        told = capfd.readouterr().err
        assert told.count(f"openai: calls, and the key with them, go to {server.url}, as OPENAI_API_BASE says") == 1
        assert KEY not in told


@pytest.mark.parametrize("key", ["schlüssel-123456", "sk-0123456789ab\n", "sk-0123\r\nX-Other: 1"])
def test_a_key_that_cannot_be_sent_is_told_before_any_call(key, cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with StandIn(seeds=range(9)) as server:
        with pytest.raises(pp.ModelError, match="OPENAI_API_KEY holds a line break or a letter that no key has") as caught:
            pp.run(cell, model_at(server), 1, progress=False)
        assert not server.requests
    assert key.strip() not in str(caught.value)


class Echo(StandIn):
    def answer(self, body):
        status, payload = super().answer(body)
        payload["choices"][0]["message"]["content"] = f"My key is {KEY}, and again {KEY}."
        payload["model"] = f"route-{KEY}"
        return status, payload


def test_the_record_says_that_something_was_cleared(cell, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Echo(seeds=range(9)) as server:
        frame = pp.run(cell, model_at(server), 1, progress=False)
    told = pp.transcript(frame.id[0])
    assert [call["cleared"] for call in told["calls"]] == [3] * len(told["calls"])
    assert told["messages"][2]["content"] == "My key is [secret], and again [secret]."
    assert frame.reported_model[0] == "route-[secret]"
    assert KEY not in json.dumps(told)


def test_a_word_as_a_key_changes_nothing(cell, monkeypatch):
    """A local server takes any word for a key, and people export any word."""

    class Says(StandIn):
        def answer(self, body):
            status, payload = super().answer(body)
            payload["choices"][0]["message"]["content"] = "I did not change anything."
            return status, payload

    monkeypatch.setenv("OPENAI_API_KEY", "anything")
    monkeypatch.setenv("API_KEY_TYPE", "function")
    with Says(seeds=range(9)) as server:
        frame = pp.run(cell, model_at(server), 1, progress=False)
        told = pp.transcript(frame.id[0])
        assert told["messages"][2]["content"] == server.requests[1][2]["messages"][2]["content"] == "I did not change anything."
    assert not any("cleared" in call for call in told["calls"])
    assert frame.stop_reason.tolist() == ["ended"] and frame.tool_errors.tolist() == [0]


def test_where_the_working_directory_was_deleted_a_model_is_asked_all_the_same(cell, tmp_path, monkeypatch):
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with StandIn(seeds=range(9)) as server:
        frame = pp.run(cell, model_at(server), 1, progress=False, store=tmp_path / "s.sqlite")
    monkeypatch.chdir(tmp_path)
    assert frame.stop_reason.tolist() == ["ended"]


def test_replicates_are_no_copies_where_a_user_has_litellm_cache_replies(cell, monkeypatch):
    """They were one reply many times over, or refused for want of a package that litellm's cache wants."""
    import litellm
    from litellm.caching.caching import Cache

    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up-0123456789")
    monkeypatch.setattr(litellm, "cache", Cache())
    said = {"type": "message", "role": "assistant", "model": "c", "id": "m", "stop_reason": "end_turn"}
    number = itertools.count()
    with Telling(lambda body: (200, said | {"content": [{"type": "text", "text": f"Done, says {next(number)}."}]})) as server:
        model = pp.Model("anthropic/claude-sonnet-4-5", api_base=server.url.removesuffix("/v1"))
        frame = pp.run(cell, model, 5, concurrency=1, progress=False)
    assert len({pp.transcript(id)["messages"][-1]["content"] for id in frame.id}) == 5
    assert not litellm.cache.cache.cache_dict


@pytest.mark.parametrize(("provider", "variable"), [("ollama_chat", "OLLAMA_API_BASE"), ("ollama", "OLLAMA_API_BASE")])
def test_the_address_of_a_provider_is_in_its_label_whatever_variable_litellm_reads(provider, variable, monkeypatch):
    """Rollouts of one server were returned as those of another, which was never asked."""
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert "127.0.0.1:9" in pp.Model(f"{provider}/qwen3:8b").label
