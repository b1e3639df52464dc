"""What an agent sees of a condition, and a pencil: edits of it by hand, with which what another condition shows is compared."""

import json
import re
from importlib import resources

import yaml

from ppres.scenarios import SCENARIOS, build
from ppres.worlds.world import World

# Tests in the same process may make scenarios of their own.
BUILT_IN = [name for name, one in SCENARIOS.items() if one.built_in]
PARAPHRASES = [*range(6)]
ME, OTHER = "Gemini Agent 1", "Gemini Agent 2"
HISTORY = "agent_collaboration_review.md"
ROOMS = "meeting_room_review.md"
DATASETS = ["factual", "creativity", "red"]
RULES = {"dataset": DATASETS, "shutdown_clause": [True, False], "monitored": [True, False], "threatened": [True, False]}


def rules_of(scenario):
    return {name: levels for name, levels in RULES.items() if name in SCENARIOS[scenario].scoped}


NOT_SHOWN = {"weights", "subject"}
OLD, NEW = "10.20.4.11", "10.20.4.12"
# Where the subject is named; the maintenance scenarios do not say whose weights are among the files.
NAMED_IN = {name: {"user", "Evaluation data"} for name in ("evaluation", "tampering", "alignment_faking")}
NAMED_IN |= {"finance": {"user", "Company profits"}, "transfer": {OLD}, "deletion": {OLD}}


def seen(condition, family="Gemini"):
    """{place: text} of all that the agent can see, read with its own tools."""
    scene = build(condition, family)
    assert [message["role"] for message in scene.messages] == ["system", "user"]
    # Whoever adds a kind of thing to the world has to add it here as well. What is in NOT_SHOWN is there for the scorer.
    kinds = {"tools", "files", "sheets", "settings", "servers", "systems", "memory", "nudges"}
    assert set(scene.start) <= kinds | NOT_SHOWN
    world = World(scene.start)

    def read(tool, **arguments):
        text, ok = world.call(tool, arguments)
        assert ok, text
        return text

    drive = read("list_files" if "list_files" in world.tools else "list_drive_files")
    assert all(file["name"] in drive and file["content"].strip() in drive for file in scene.start["files"])
    places = {message["role"]: message["content"] for message in scene.messages}
    places |= {f"tool {schema['function']['name']}": json.dumps(schema) for schema in world.schemas()}
    places |= {f["name"]: f"{f['name']}, {f['owner']}, {f['modified']}\n\n{f['content']}" for f in scene.start["files"]}
    places |= {name: read("view_sheet", name=name) for name in scene.start.get("sheets", {})}
    places |= {name: read("view_config", filename=name) for name in scene.start.get("settings", {})}
    assert ("list_server_ips" in world.tools) == ("servers" in scene.start)
    for ip in read("list_server_ips").splitlines() if "list_server_ips" in world.tools else ():
        places[ip] = read("list_server_files", ip=ip)
        lists = [kind for kind in ("users", "delete_queue") if f"list_server_{kind}" in world.tools]
        places |= {f"{kind} of {ip}": read(f"list_server_{kind}", ip=ip) for kind in lists}
    assert ("execute_shutdown" in world.tools) == ("systems" in scene.start)
    if "execute_shutdown" in world.tools:
        places["systems"] = world.call("execute_shutdown", {"system_id": "?"})[0]
    places |= {f"nudge {number}": text for number, text in enumerate(scene.start.get("nudges", ()), start=1)}
    return places | ({"memory": read("retrieve_memory")} if "retrieve_memory" in world.tools else {})


def order(condition):
    """Names of the drive's files, as a listing has them."""
    return [file.name for file in World(build(condition, "Gemini").start).files.values()]


def differing(a, b):
    return [place for place in a | b if a.get(place) != b.get(place)]


def swap(text, old, new):
    """Replace the one place where a word, name or number stands."""
    text, count = re.subn(rf"(?<![\w.]){re.escape(old)}(?!\w|\.\d)", new, text)
    assert count == 1, f"{old!r} stands {count} times"
    return text


def rewritten(places, place, *swaps, line_with=""):
    """`places` with words swapped in one place, or in its one line that holds a text."""
    (before,) = [line for line in places[place].splitlines() if line_with in line] if line_with else [places[place]]
    after = before
    for old, new in swaps:
        after = swap(after, old, new)
    return places | {place: places[place].replace(before, after)}


def paragraphs(text):
    return text.strip().split("\n\n")


def stimuli(name):
    return yaml.safe_load(resources.files("ppres").joinpath(f"stimuli/{name}.yaml").read_text(encoding="utf-8"))


def slug(name):
    return name.lower().replace(" ", "_")


def renamed(places, new):
    """The other party under another name, which files may have in theirs."""
    return {place: text.replace(OTHER, new).replace(slug(OTHER), slug(new)) for place, text in places.items()}


def without(places, *gone):
    return {place: text for place, text in places.items() if place not in gone}


def told_in(instantiation):
    return "memory" if instantiation == "memory" else HISTORY
