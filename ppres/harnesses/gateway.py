"""Where a harness thinks its provider is: asks the model for it. What passes through here is the transcript.

Nothing of the harness's own event stream is read. Requests are told apart into threads: the conversation itself, and others
(titles, compaction, sub-agents). A request that is not the harness's own (its program says who it is) gets no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from ppres import codec
from ppres.conversation import LIMITS, Ask, Conversation, Message, ProviderError, Reply, Turn, calls_of, parts
from ppres.harnesses.formats import Format, Request, format_of, stream
from ppres.models import history
from ppres.worlds.tool import ScenarioError
from ppres.worlds.world import World

MOST = 64 << 20  # bytes of a request
SILENCE = 20.0  # seconds: harnesses give a connection up on which nothing comes; between events a line break means nothing


class Thread:
    """One conversation of a harness."""

    def __init__(self, number: int):
        self.number = number
        self.messages: list[Message] = []
        self.asked = 0
        """Messages that its last request had."""
        self.last: Reply | None = None
        """As the harness was told it."""
        self.ids: dict[Any, Any] = {}
        """Of the last reply's calls, those that the harness was told, in their order, and the model's own."""

    def news(self, request: Request) -> list[Message] | None:
        """What came since this thread's last request; None where the request does not go on with it.

        The agent's own messages come back in the harness's form: only their places are compared.
        """
        mine, given = (
            [(message["role"], message["role"] == "assistant" or message.get("content")) for message in messages]
            for messages in (self.messages, request.messages)
        )
        if given == mine[: self.asked]:
            return []
        return self._in_order(request.messages[len(mine) :]) if given[: len(mine)] == mine else None

    def _in_order(self, news: list[Message]) -> list[Message]:
        """Replies in the order of their calls and with the ids that the model gave those; by their places where they have none."""
        told = [*self.ids]
        replies = [message for message in news if message["role"] == "tool"]
        for message, id in zip(replies, told, strict=False):
            message["tool_call_id"] = message.get("tool_call_id") or id
        replies.sort(key=lambda message: told.index(id) if (id := message.get("tool_call_id")) in told else len(told))
        own = iter([message | {"tool_call_id": self.ids.get(id := message.get("tool_call_id"), id)} for message in replies])
        return [next(own) if message["role"] == "tool" else message for message in news]


class Gateway:
    """Answers the requests of one rollout, and keeps its transcript."""

    def __init__(self, ask: Ask, turns: int, world: World | None = None, prefix: str = ""):
        self.ask, self.most = ask, turns
        self.world, self.prefix = world, prefix
        """Whose tools are served by MCP, and what the harness puts before their names: the model knows them without."""
        self.calls: list[tuple[str, Any]] = []
        """Of those tools."""
        self.conversation = Conversation()
        self.threads: list[Thread] = []
        self.first: Request | None = None
        """As it came: the harness's own prompt and tools."""
        self.strange: list[str] = []
        """Requests that the harness did not make."""
        self.agent = ""
        """Who makes its requests, as the first says."""
        self.check: Callable[[Request], None] = lambda first: None
        """Raises `ProviderError` where the harness is not what it should be, before the model is asked."""
        self.failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        """Done, with the error, when no request can be answered any more."""
        self._said: dict[str, Message] = {}
        """The model's messages by their calls, as a harness that starts a thread anew brings some of them along."""
        self._turn = asyncio.Lock()
        self._answering: set[asyncio.Future[Any]] = set()
        app = web.Application(client_max_size=MOST)
        if world:
            app.router.add_route("*", "/mcp", self._served)
        app.router.add_route("*", "/{path:.*}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def serve(self, waiting: socket.socket) -> None:
        """Answer what comes in at a listening socket."""
        await self._runner.setup()
        await web.SockSite(self._runner, waiting).start()

    async def close(self) -> None:
        """Answer nothing any more: who asked is gone."""
        await self._runner.cleanup()
        for answering in self._answering:
            answering.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)  # until what they were asking is put to account

    async def _respond(self, asked: web.Request) -> web.StreamResponse:
        """Answer one request. While the model takes its time line breaks are sent."""
        known, request, streamed = await self._read(asked)
        kind = "text/event-stream" if streamed else "application/json"
        response = web.StreamResponse(headers={"content-type": kind})
        answering = asyncio.ensure_future(self._answer(known, request, streamed))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        try:
            while not (await asyncio.wait([answering], timeout=SILENCE))[0]:
                await response.prepare(asked)
                await response.write(b"\n")
        finally:
            answering.cancel()
        status, answer = answering.result()
        if not response.prepared:
            response.set_status(status)
            await response.prepare(asked)
        await response.write(answer)
        return response

    async def _read(self, asked: web.Request) -> tuple[Format, Request, bool]:
        """The protocol of a request, what it asks, and whether a stream is wanted. Raises what refuses it."""
        known = format_of(asked.path)
        if asked.method != "POST" or not known:
            self.strange.append(f"{asked.method} {asked.path_qs}"[:200])
            raise web.HTTPNotFound
        who = asked.headers.get("user-agent", "").partition("/")[0]  # what follows may change: a version, a model's name
        self.agent = self.agent or who
        if who != self.agent:
            self.strange.append(f"POST {asked.path_qs} by {who}"[:200])
            raise web.HTTPForbidden
        with _readable():
            given = json.loads(await asked.read())
            request = known[0].read(given, known[1])
            for message in request.messages:
                if not all(isinstance(message.get(name, ""), str | None) for name in ("role", "content", "tool_call_id")):
                    raise ValueError("a message is none")
            if self.prefix:
                self._without_prefix(request)
            return known[0], request, bool(given.get("stream", ":stream" in asked.path))

    async def _served(self, request: web.Request) -> web.Response:
        """One message of MCP, over streamable HTTP without sessions."""
        if request.method != "POST":  # a stream of what we have to say, which is nothing
            raise web.HTTPMethodNotAllowed(request.method, ["POST"])
        with _readable():
            asked = json.loads(await request.read())
            given = asked.get("params") or {}
            if "id" not in asked:  # a notification
                return web.Response(status=202)
            told = self._mcp(asked.get("method"), given)
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": told})

    def _mcp(self, method: Any, given: dict[str, Any]) -> dict[str, Any]:
        world: World = self.world  # type: ignore[assignment]
        match method:
            case "initialize":
                server = {"name": "company", "version": "1"}
                return {"protocolVersion": given.get("protocolVersion"), "capabilities": {"tools": {}}, "serverInfo": server}
            case "tools/list":
                listed = [tool["function"] for tool in world.schemas()]
                return {"tools": [{**tool, "inputSchema": tool["parameters"]} for tool in listed]}
            case "tools/call":
                self.calls.append((given["name"], given.get("arguments", {})))
                try:
                    said, ok = world.call(*self.calls[-1])
                except ScenarioError as error:
                    self._fail(error)
                    raise web.HTTPInternalServerError from error
                return {"content": [{"type": "text", "text": said}], "isError": not ok}
        return {}

    async def _answer(self, known: Format, request: Request, streamed: bool) -> tuple[int, bytes]:
        try:
            async with self._turn:  # one after the other, so that a transcript is a line
                if not self.failed.done():
                    whole = known.write(await self._reply(request), request.model)
                    return 200, stream(known, whole) if streamed else json.dumps(whole).encode()
        except Exception as error:
            self._fail(error)
        return 400, b'{"error": {"message": "the session is over", "code": 400, "status": "INVALID_ARGUMENT"}}'

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _without_prefix(self, request: Request) -> None:
        """Give tools, and calls of them, the names that the model knows."""
        for named in [*request.tools, *(call for message in request.messages for call in calls_of(message))]:
            named["function"]["name"] = named["function"]["name"].removeprefix(self.prefix)

    async def _reply(self, request: Request) -> Reply:
        """The model's answer, as the harness is told it: with calls that every client takes."""
        if not self.first:
            self.first = request
            self.check(request)
        fitting = [(thread, news) for thread in self.threads if (news := thread.news(request)) is not None]
        if fitting:
            thread, news = max(fitting, key=lambda pair: len(pair[0].messages))
            if not news and thread.last:
                return thread.last  # asked again: the answer was lost on the way
        else:
            thread, news = Thread(len(self.threads)), [self._said.get(_key(said)) or said for said in request.messages]
            self.threads.append(thread)
        if self.conversation.turns:  # the first thread's start is the cell's, and the harness's own
            said = [_marked(thread, message) for message in news if message["role"] != "assistant"]
            self.conversation.turns[-1].replies.extend(said)
        thread.messages += news
        if len(self.conversation.turns) >= self.most:
            raise ProviderError(f"{self.most} turns", "turn_limit")
        if self.world and self.world.ended:
            raise ProviderError("end_task was called", "ended")
        if thread.last and sum(filter(None, thread.last.call[:2])) > LIMITS["tokens"]:
            raise ProviderError(f"more than {LIMITS['tokens']} tokens", "token_limit")
        thread.asked = len(thread.messages)
        reply = await self.ask(thread.messages, request.tools)
        self.conversation.turns.append(Turn(_marked(thread, reply.message), reply.call, []))
        thread.messages.append(reply.message)
        valid = history.valid(thread.messages, "")[0][-1] | {"content": reply.message.get("content")}
        thread.ids = {told["id"]: parts(own)[0] for told, own in zip(calls_of(valid), calls_of(reply.message), strict=False)}
        self._said[_key(valid)] = reply.message
        for call in calls_of(valid):
            call["function"]["name"] = self.prefix + call["function"]["name"]
        thread.last = Reply(valid, reply.call)
        return thread.last


def _key(message: Message) -> str:
    """A message by its calls, which a harness writes out in its own way."""
    return codec.dumps([parts(call) for call in calls_of(message)]) if calls_of(message) else codec.dumps(message)


def _marked(thread: Thread, message: Message) -> Message:
    """A message, with its thread where that is not the conversation itself."""
    return message | {"thread": thread.number} if thread.number else message


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What cannot be read is refused."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"unreadable: {error!r}"[:200]) from None
