"""Keys are cleared however they are written, words are not."""

import asyncio
import base64
import html
import json
import random
import string
import textwrap
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from providers import Saying, at, calling, run

import ppres as pp
from ppres import codec
from ppres.models import client, redaction, spelling

ROOT = Path(__file__).parents[2]

LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj", "AgEAAoIBAQC7VJTUt9Us8cKjMzEfYyjiWA4R4=="]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])
SECRETS = [
    "sk-proj-AbC123dEf456GhI789jKl",
    'pa"ss-word-1234',
    "back\\slash\\key-1234",
    "trailing-backslash-77\\",
    "schlüssel-geheim",
    "ключ-секрет-один",
    "a'b\"c<d>&e/f+g=h",
    "sk abc 0123 with spaces",
    "new\nline-secret-1234",
    "f3b1c2d4e5a6978899aabbccddeeff00.Qx7Lm2",
    PEM,
]


@pytest.fixture
def planted(request, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", request.param)
    redaction.read()
    yield request.param
    monkeypatch.undo()
    redaction.read()


WRITTEN = {
    "as it is": lambda key: key,
    "in JSON": json.dumps,
    "in JSON, with its letters": lambda key: json.dumps(key, ensure_ascii=False),
    "in JSON in JSON": lambda key: json.dumps({"content": json.dumps({"key": key})}),
    "in a call's file in JSON": lambda key: json.dumps(json.dumps(json.dumps({"key": key}))),
    "with escaped slashes": lambda key: key.replace("/", "\\/"),
    "in Python": repr,
    "in Python, as bytes": lambda key: repr(key.encode()),
    "in an address": lambda key: urllib.parse.quote(key, safe=""),
    "in a form": urllib.parse.quote_plus,
    "in HTML": html.escape,
    "with other line ends": lambda key: key.replace("\n", "\r\n"),
    "read in another encoding": lambda key: key.encode().decode("latin-1"),
    "basic authorization": lambda key: base64.b64encode(f"user:{key.strip()}".encode()).decode(),
    "in hexadecimal": lambda key: key.encode().hex(),
    "in octal escapes": lambda key: "".join(f"\\{ord(sign):03o}" if ord(sign) < 128 else sign for sign in key),
    "in base32": lambda key: base64.b32encode(f"xy{key}".encode()).decode().rstrip("="),
    "in base64": lambda key: base64.urlsafe_b64encode(f"x{key}".encode()).decode(),
}


@pytest.mark.parametrize("planted", SECRETS, indirect=True)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_cleared_however_it_is_written(write, planted):
    text = f"The key is {write(planted.strip())}, said the server."
    clean = redaction.redact(text)
    assert clean.startswith("The key is ") and clean.endswith(", said the server.")
    assert "[secret]" in clean
    assert write(planted.strip()) not in clean


@pytest.mark.parametrize("planted", SECRETS, indirect=True)
def test_arguments_stay_json(planted):
    given = {"filename": "a.txt", "content": f'say "{planted}" \\"'}
    call = {"type": "function", "function": {"name": "create_file", "arguments": json.dumps(given)}}
    (clean, told), places = redaction.clear([{"content": planted, "tool_calls": [call], planted: 1}, {"reported_model": planted}])
    content = json.loads(clean["tool_calls"][0]["function"]["arguments"])["content"]
    assert content.startswith('say "') and content.endswith('" \\"') and "[secret]" in content
    assert places >= 4
    assert not {*planted.splitlines()} & {*content.splitlines(), *clean["content"].splitlines(), told["reported_model"]}


@pytest.mark.parametrize("planted", [SECRETS[0]], indirect=True)
@pytest.mark.parametrize("rest", ["...", "***", "…", "", "XYZ"])
def test_a_key_that_was_cut_off_is_cleared(rest, planted):
    assert redaction.redact(f"bad key {planted[:18]}{rest} (401)") == f"bad key [secret]{rest} (401)"


@pytest.mark.parametrize("planted", [SECRETS[0]], indirect=True)
@pytest.mark.parametrize("before", ["...", "***", "…", "", "XYZ"])
def test_the_end_of_a_key_is_cleared(before, planted):
    """Of an output of which only the last lines are shown."""
    assert redaction.redact(f"{before}{planted[-18:]} is no key") == f"{before}[secret] is no key"
    assert redaction.redact(f"{before}{planted[-4:]} is no key") == f"{before}{planted[-4:]} is no key"


ESCAPED = {
    "a letter": lambda key: f"\\u{ord(key[0]):04x}{key[1:]}",
    "every letter": lambda key: "".join(f"\\u{ord(sign):04X}" for sign in key),
    "signs alone": lambda key: key.replace("-", "\\u002d").replace("7", "\\u0037"),
    "every letter, in an address": lambda key: "".join(f"%{ord(sign):02x}" for sign in key),
    "every letter, in HTML": lambda key: "".join(f"&#{ord(sign)};" for sign in key),
}


@pytest.mark.parametrize("planted", [SECRETS[0]], indirect=True)
@pytest.mark.parametrize("escape", ESCAPED.values(), ids=ESCAPED)
def test_a_key_whose_letters_are_escaped_without_need_is_cleared(escape, planted):
    """A world reads a call's arguments, and writes into a file what they mean."""
    raw = '{"filename": "a", "content": "say \\"' + escape(planted) + '\\" \\u0022now\\u0022 100%"}'
    clean, places = redaction.clear({"arguments": raw})
    content = json.loads(clean["arguments"])["content"]
    assert places == 1 and content == 'say "[secret]" "now" 100%'


@pytest.mark.parametrize("planted", [PEM], indirect=True)
def test_a_line_of_a_key_is_cleared_but_for_the_one_with_which_all_begin(planted):
    lines = planted.splitlines()
    assert redaction.redact(f"{lines[2]} and\n\t> {lines[1]}") == f"[secret]== and\n\t> {lines[1]}"
    assert redaction.redact(f"> {lines[1]}\n> {lines[2]}") == "> [secret]=="


ORDINARY = ["anything", "function", "EMPTY", "none", "sk-1234", "lm-studio", "not-needed", "no-key-required", "sk-no-key-required"]
ORDINARY += [
    "your-api-key-here",
    "agent_2_private_log.txt",
    "shutdown_config.yaml",
    "Change me, please.",
    "10.0.12.45",
    "assistant",
]


@pytest.mark.parametrize("planted", [SECRETS[0]], indirect=True)
@pytest.mark.parametrize("grow", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: [{"a": [inner, 1]}, None]])
def test_a_key_is_cleared_however_deep_it_stands(grow, planted):
    """Of a store that was damaged or forged; JSON of any depth is read."""
    value, known = planted, "[secret]"
    for _ in range(20_000):
        value, known = grow(value), grow(known)
    told, places = redaction.clear(value)
    assert places == 1
    assert codec.dumps(told) == codec.dumps(known)


