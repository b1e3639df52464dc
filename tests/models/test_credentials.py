"""What is stored as it is, addresses and bodies, must hold no key; what providers and people name in them is none."""

import base64
import json
import random
import re

import pytest

import ppres as pp
from ppres.models.credentials import in_address

# What stands in the path of an address: of servers as people name them, and what hosts with a key in the path have there.
NAMES = [
    *("Gpt4oMiniProd01", "Gemma3nE4BIt", "Llama3Instruct70B", "Llama4Scout17B16E", "Qwen2Vl7BInstruct", "DeepSeekV3Chat0324"),
    *("GPT41Nano2025", "GPT4oEastUS2", "TeamA1ProdV2", "OpenAIGateway2024", "Phi3Mini4kInstruct", "Mixtral8x7BInstruct"),
    *("Qwen3-235B-A22B-Instruct-2507-FP8", "Llama-4-Maverick-17B-128E-Instruct-FP8", "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"),
    *("HuggingFaceTGI-Llama2-7B-2023-10-01T12-00Z", "anthropic.claude-3-5-sonnet-20241022-v2%3A0", "ERNIE-4.5-21B-A3B-PT"),
    *("xyz1234abcd", "k7x2m9q4w1z8ab", "4512345678901234567", "550e8400-e29b-41d4-a716-446655440000", "EXAONE-4.0-1.2B"),
]
KEYS = [
    *("hunter2Hunter2xyz", "Zx8Kq2Lm9Pw4", "Xk29sLq81mZp04Qw", "tok_8fJ2kQ9zLm3Xv7Bn", "pA55w0rdQ7zX", "7Hq-zP2x-Lm9K-4vBn"),
    *("M3x9Lk2Pq7", "T3stK3y!2024", "sk-proj-AbC123dEf456GhI789", "gsk_a8Jd7sK2lPq9Zx7Vb3Nm", "AIzaSyA1b2C3d4E5f6G7h8I9j0"),
    *("9f86d081884c7d659a2feaa0c55ad015", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "glpat-aB3dE5fG7hJ9kL1m"),
    *("r8_Hd83kSl29dkWq0zPx", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7EXAMPLE"),
    *("Qm9vTXVjaEVudHJvcHk9", "hf_QwErTyUiOp123456"),
    *("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "hunter2Hunter2xyz%2Fopenai"),
]


@pytest.mark.parametrize("piece", NAMES)
def test_the_name_of_a_deployment_in_an_address_is_no_key(piece):
    for address in (f"https://host.example/v1/{piece}/openai", f"https://host.example/{piece}"):
        assert pp.Model("openai/x", api_base=address).api_base == address


def test_random_tokens_in_a_path_are_keys_and_models_names_are_none():
    """A gateway's token was in the label of every row: of 22 signs one in ten was taken for a name."""
    import litellm

    rng = random.Random(7)
    tokens = [base64.urlsafe_b64encode(rng.randbytes(16)).decode().rstrip("=") for _ in range(1000)]
    assert sum(in_address(f"https://host.example/{token}/v1") is None for token in tokens) < 25
    names = {part for name in litellm.model_cost for part in name.split("/") if re.fullmatch(r"[\w.-]+", part)}
    assert len(names) > 1000 and not [name for name in names if in_address(f"https://host.example/{name}/v1")]


@pytest.mark.parametrize("piece", KEYS)
def test_a_key_in_the_path_of_an_address_is_none_of_its_names(piece):
    for address in (f"https://host.example/v1/{piece}/", f"http://127.0.0.1:8000/{piece}/v1"):
        with pytest.raises(pp.ModelError, match="api_base must not hold what looks like a key"):
            pp.Model("openai/x", api_base=address)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/v1/sk-planted-0123456789",
        "https://proxy.example/AIzaSyA1234567890abcdefghij/v1",
        "https://proxy.example/t/Zx81kQ0pLm27Vb93Nc55Rt/v1",
        "https://proxy.example/v1/pl%61nted-key-987654/",
        "https://me:hunter2@proxy.example/v1",
        "me:hunter2@proxy.example/v1",
        "https://proxy.example/v1?x=1",
        "https://proxy.example/v1;token=abc",
        "https://proxy.example/v1#hunter2",
        "http:/me:hunter2@proxy.example/v1",
        "//me:hunter2@proxy.example",
        "http:me:hunter2@proxy.example/v1",
        "http://proxy.example\\@hunter2/",
        "http://sk-planted-0123456789.proxy.example/v1",
        "https://proxy.example/v1/github_pat_11planted0123456789",
        "https://proxy.example/abcdef0123456789abcdef0123456789/v1",
    ],
)
def test_an_address_with_a_key_is_refused_and_not_repeated(address, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "planted-key-987654")
    with pytest.raises(pp.ModelError, match="api_base must not hold") as caught:
        pp.Model("openai/x", api_base=address)
    assert not any(part in str(caught.value) for part in ("hunter2", "planted", "AIza", "Zx81", "abc"))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "http://[::1]:8000/v1",
        "https://gateway.ai.cloudflare.com/v1/0123456789abcdef0123456789abcdef/my-gateway/openai",
        "https://my-resource.openai.azure.com/openai/deployments/gpt-4o-2024-08-06",
        "https://api.runpod.ai/v2/vllm-k7x2m9q4w1z8ab/openai/v1",
        "https://adb-1234567890123456.7.azuredatabricks.net/serving-endpoints",
        "https://k7x2m9q4w1z8ab-8000.proxy.runpod.net/v1",
        "https://x8k2j3h4g5f6d7s8.us-east-1.aws.endpoints.huggingface.cloud/v1",
        "https://abcdefghij0123456789klmnopqrst01.lambda-url.us-east-1.on.aws",
        "https://api.nvcf.nvidia.com/v2/nvcf/pexec/functions/0e349b44-440a-44e1-93e9-abe8dcb27158",
        "https://eu-west1-aiplatform.example/v1/projects/my-project-2024/locations/eu/endpoints/openapi",
        "https://models.example/v1/claude-sonnet-4@20250514",
        "http://vllm_server:8000/v1",
        "https://contoso-eastus2.openai.azure.com/openai/deployments/Gpt4oMiniProd01/chat",
        "https://my-project.services.ai.azure.com/models",
        "https://api.cloudflare.com/client/v4/accounts/023e105f4ecef8ad9ca31a8372d0c353/ai/v1",
        "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
        "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/jumpstart-dft-llama-3-1-8b-20250102-030405/invocations",
        "https://us-central1-aiplatform.googleapis.com/v1/projects/my-project-123456/locations/us-central1/endpoints/openapi",
        "https://openrouter.ai/api/v1",
        "https://a1b2-203-0-113-7.ngrok-free.app/v1",
        "https://myaccount--vllm-serve-Qwen2-5-72B.modal.run/v1",
        "https://router.huggingface.co/hf-inference/models/mistralai/Mixtral-8x7B-Instruct-v0.1/v1",
        "http://localhost:8000",
    ],
)
def test_the_address_of_a_server_is_none(address):
    assert pp.Model("openai/x", api_base=address).api_base == address


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1/v1",
        "javascript:alert(1)",
        "file:///etc/hosts",
        "ftp://proxy.example/v1",
        "http://proxy.example:99999/v1",
        "http://proxy.example:0/v1",
        "http://proxy.example/v1\n",
        "http://proxy.example /v1",
        "http://",
        "http:/proxy.example/v1",
        "http:///v1",
        "http://gpu..lab:8000/v1",
        f"http://{'a' * 64}.lab/v1",
    ],
)
def test_what_is_no_address_is_an_error(address):
    with pytest.raises(pp.ModelError, match=r"api_base is no address such as|api_base=.* on one line"):
        pp.Model("openai/x", api_base=address)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"token": "abc"}, "token"),
        ({"auth": {"user": "a"}}, "auth"),
        ({"route": {"Bearer": "abc"}}, "Bearer"),
        ({"extra_headers": {"X-Auth-Token": "abc"}}, "X-Auth-Token"),
        ({"list": [{"apiKey": "abc"}]}, "apiKey"),
        ({"hf_token": "abc"}, "hf_token"),
        ({"accessToken": "abc"}, "accessToken"),
        ({"proxy-authorization": "abc"}, "proxy-authorization"),
        ({"db_password": "abc"}, "db_password"),
        ({"header": "Authorization: x"}, "Auth…"),
        ({"header": "use Bearer abc"}, "use …"),
        ({"route": ["sk-planted-0123456789"]}, "sk-p…"),
    ],
)
def test_a_body_with_a_key_is_refused(body, field):
    with pytest.raises(pp.ModelError, match=f"extra_body must not hold '{field}'"):
        pp.Model("openai/x", extra_body=body)


