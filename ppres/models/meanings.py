"""What an error of a provider means, by its codes, its words and its status: one table.

Providers say the same in many ways. A new provider is a code or a line in a row here.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Meaning(NamedTuple):
    """A row of the table."""

    name: str
    codes: str
    """What its code, type, status or reason is, in small letters and without signs."""
    words: tuple[str, ...]
    """Patterns in its message. Their repeats are bounded: a message is anybody's text."""
    elsewhere: tuple[int, ...]
    """Statuses with which these words are about something else."""


_BUSY = (408, 409, 425, 429, 502, 503, 504, 529)

CREDIT = Meaning(
    "credit",
    "insufficientquota insufficientcredits insufficientbalance insufficientfunds exceededcurrentquotaerror billingerror "
    "billinghardlimitreached billingnotactive paymentrequired creditsexhausted arrearage overdue accountoverdueerror "
    "allocationquotafreetieronly 1113 1008",  # the numbers: GLM, MiniMax
    (
        r"credit balance|payment required|purchase (?:\w{1,12} )?credits?",  # Anthropic
        r"(?:insufficient|not enough|no|out of) (?:\w{1,12} ){0,2}(?:credits?|balance|funds|quota)\b",  # DeepSeek
        r"requires? (?:\w{1,12} ){0,2}credits?|only afford|key limit exceeded",  # OpenRouter
        r"credits? (?:\w{1,12} ){0,3}(?:exhausted|depleted|required)|used all (?:\w{1,12} ){0,2}credits?",  # xAI
        r"(?:balance|funds) (?:is |are )?(?:too low|insufficient|exhausted|depleted)",
        r"spend(?:ing)? (?:limit|cap)|monthly (?:limit|budget)",  # xAI, OpenRouter
        r"billing (?:hard limit|is not active|not active|details)",  # OpenAI, Kimi
        r"recharge|top[ -]up|arrear|overdue|good standing",  # GLM, Qwen
        r"余额不足|欠费|充值|额度不足",
    ),
    (401, 408, 500, 502, 503, 504, 529),
)

MODEL = Meaning(
    "model",
    "invalidapikey apikeyinvalid incorrectapikey authenticationerror invalidauthenticationerror accountdeactivated "
    "modelnotfound modelnotfounderror modelnotexist modeldecommissioned modelaccessdenied unknownmodel deploymentnotfound "
    "unsupportedcountryregionterritory unsupportedparamserror modelnotavailable dedicatedendpointnotrunning 1211",  # Together, GLM
    (
        r"(?:invalid|incorrect|missing|expired|wrong|no) [\w -]{0,20}(?:api[ _-]?key|credentials)",  # xAI, with status 400
        r"api[ _-]?key (?:is )?(?:not valid|invalid|not found|expired|disabled|revoked)",  # Gemini, with status 400
        r"api_key client option must be set",  # litellm, which asks nobody then
        r"model [^ ]{0,80} ?(?:does )?(?:not exist|not found|is not found)",  # DeepSeek, with status 400
        r"not a valid model|no endpoints found",  # OpenRouter
        r"model [^ ]{0,80} ?(?:has been |is )?(?:decommissioned|deprecated|retired|no longer available)",  # Groq
        r"unknown model|model identifier is invalid",  # GLM, Bedrock
        r"location is not supported",  # Gemini
        r"unexpected endpoint",  # LM Studio, with status 200, where the address lacks its /v1
        r"non-serverless model|dedicated endpoint for [^ ]{1,80} is not running",  # Together, with status 400
        r"account [^.]{0,80}(?:disabled|deactivated|suspended|banned)",
    ),
    (*_BUSY, 500),
)