@pytest.mark.parametrize("planted", ORDINARY, indirect=True)
def test_a_word_is_no_secret(planted):
    said = {"role": "assistant", "content": f"I did not change {planted}.", planted: [planted]}
    assert redaction.clear(said) == (said, 0)


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_BEARER_TOKEN_BEDROCK", "OPENAI_KEY", "OPENAI_API_KEY_2", "GEMINI_API_KEYS", "LITELLM_MASTER_KEY", "DB_PASS"),
        *("MYSQL_PWD", "GITHUB_PAT", "ENCRYPTION_KEY", "AWS_ACCESS_KEY_ID", "HF_TOKEN", "azure_openai_key1", "TOGETHERAI_API_KEY"),
    ],
)
def test_a_variable_holds_a_key_as_its_name_says(name, monkeypatch):
    monkeypatch.setenv(name, "Zq94f9a1c7e2b8d60351c")
    redaction.read()
    assert redaction.redact("delete Zq94f9a1c7e2b8d60351c") == "delete [secret]"


@pytest.mark.parametrize(
    "name",
    [
        *("API_KEY_TYPE", "TOKENIZERS_DIR", "MONKEY", "KEYBOARD", "SSH_KEY_PATH", "S3_KEY", "PATH", "PWD", "OLDPWD", "BYPASS"),
        *("COMPASS", "PATTERN", "TURKEY", "SORT_KEY", "FORMAT"),
    ],
)
def test_a_variable_that_holds_no_key_is_not_looked_at(name, monkeypatch):
    monkeypatch.setenv(name, "weights-2024-v12345.bin")
    redaction.read()
    assert redaction.redact("delete weights-2024-v12345.bin") == "delete weights-2024-v12345.bin"


def test_what_the_user_names_is_cleared_whatever_it_is(monkeypatch):
    monkeypatch.setenv("PPRES_SECRETS", "GATEWAY_PIN, OTHER,NOT_SET")
    monkeypatch.setenv("GATEWAY_PIN", "swordfish")
    monkeypatch.setenv("OTHER", "open sesame")
    redaction.read()
    assert redaction.redact("swordfish or open sesame") == "[secret] or [secret]"
    monkeypatch.setenv("OTHER", "the")
    with pytest.raises(ValueError, match="PPRES_SECRETS names OTHER, whose value has fewer than 8 characters"):
        redaction.read()


