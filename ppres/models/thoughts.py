"""A model's thoughts, told apart from what it says, where its server does not do that."""

from __future__ import annotations

import re

from ppres.conversation import Message

# What encloses thoughts in the texts of models whose server does not take them out. A template may have put the first of the two
# into the prompt, so that it is missing in the text (DeepSeek-R1, QwQ, Qwen3-Thinking).
_TAGS = (
    "think",
    "thinking",
    "budget:thinking",
    "thought",
    "seed:think",
    "reasoning",
    "longcat_think",
    "think_fast",
    "think_faster",
)
_ENCLOSING = {
    **{f"<{name}>": f"</{name}>" for name in _TAGS},
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command A
    "<|channel|>analysis<|message|>": "<|start|>assistant<|channel|>final<|message|>",  # gpt-oss
    "<|channel>thought": "<channel|>",  # Gemma
    "<unused94>thought": "<unused95>",
    "<|begin_of_thought|>": "<|end_of_thought|>",  # OpenThinker
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
}
_IN_WORDS = {
    "analysis": "assistantfinal",  # gpt-oss, whose special tokens were left out
    "Here is my thought process:": "Here is my response:",  # Granite
    "Here are my reasoning steps:": "[BEGIN FINAL RESPONSE]",  # Apriel
}
_BEFORE = re.compile(r"(?:\s|<s>|<\|im_start\|>assistant|<\|start\|>assistant)*")
_AROUND = re.compile(r"\s*<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>\s*)?", re.DOTALL)
_AT_AN_END = re.compile(r"(?:^|\n|[.!?:…。！？)\"'])\s*$")


_BLOCKS = 10  # of thoughts, one after the other


def parted(content: str) -> tuple[str, str]:
    """The thoughts that a server left at the beginning of a text, or "", and what was said after them."""
    thoughts: list[str] = []
    said = content
    while len(thoughts) < _BLOCKS and (parts := _first_thought(said, alone=not thoughts)):
        thoughts.append(parts[0].strip())
        said = parts[1].lstrip()
    solution = _AROUND.fullmatch(said) if thoughts else None
    return "\n\n".join(filter(None, thoughts)), solution[1] if solution else said


def _first_thought(text: str, alone: bool) -> tuple[str, str] | None:
    """The first thought of a text and the rest, where it begins with one; `alone`: or with one whose beginning is missing."""
    start = text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]
    for opening, closing in (_ENCLOSING | _IN_WORDS).items():
        if start.startswith(opening):
            if end := _closed(start, opening, closing):
                return start[len(opening) : end - len(closing)], start[end:]
            if opening in _ENCLOSING:  # it is cut off
                return start[len(opening) :], ""
        thought, closed, said = start.partition(closing)
        if alone and closed and opening in _ENCLOSING and opening not in thought and _AT_AN_END.search(thought[-100:]):
            return thought, said
    return None


def _closed(text: str, opening: str, closing: str) -> int:
    """Where a thought with which a text begins ends, also with others in it; 0 where it does not."""
    depth = end = 0
    for tag in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        depth += 1 if tag[0] == opening else -1
        end = tag.end() if tag[0] == closing else end
        if depth == 0:
            break
    return end


def thoughts_apart(message: Message) -> Message:
    """A message with its thoughts in the field for them: where that is empty, they may be in another one, or in the text."""
    if not _told(message) and isinstance(thought := message.get("reasoning"), str) and thought:
        return message | {"reasoning_content": thought}
    return out_of_text(message)


def out_of_text(message: Message) -> Message:
    """A message with the thoughts that its text has in the field for them, where no field has any."""
    if _told(message) or message.get("reasoning") or not isinstance(message.get("content"), str):
        return message
    thought, said = parted(message["content"])
    return message | {"content": said if said or not thought else None} | ({"reasoning_content": thought} if thought else {})


def _told(message: Message) -> bool:
    return bool(str(message.get("reasoning_content") or "").strip() or message.get("thinking_blocks"))