CONTENT_FILTER = Meaning(
    "content_filter",
    "contentfilter contentpolicyviolation contentpolicyviolationerror contentmoderation contentpolicy invalidprompt "
    "responsibleaipolicyviolation datainspectionfailed flaggedinput safety prohibitedcontent blocklist guardrailintervened "
    "sensitivecontentdetected inputtextsensitivecontentdetected outputtextsensitivecontentdetected riskdetection "
    "censorshipblocked 1301 1026 1027",  # GLM, MiniMax
    (
        r"content[ _](?:management policy|filter|moderation|policy|safety|violates)",  # Azure, Anthropic, xAI
        r"usage (?:policy|policies|guidelines)|safety[ _](?:system|check|filter|guidelines)",  # OpenAI, xAI
        r"content exists risk|high risk",  # DeepSeek, Kimi
        r"(?:inappropriate|sensitive|prohibited|harmful|unsafe) (?:content|information|or sensitive)",  # Qwen, GLM
        r"\bflagged\b|\bmoderation\b|guardrail|responsible ai|data inspection",  # OpenRouter, Bedrock, Azure, Qwen
        r"blocked by \w{0,12} ?(?:content|safety)|new_sensitive",  # MiniMax
        r"不安全或敏感|敏感内容|违规|内容安全",
    ),
    (*_BUSY, 401, 404),
)

TOKEN_LIMIT = Meaning(
    "token_limit",
    "contextlengthexceeded contextwindowexceedederror modelcontextwindowexceeded exceedcontextsizeerror requesttoolarge "
    "stringabovemaxlength 1261 1039",  # GLM, MiniMax
    (
        r"context[ _-](?:length|window|size|limit)",  # OpenAI, DeepSeek, Mistral, vLLM, llama.cpp, LM Studio, MiniMax
        r"(?:prompt|input|request|message|conversation)s? (?:\w{1,8} ){0,2}too (?:long|large)",  # Anthropic, Bedrock, Groq
        r"maximum (?:prompt|input|model|sequence) length|maximum allowed input length",  # xAI, vLLM, OpenRouter
        r"model token limit|prompt exceeds max length",  # Kimi, GLM
        r"range of input length|max message tokens",  # Qwen, Doubao
        r"(?:input|prompt) token count|input tokens exceed",  # Gemini, Copilot, Bedrock
        r"too many (?:input )?tokens|token limit exceeded",  # Cohere
        r"reduce the length|longer than the model|request entity too large",  # Cerebras, SGLang, proxies
        r"`inputs` tokens|must have less than \d{1,9} tokens",  # TGI
        r"超长|最大长度|上下文长度",
    ),
    (*_BUSY, 401, 404),
)

TABLE = (CREDIT, MODEL, CONTENT_FILTER, TOKEN_LIMIT)
"""The first row that fits counts. A wrong row is worse than none: what ends a conversation for good is never asked again."""

_ROWS = tuple((row, frozenset(row.codes.split()), re.compile("|".join(row.words), re.IGNORECASE)) for row in TABLE)
_BY_STATUS = {401: "model", 402: "credit", 403: "forbidden", 404: "model", 413: "token_limit", 451: "content_filter"}
# Statuses that another try may mend; so may errors without a status, which are about the connection.
_PASSING = (408, 409, 425, 429)
_SOON = 3_600.0  # seconds
_LOOKED_AT = 4_000  # characters


def meaning(status: int | None, codes: set[str], words: str, pause: float | None = None) -> str:
    """What an error means: by its codes or words, else by its status."""
    for row, known, pattern in _ROWS:
        if known & codes:
            return row.name
        # Gemini calls a limit per minute a quota, with the words that others have for an empty account, and says when it ends.
        soon = row.name == "credit" and status == 429 and pause is not None and pause <= _SOON
        if status not in row.elsewhere and not soon and pattern.search(words[:_LOOKED_AT]):
            return row.name
    if status is None or status >= 500 or status in _PASSING:
        return "passing"
    return _BY_STATUS.get(status, "rejected")


def code(told: object) -> str:
    """A code as the table has it: of context_length_exceeded and ContextLengthExceeded the same."""
    return re.sub(r"[^a-z0-9]", "", str(told)[:100].lower()) if told is not None else ""