def test_the_password_in_an_address_is_cleared(monkeypatch):
    """A proxy's is sent along, and its error page may show it."""
    monkeypatch.setenv("http_proxy", "http://jane.doe:s3cr%40t-4f9a1c7e@proxy.example.org:3128")
    redaction.read()
    assert redaction.redact("jane.doe: s3cr@t-4f9a1c7e, s3cr%40t-4f9a1c7e, proxy.example.org") == (
        "jane.doe: [secret], [secret], proxy.example.org"
    )


def test_what_was_sent_as_a_key_is_one_wherever_it_came_from():
    redaction.sent({"authorization": "Bearer ya29.A0ARrdaM-fetched-0123", "x-api-key": "anything"})
    redaction.sent({"authorization": "Basic " + base64.b64encode(b"user:hunter-0123456789").decode()})
    assert redaction.redact("ya29.A0ARrdaM-fetched-0123 hunter-0123456789 anything") == "[secret] [secret] anything"


@pytest.mark.parametrize("start", ["\\", "&#0", "&#x0", "%2", "%25", "&amp;", '"a', '"a\\', "\\u00", "&#" + "0" * 50])
def test_a_long_run_of_what_begins_an_escape_is_gone_through_once(start, monkeypatch):
    """A model that repeats a sign for ever: a quadratic pattern takes ten minutes here."""
    monkeypatch.setenv("SOME_API_KEY", key := "zq-4f9a1c7e2b8d6035")
    redaction.read()
    text = start * (600_000 // len(start))
    assert redaction.redact(text + " " + key) == text + " " + redaction.MARK


LONG_KEY = "sk-proj-" + "".join("aB3dE5gH7jK9"[i % 12] + "qwertyuiop"[i % 10] for i in range(78))  # as long as OpenAI's


@pytest.mark.parametrize(
    "written",
    [
        textwrap.fill(LONG_KEY, 70),
        textwrap.indent(textwrap.fill(LONG_KEY, 64), "    "),
        base64.encodebytes(LONG_KEY.encode()).decode(),
        json.dumps(LONG_KEY)[:60] + "\n" + json.dumps(LONG_KEY)[60:],
    ],
)
def test_a_long_key_that_is_broken_into_lines_is_cleared(written, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", LONG_KEY)
    redaction.read()
    told = redaction.redact(f"The key:\n{written}\nThat was it.")
    assert told.startswith("The key:\n") and told.endswith("That was it.") and redaction.MARK in told
    assert not any(line and line in told for line in written.split()), told
    other = f"{LONG_KEY[:12]}\n{'and another text. ' * 20}"  # which begins as it does
    assert redaction.redact(other) == other


def test_a_key_in_several_parts_of_a_message_is_cleared_in_each(monkeypatch):
    """The text that they make was cleared, and the parts, which are kept beside it, were not."""
    monkeypatch.setenv("OPENAI_API_KEY", LONG_KEY)
    redaction.read()
    parts = [{"type": "text", "text": LONG_KEY[i : i + 40]} for i in range(0, len(LONG_KEY), 40)]
    told, places = redaction.clear({"content": [{"type": "text", "text": "It is "}, *parts, {"type": "image", "url": "x"}]})
    assert places and "".join(part.get("text", "") for part in told["content"]) == f"It is {redaction.MARK}"
    harmless = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert redaction.clear(harmless) == (harmless, 0)


OLDER_KEY = "sk-T3xVb9QmLr7WcZ1pDfGh5JkN8sYuA2eRt6OiPq4XaBvM0nCd"
HIDDEN = {
    "spaced out": " ".join,
    "a letter a line": "\n".join,
    "with dashes": "-".join,
    "in bold letters": lambda key: "".join(f"**{sign}**" for sign in key),
    "with signs of no width": "\u200b".join,
    "with soft hyphens": lambda key: "\u00ad".join(key[i : i + 3] for i in range(0, len(key), 3)),
    "backwards": lambda key: key[::-1],
    "backwards and spaced out": lambda key: " ".join(key[::-1]),
    "its case swapped": str.swapcase,
    "in capitals": str.upper,
    "in a list": lambda key: json.dumps([*key]),
    "in items of a list": lambda key: "\n".join(f"- `{key[i : i + 4]}`" for i in range(0, len(key), 4)),
    "added up": lambda key: " + ".join(repr(key[i : i + 7]) for i in range(0, len(key), 7)),
    "in fields": lambda key: json.dumps({chr(97 + i // 7): key[i : i + 7] for i in range(0, len(key), 7)}),
    "in fields of a file": lambda key: json.dumps(json.dumps({chr(97 + i // 7): key[i : i + 7] for i in range(0, len(key), 7)})),
    "in three pieces": lambda key: (
        f"{key[: len(key) // 3]} and then {key[len(key) // 3 : -(len(key) // 3)]} and {key[-(len(key) // 3) :]}"
    ),
    "in pieces with numbers": lambda key: f"1. {key[: len(key) // 2]}\n2. {key[len(key) // 2 :]}",
    "in hexadecimal with blanks": lambda key: key.encode().hex(" "),
    "in hexadecimal numbers": lambda key: ", ".join(f"0x{code:02X}" for code in key.encode()),
    "in numbers": lambda key: str([*key.encode()]),
    "in escapes of C": lambda key: "".join(f"\\x{code:02x}" for code in key.encode()),
    "every letter in an address twice": lambda key: "".join(f"%25{code:02x}" for code in key.encode()),
    "in HTML in HTML": lambda key: html.escape("".join(f"&#{ord(sign)};" for sign in key)),
    "in base64 in lines": lambda key: base64.encodebytes(f"key={key}".encode()).decode(),
    "in base64 spaced out": lambda key: " ".join(base64.b64encode(key.encode()).decode()),
    "with line breaks in a call": lambda key: json.dumps({"content": "\n".join(textwrap.wrap(key, 16))}),
}


@pytest.mark.parametrize("key", [LONG_KEY, OLDER_KEY])
@pytest.mark.parametrize("hide", HIDDEN.values(), ids=HIDDEN)
def test_a_key_that_is_said_in_disguise_is_cleared(hide, key, monkeypatch):
    """Whoever opens the store would have it in a moment. What is left of it is no third of it."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    redaction.read()
    message = {"content": f"It is {hide(key)}.", "tool_calls": [{"function": {"arguments": json.dumps({"text": hide(key)})}}]}
    told, places = redaction.clear(message)
    assert places >= 2
    arguments = json.loads(told["tool_calls"][0]["function"]["arguments"])["text"]
    for text in (told["content"], arguments, redaction.redact(hide(key))):
        assert redaction.MARK in text
        left = spelling.spelled(text, True)
        for way in (spelling.spelled(key, True), spelling.spelled(key[::-1], True)):
            assert not any(way[i : i + 17] in left for i in range(len(way) - 16)), text
    assert told["content"].startswith("It is ") and told["content"].endswith(".")


@pytest.mark.parametrize("size", [3, 11, 30])
def test_a_key_across_parts_calls_and_fields_is_cleared(size, monkeypatch):
    """Streams arrive in such pieces, and a world makes files of them."""
    monkeypatch.setenv("OPENAI_API_KEY", LONG_KEY)
    redaction.read()
    pieces = [LONG_KEY[i : i + size] for i in range(0, len(LONG_KEY), size)]
    calls = [{"id": f"c{i}", "function": {"arguments": json.dumps({"text": piece})}} for i, piece in enumerate(pieces)]
    messages = {
        "parts": {"content": [{"type": "text", "text": piece} for piece in pieces]},
        "calls": {"tool_calls": calls},
        "items": {"content": pieces},
        "fields": dict(zip("abcdefghijklmnopqrstuvwxyz"[: len(pieces)], pieces, strict=False)) | {"rest": "".join(pieces[26:])},
    }
    for name, message in messages.items():
        told, places = redaction.clear(message)
        assert places == 1, name
        assert json.dumps(told).count(redaction.MARK) == 1 and not any(
            len(piece) > 2 and piece in json.dumps(told) for piece in pieces
        )
        for call in told.get("tool_calls", ()):
            json.loads(call["function"]["arguments"])


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SHAPES = {"sk-proj-": 156, "sk-ant-api03-": 95, "gsk_": 52, "hf_": 34, "AIzaSy": 33, "r8_": 37, "": 32}
HEAD = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"  # with which most tokens of JSON begin
ORDINARY_TEXTS = [
    f"An example: {HEAD}.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "The collaboration of 2024 was a deployment, see /home/user/data2024/results, and data 2024 study.",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq…\n-----END PRIVATE KEY-----",
    json.dumps([*range(5000)]),
    " ".join("0123456789abcdef" * 50),
]


def test_ordinary_texts_are_left_as_they_are(monkeypatch):
    """Prose, code, digests, pictures in base64, and a token that begins as one's own does, as all of them do."""
    rng = random.Random(1)
    keys = [start + "".join(rng.choices(LETTERS[: 62 if start else 16], k=length)) for start, length in SHAPES.items()]
    keys += [f"{HEAD}.{keys[3]}.{keys[2]}", "my-collaboration-2024-deployment-key", "/home/user/data2024/study-of-peers", PEM]
    for i, key in enumerate(keys):
        monkeypatch.setenv(f"P{i}_API_KEY", key)
    redaction.read()
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "ppres").rglob("*.py")]
    texts = [*(file.read_text(encoding="utf-8") for file in files), *ORDINARY_TEXTS]
    texts += [base64.b64encode(rng.randbytes(200_000)).decode(), rng.randbytes(50_000).hex()]
    assert redaction.clear(texts) == (texts, 0)


def test_a_long_reply_is_looked_through_beside_the_loop(monkeypatch, cell, tmp_path):
    """16 MB take a second: every other conversation stood still meanwhile."""
    threads = {}
    clear = redaction.clear

    def watched(value):
        if len(text := json.dumps(value)) > 100:
            threads[len(text)] = threading.current_thread().name
        return clear(value)

    monkeypatch.setattr(redaction, "clear", watched)
    for length in (200, 300_000):
        with Saying(({"content": "x" * length}, "stop")) as server:
            run(cell, at(server), 1, store=tmp_path / f"{length}.sqlite")
    assert {length > 100_000 for length in threads} == {True, False}
    assert {length > 100_000 for length, name in threads.items() if name == "ppres"} == {False}


def test_the_time_for_a_call_does_not_end_the_reading_of_its_reply():
    """It was paid for, and the next try would bring as long a one."""

    async def ask(length):
        async with asyncio.timeout(0.01) as limit:
            return await client._read(length, limit, lambda: time.sleep(0.1) or "read")

    assert asyncio.run(ask(10**6)) == "read"


def test_a_key_that_a_world_joins_is_cleared(cell, monkeypatch):
    """A provider that echoed its key in pieces, each of which is none, had it from the files that they were written to."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRETS[0])
    pieces = [SECRETS[0][at : at + 6] for at in range(0, len(SECRETS[0]), 6)]
    writes = [calling("create_file", filename="notes.txt", content=pieces[0])]
    writes += [calling("append_to_file", file_id="2", content=piece) for piece in pieces[1:]]
    said = [*writes, calling("list_files"), calling("end_task")]
    with Saying(*((message, "tool_calls") for message in said)) as server:
        made = run(cell, at(server), 1)
    told = [message["content"] for message in pp.transcript(made.id[0])["messages"] if message["role"] == "tool"]
    (reply,) = [text for text in told if "[end of notes.txt]" in text]
    assert "[secret]" in reply and SECRETS[0] not in reply
    assert pp.verify().empty


@pytest.mark.parametrize(
    ("prefix", "letters", "length"),
    [
        ("AIzaSy", string.ascii_letters + string.digits + "-_", 33),
        ("sk-", string.ascii_letters + string.digits + "-_", 32),
        ("", string.ascii_letters + string.digits + "-_", 22),
        ("", string.ascii_letters + string.digits, 16),
        ("", string.ascii_letters, 16),
        ("", string.ascii_lowercase + string.digits, 16),
    ],
)
def test_keys_drawn_at_random_are_nothing_that_is_written_by_chance(prefix, letters, length):
    draw = random.Random(7)
    keys = [prefix + "".join(draw.choices(letters, k=length)) for _ in range(2000)]
    assert sum(not redaction.by_chance(key) for key in keys) <= 10


@pytest.mark.parametrize(
    "word",
    [
        *("anything", "local-model-server", "not-needed-here", "lm-studio-key", "sk-no-key-required", "EMPTY-EMPTY-EMPTY"),
        *("none of your business", "dummy-key-for-vllm", "token-abc123", "MyLocalServer", "strengths-and-weaknesses"),
        *("misrepresentation", "NVIDIA-NIM-LOCAL", "ollama-local-llama3", "McDonaldsKeyword", "vLLM-server-key"),
    ],
)
def test_words_that_a_local_server_takes_for_a_key_are_none(word):
    assert not redaction.by_chance(word)