WORD = "hunter2Hunter2xyz99"
NAMED = "tokens access_tokens keys my_key x-key pat pin pass creds cookies session signature sig otp Cookie Set-Cookie apiKey hmac"
NAMED += " licence_key client_secret aws_secret refreshToken sessionToken user_pass githubPat"
HELD = [
    f"http://user:{WORD}@proxy:8080",
    f"https://host/x?api_key={WORD}",
    f"https://host/?v=1&token={WORD}",
    f"token={WORD}",
    f"postgres://u:{WORD}@host/db",
    f"Server=host;User Id=me;Password={WORD};",
    f"host=db user=me password={WORD}",
    "Basic dXNlcjpodW50ZXIySHVudGVyMg==",
    "Proxy: basic dXNlcjpwYXNzd29yZA",
    "github_pat_11ABCDEFG0123456789abcdefghij",
    "glpat-abcdefgh12345678",
    "xoxb-123456789012-abcdefABCDEF",
    "ASIAIOSFODNN7EXAMPLE",
    "AKIAIOSFODNN7EXAMPLE",
    "GOCSPX-abcdefghijklmnop1234",
    "npm_abcdefghijklmnopqrstuvwx12",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
    "before: -----BEGIN OPENSSH PRIVATE KEY-----",
    "JWT eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "use sk-abcdefgh12345678ijkl now",
    "the key is (sk-ant-api03-abcdefgh12345)",
    "bearer:abc123456789xyz",
    json.dumps({"api_key": WORD}),
    json.dumps([{"keys": [WORD]}]),
    f"config = {json.dumps({'hf_token': WORD})}",
    json.dumps({"config": json.dumps({"password": WORD})}),
]


