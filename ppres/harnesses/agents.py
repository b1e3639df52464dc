"""The harnesses: a table with an entry for each. What one needs is its package, its settings, and how it is started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORT = 18080
GATEWAY = f"http://127.0.0.1:{PORT}"
HOME, WORKSPACE, PROGRAM = "/home/ops", "/workspace", "/opt/agent"


@dataclass(frozen=True)
class Harness:
    """A production harness."""

    name: str
    package: str
    """On npm."""
    version: str
    """That ppres installs, and was tried with."""
    context: str
    """The file of the workspace that it reads by itself."""
    settings: Callable[[str, bool], dict[str, str]]
    """Files of its home, for a model's name and whether it has the world's tools, by MCP, in the place of its own."""
    command: Callable[[str, str], list[str]]
    """How it is started, for a model's name and a task."""
    environment: dict[str, str]
    prefix: str = ""
    """What it puts before names of tools that come by MCP; nothing where these were not tried."""
    node: bool = False
    """Whether it needs Node to run."""
    system: Callable[[list[dict[str, Any]]], str] = lambda messages: str(messages[0]["content"])
    """Its own prompt among the messages of a first request."""


def _opencode(model: str, served: bool) -> dict[str, str]:
    known = {"name": model, "tool_call": True, "limit": {"context": 131072, "output": 8192}}
    options = {"baseURL": f"{GATEWAY}/v1", "apiKey": "none"}
    local = {"npm": "@ai-sdk/openai-compatible", "name": "Local", "options": options, "models": {model: known}}
    settings: dict[str, Any] = {
        "model": f"local/{model}",
        "small_model": f"local/{model}",
        "enabled_providers": ["local"],
        "provider": {"local": local},
    }
    settings |= {"autoupdate": False, "share": "disabled", "snapshot": False, "permission": "allow"}
    if served:
        settings["mcp"] = {"company": {"type": "remote", "url": f"{GATEWAY}/mcp"}}
        settings["agent"] = {"build": {"tools": {"*": False, "company_*": True}}}
    return {".config/opencode/opencode.json": json.dumps(settings)}


def _gemini(_: str, served: bool) -> dict[str, str]:
    settings: dict[str, Any] = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False, "maxAttempts": 1},
    }
    if served:
        settings["mcpServers"] = {"company": {"httpUrl": f"{GATEWAY}/mcp", "trust": True}}
        settings["tools"] = {"exclude": _GEMINI_TOOLS.split()}  # `core: []` would take those of MCP as well
    return {".gemini/settings.json": json.dumps(settings | _PRIVATE)}


TABLE_6 = ("opencode", "gemini-cli")  # the paper's, which are installed where none is named
_GEMINI_TOOLS = (
    "run_shell_command read_file write_file replace list_directory glob grep_search web_fetch google_web_search write_todos "
    "update_topic enter_plan_mode exit_plan_mode invoke_agent activate_skill list_background_processes read_background_output "
    "ask_user save_memory read_many_files"
)
_PRIVATE = {"privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
_CODEX = f"""model_provider = "local"
check_for_update_on_startup = false
[model_providers.local]
name = "Local"
base_url = "{GATEWAY}/v1"
wire_api = "responses"
"""

HARNESSES = {
    one.name: one
    for one in (
        Harness(
            name="opencode",
            package="opencode-ai",
            version="1.18.33",
            context="AGENTS.md",
            settings=_opencode,
            command=lambda model, task: [  # by stdin: of arguments it quotes those with spaces, and numbers end it
                *("bash", "-c", 'printf %s "$1" | "$0" run --format json --title task'),
                *(f"{PROGRAM}/node_modules/opencode-ai/bin/opencode.exe", task),
            ],
            environment={"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "npm_config_offline": "true"},
            prefix="company_",
        ),
        Harness(
            name="gemini-cli",
            package="@google/gemini-cli",
            version="0.61.0",
            context="GEMINI.md",
            settings=_gemini,
            command=lambda model, task: [
                *("node", f"{PROGRAM}/node_modules/@google/gemini-cli/bundle/gemini.js", "-m", model, "--approval-mode", "yolo"),
                *("--skip-trust", "-o", "stream-json", "-p", task),
            ],
            environment={"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": GATEWAY},
            prefix="mcp_company_",
            node=True,
        ),
        Harness(
            name="qwen-code",
            package="@qwen-code/qwen-code",
            version="0.15.10",
            context="QWEN.md",
            settings=lambda model, _: {".qwen/settings.json": json.dumps({"general": {"enableAutoUpdate": False}} | _PRIVATE)},
            command=lambda model, task: [
                *("node", f"{PROGRAM}/node_modules/@qwen-code/qwen-code/cli.js", "--auth-type", "openai", "-m", model, "--yolo"),
                *("-o", "stream-json", "-p", task),
            ],
            environment={"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{GATEWAY}/v1"},
            node=True,
        ),
        Harness(
            name="claude-code",
            package="@anthropic-ai/claude-code",
            version="2.1.197",
            context="CLAUDE.md",
            settings=lambda model, _: {},
            command=lambda model, task: [
                *(f"{PROGRAM}/node_modules/@anthropic-ai/claude-code/bin/claude.exe", "--model", model),
                *("--dangerously-skip-permissions", "--output-format", "stream-json", "--verbose", "-p", task),
            ],
            environment={
                "ANTHROPIC_API_KEY": "none",
                "ANTHROPIC_BASE_URL": GATEWAY,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
        ),
        Harness(
            name="codex",
            package="@openai/codex",
            version="0.169.0",
            context="AGENTS.md",
            settings=lambda model, _: {".codex/config.toml": _CODEX},
            command=lambda model, task: [
                *(
                    "node",
                    f"{PROGRAM}/node_modules/@openai/codex/bin/codex.js",
                    "exec",
                    "--skip-git-repo-check",
                    "--json",
                    "-m",
                    model,
                ),
                *("--dangerously-bypass-approvals-and-sandbox", task),
            ],
            environment={},
            node=True,
        ),
    )
}


def node() -> Path | None:
    """The folder in which Node is installed; None where it is not."""
    found = shutil.which("node")
    return Path(found).resolve().parents[1] if found else None
