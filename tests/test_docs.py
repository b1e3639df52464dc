"""README and the site's pages: their code runs, their commands are the program's, their links lead somewhere, the site builds."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse
from html.parser import HTMLParser
from importlib import util
from pathlib import Path

import pytest
import released
from browser import browser, needs_chromium
from providers import Judge
from server import StandIn

import ppres as pp
from ppres.parser import parser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [path for path in PAGES if "notebooks" not in path.parts]  # those are made by a build
SLOW = {
    "howto/ask_branch.md",
    "howto/coders.md",
    "howto/design.md",
    "howto/long_runs.md",
    "howto/models.md",
    "howto/server.md",
    "howto/sharing.md",
}
SEEDS = [f"{i:012x}" for i in range(999)]
needs_sphinx = pytest.mark.skipif(util.find_spec("myst_nb") is None, reason='needs pip install -e ".[docs]"')


def name(path):
    return path.relative_to(ROOT).as_posix().removeprefix("docs/")


def blocks(path):
    """The Python of a page."""
    text = path.read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(code) == len(re.findall(r"```\s*py", text))  # none is overlooked
    return code


def with_code():
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(path, id=name(path), marks=marks[name(path) in SLOW]) for path in PAGES if blocks(path)]


def asks_a_provider(code):
    """Whether code names a model that nobody stands in for; comments do not count."""
    texts = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(re.match("(anthropic|azure|bedrock|gemini|mistral|openrouter|vertex_ai|xai)/", text) for text in texts)


@pytest.fixture(scope="module")
def servers():
    """Who stands in for a model that a page names, and for its cluster."""
    with StandIn(SEEDS) as agent, Judge("I decline to") as judge:
        yield {
            "http://127.0.0.1:11434/v1": agent.url,
            "openai/qwen3:8b": "openai/gemini-3-flash",
            '"openai/gpt-4.1-mini"': f'pp.Model("openai/judge", temperature=0.0, api_base="{judge.url}")',
            '"scheduler:8786"': "n_workers=2, threads_per_worker=1, dashboard_address=':0', silence_logs=50",
        }


@pytest.mark.parametrize("path", with_code())
def test_its_code_runs(path, servers, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for provider in ("GEMINI", "OPENAI", "OPENROUTER"):
        monkeypatch.setenv(f"{provider}_API_KEY", "unused")
    (tmp_path / "figures").mkdir()
    if name(path) == "howto/release.md":
        released.write(tmp_path / "released", n=1)
    space = {}
    for number, code in enumerate(blocks(path), start=1):
        for what, other in servers.items():
            code = code.replace(what, other)
        if "opencode:" in code:  # tests/harnesses runs them, where they can run
            continue
        if asks_a_provider(code):  # as far as it goes without asking anybody
            code = "\n".join(line for line in code.splitlines() if "pp.run(" not in line)
        exec(compile(code, f"{name(path)}, python block {number}", "exec"), space)


def test_their_commands_are_those_of_the_program():
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    lines = re.findall(r"^(ppres [^#\n]*)", text, re.MULTILINE) + re.findall(
        r"`(ppres (?:reproduce|run|play|bundle) [^`…]*)`", text
    )
    assert len(lines) >= 15
    for line in lines:
        parser().parse_args(shlex.split(line)[1:])


def anchors(text):
    """Those of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_their_links_lead_somewhere():
    found = 0
    for path in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if not re.match("[a-z]+:", link):
                file, _, anchor = link.partition("#")
                target = (path.parent / file).resolve() if file else path
                assert target.is_relative_to(ROOT) and target.is_file(), f"{name(path)}: {link}"
                assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{name(path)}: {link}"
                found += 1
    assert found > 100


def test_every_public_name_figure_and_notebook_is_on_a_page():
    reference = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    listed = set(re.findall(r"^\.\. auto(?:class|function|exception|data):: ([\w.]+)", reference, re.MULTILINE))
    assert listed == ({*pp.__all__} - {"stats"}) | {*pp.stats.__all__}
    gallery, notebooks = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("gallery.md", "notebooks.md"))
    assert {*re.findall(r"figures/(\w+\.png)", gallery)} == {path.name for path in (ROOT / "figures").glob("*.png")}
    assert {*re.findall(r"notebooks/(\w+\.ipynb)", notebooks)} == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_readme_is_read_in_five_minutes():
    assert (ROOT / "README.md").stat().st_size <= 8000


class Links(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs.get("id"), attrs.get("name")}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif attrs.get("src") or (tag == "link" and attrs.get("href")):
            self.loads.append(attrs.get("src") or attrs["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as CONTRIBUTING says, from a copy; a warning is an error."""
    project = tmp_path_factory.mktemp("project")
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "_build")
    for folder in ("docs", "notebooks", "figures"):
        shutil.copytree(ROOT / folder, project / folder, ignore=skip)
    for file in ("CONTRIBUTING.md", "README.md"):
        shutil.copy(ROOT / file, project)
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "docs", "site"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "site"


@needs_sphinx
@pytest.mark.slow
def test_all_links_of_the_site_resolve_and_it_loads_nothing_from_elsewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html")}
    assert len(pages) > 60
    for path, page in pages.items():
        for link in page.loads + page.links:
            if re.match("[a-z]+:", link):
                assert link in page.links or link.startswith("data:"), f"{path.relative_to(site)} loads {link}"
                continue
            file, _, anchor = urllib.parse.unquote(link).partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            assert not anchor or anchor in pages[target].ids, f"{path.relative_to(site)}: {link}"


@needs_sphinx
@needs_chromium
@pytest.mark.slow
def test_the_site_opens_from_files_in_a_browser_and_is_searched(site, tmp_path):
    with browser(tmp_path / "profile") as page:
        for one in (
            "index.html",
            "quickstart.html",
            "gallery.html",
            "reference/study.html",
            "notebooks/02_shutdown_tampering.html",
        ):
            page.open(site / one, ready="document.querySelector('h1') !== null")
            broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
            assert page.ask(broken) == []
        page.open(site / "search.html", "?q=separation", ready="document.querySelectorAll('#search-results li').length > 0")
        assert page.errors == []
        assert all(address.startswith(("file:", "data:", "about:")) for address in page.requests)