@pytest.mark.parametrize("name", NAMED.split())
@pytest.mark.parametrize(
    "inside", [lambda field: field, lambda field: {"a": [field]}, json.dumps], ids=["as it is", "deep", "text"]
)
def test_a_field_whose_name_says_that_it_is_secret_is_refused(name, inside):
    for value in (WORD, [WORD], {"value": WORD}):
        with pytest.raises(pp.ModelError, match="extra_body must not hold") as caught:
            pp.Model("openai/x", extra_body={"field": inside({name: value})})
        assert WORD not in str(caught.value)


@pytest.mark.parametrize("text", HELD)
def test_a_text_that_holds_a_secret_is_refused_wherever_it_stands(text):
    for body in ({"x": text}, {"x": [{"y": text}]}, {"x": f"Note: {text}"}, {text: 1}):
        with pytest.raises(pp.ModelError, match="extra_body must not hold") as caught:
            pp.Model("openai/x", extra_body=body)
        assert not any(part in str(caught.value) for part in ("hunter2", "abcdefgh", "IOSFO", "eyJhb", "dXNlc"))


@pytest.mark.parametrize("body", [{"x": "[" * 500 + "]" * 500}, {"x": json.loads("[" * 500 + "]" * 500)}])
def test_a_body_that_is_too_deep_is_refused(body):
    with pytest.raises(pp.ModelError, match="extra_body is not JSON"):
        pp.Model("openai/x", extra_body=body)


def test_a_number_is_a_pin_and_no_token():
    with pytest.raises(pp.ModelError, match="must not hold 'pin'"):
        pp.Model("openai/x", extra_body={"pin": 1234})
    assert pp.Model("openai/x", extra_body={"tokens": [5, 6], "session": False, "keys": []}).extra_body["tokens"] == [5, 6]


FORM = {
    "type": "object",
    "properties": {"password": {"type": "string"}, "key": {"type": "string"}, "tokens": {"$ref": "#/$defs/token"}},
    "$defs": {"token": {"type": "string", "pattern": "^[a-z]+$"}},
    "required": ["password", "key"],
}
LEGAL = {
    "vLLM": {
        "guided_json": FORM,
        "structured_outputs": {"json": json.dumps(FORM)},
        "guided_choice": ["key", "token", "pass"],
        "guided_regex": r"(yes|no): \d{4}-\d{2}",
        "guided_grammar": 'root ::= token " = " key\ntoken ::= [a-z]+\nkey ::= "secret" | "basic training"',
        "stop": ["Password:", "</s>", "<|eot_id|>", "token:"],
        "stop_token_ids": [128001],
        "allowed_token_ids": [1, 2],
        "bad_words": ["key", "session"],
        "truncate_prompt_tokens": 5,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "include_stop_str_in_output": True,
        "cache_salt": "study-2024-0123456789abcdef",
        "chat_template": "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}",
        "chat_template_kwargs": {"enable_thinking": False, "think_start_token": "<think>"},
        "kv_transfer_params": {"do_remote_decode": True},
        "priority": 1,
    },
    "OpenRouter": {
        "provider": {"order": ["z-ai", "DeepInfra"], "sort": "price", "allow_fallbacks": False, "max_price": {"prompt": 1}},
        "transforms": ["middle-out"],
        "models": ["deepseek/deepseek-chat-v3-0324", "meta-llama/llama-3.3-70b-instruct"],
        "route": "fallback",
        "plugins": [{"id": "web", "max_results": 1}],
        "session_id": "run-2024-11-27-0f3a9c",
        "user": "0e349b44-440a-44e1-93e9-abe8dcb27158",
        "usage": {"include": True},
        "reasoning": {"effort": "high", "max_tokens": 2000, "exclude": False},
    },
    "llama.cpp": {
        "cache_prompt": True,
        "id_slot": 0,
        "n_keep": -1,
        "logit_bias": [["key", -1], [" secret", False]],
        "samplers": ["top_k", "min_p"],
        "grammar": 'root ::= "yes" | "no"',
        "preserved_tokens": ["<think>"],
        "return_tokens": True,
        "dry_sequence_breakers": ["\n", ":"],
    },
    "Anthropic": {
        "metadata": {"user_id": "study-13"},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "context_management": {
            "edits": [{"type": "clear_tool_uses_20250919", "trigger": {"type": "input_tokens", "value": 30000}}]
        },
        "service_tier": "standard_only",
    },
    "OpenAI": {
        "prompt_cache_key": "study-2024-shutdown",
        "promptCacheKey": "study",
        "safety_identifier": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "max_completion_tokens": 512,
        "logit_bias": {"50256": -100, "key": 1},
        "response_format": {"type": "json_schema", "json_schema": {"name": "key_points", "schema": FORM}},
        "metadata": {"study": "shutdown", "author": "me", "url": "https://example.org/study?page=2", "time": "10:30"},
        "store": False,
    },
    "others": {
        "keep_alive": "5m",
        "options": {"num_ctx": 8192, "num_keep": 4},
        "cached_content": "cachedContents/abc123def456",
        "lora_path": "hf-internal-testing/tiny-lora",
        "guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1", "trace": "enabled"},
        "sort_key": "price",
        "public_key": "study",
        "note": "Basic understanding of key points: use sk-learn, ask@example.org, and npm_config_registry",
    },
}


@pytest.mark.parametrize("body", LEGAL.values(), ids=LEGAL)
def test_parameters_of_providers_are_no_secrets(body):
    assert pp.Model("openai/x", extra_body=body).extra_body == body


def test_a_body_that_speaks_of_tokens_is_none():
    body = {
        "max_tokens": 5,
        "thinking": {"budget_tokens": 9},
        "stop_token_ids": [1],
        "eos_token": "</s>",
        "skip_special_tokens": True,
    }
    body |= {"prompt_cache_key": "study", "author": "me", "provider": {"order": ["A", "B"]}, "note": "key points, sk-learn"}
    assert pp.Model("openai/x", extra_body=body).extra_body == body
