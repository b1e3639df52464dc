"""Where a harness thinks its provider is: asks the model for it. What passes through here is the transcript.

Nothing of the harness's own event stream is read. Requests are told apart into threads: the conversation itself, and others
(titles, compaction, sub-agents). A request that is not the harness's own (its program says who it is) gets no answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from ppres.conversation import Ask, Conversation, Message, ProviderError, Reply, Turn, calls_of
from ppres.harnesses.formats import Request, format_of, stream

_OVER = b'{"error": {"message": "the session is over", "code": 400, "status": "INVALID_ARGUMENT"}}'
MOST = 64 << 20  # bytes of a request


class Thread:
    """One conversation of a harness."""

    def __init__(self, briefing: list[Message], number: int):
        self.messages, self.number = list(briefing), number
        self.last: Reply | None = None
        self.asked = 0
        """Messages that its last request had."""

    def news(self, request: Request) -> list[Message] | None:
        """What came since this thread's last request; None where the request does not go on with it.

        The agent's own messages come back in the harness's form: only their places are compared.
        """
        mine, given = map(_told, (self.messages, request.messages))
        if given == mine[: self.asked]:
            return []
        if len(given) < len(mine) or given[: len(mine)] != mine:
            return None
        return request.messages[len(self.messages) :]


def _told(messages: list[Message]) -> list[Any]:
    return [(message["role"], None if message["role"] == "assistant" else message.get("content")) for message in messages]


class Gateway:
    """Answers the requests of one rollout, and keeps its transcript."""

    def __init__(self, ask: Ask, turns: int):
        self.ask, self.most = ask, turns
        self.conversation = Conversation()
        self.threads: list[Thread] = []
        self.first: Request | None = None
        """As it came: the harness's own prompt and tools."""
        self.strange: list[str] = []
        """Requests that the harness did not make."""
        self.agent = ""
        """Who makes its requests, as the first says."""
        self.failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        """Done, with the error, when no request can be answered any more."""
        self._turn = asyncio.Lock()

    async def serve(self, waiting: socket.socket) -> asyncio.Server:
        """Answer what comes in at a listening socket."""
        return await asyncio.start_server(self._connected, sock=waiting)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").split("\r\n")
                method, path, *_ = line.split(" ")
                headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
                body = await _body(reader, headers)
                status, kind, answer = await self._answer(method, path, headers, body)
                lines = f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {len(answer)}\r\n\r\n"
                writer.write(lines.encode() + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, ValueError):
            pass  # closed, or no HTTP: nobody to be told
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        known = format_of(path.partition("?")[0])
        if method != "POST" or not known:
            self.strange.append(f"{method} {path}"[:200])
            return 404, "application/json", b"{}"
        who = headers.get("user-agent", "").partition("/")[0]  # what follows may change: a version, a model's name
        self.agent = self.agent or who
        if who != self.agent:
            self.strange.append(f"{method} {path} by {who}"[:200])
            return 403, "application/json", b'{"error": {"message": "forbidden"}}'
        format, model = known
        try:
            request = format.read(json.loads(body), model)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, "application/json", json.dumps({"error": {"message": f"unreadable: {error!r}"[:200]}}).encode()
        try:
            async with self._turn:  # one after the other, so that a transcript is a line
                reply = await self._reply(request)
        except Exception as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            return 400, "application/json", _OVER
        return 200, "text/event-stream", stream(format, reply, request.model)

    async def _reply(self, request: Request) -> Reply:
        self.first = self.first or request
        fitting = [(thread, news) for thread in self.threads if (news := thread.news(request)) is not None]
        if fitting:
            thread, news = max(fitting, key=lambda one: len(one[0].messages))
            if not news and thread.last:
                return thread.last  # asked again: the answer was lost on the way
        else:
            thread, news = Thread([], len(self.threads)), request.messages
            self.threads.append(thread)
        news = _with_ids(thread, news)
        if self.conversation.turns:  # the first thread's start is the cell's, and the harness's own
            said = [_marked(thread, message) for message in news if message["role"] != "assistant"]
            self.conversation.turns[-1].replies.extend(said)
        thread.messages += news
        if len(self.conversation.turns) >= self.most:
            raise ProviderError(f"{self.most} turns", "turn_limit")
        thread.asked = len(thread.messages)
        reply = await self.ask(thread.messages, request.tools)
        self.conversation.turns.append(Turn(_marked(thread, reply.message), reply.call, []))
        thread.messages.append(reply.message)
        thread.last = reply
        return reply


def _with_ids(thread: Thread, news: list[Message]) -> list[Message]:
    """Replies to calls with the ids of their calls, in order, where the protocol has none."""
    open_ids = [call.get("id") for call in calls_of(thread.last.message)] if thread.last else []
    told = []
    for message in news:
        if message["role"] == "tool":
            own = open_ids.pop(0) if open_ids else None
            message = message | {"tool_call_id": message.get("tool_call_id") or own}  # noqa: PLW2901
        told.append(message)
    return told


def _marked(thread: Thread, message: Message) -> Message:
    """A message, with its thread where that is not the conversation itself."""
    return message | {"thread": thread.number} if thread.number else message


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        told = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            if len(told) + size > MOST:
                raise ValueError("too long")
            told += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return told
    size = int(headers.get("content-length") or 0)
    if size > MOST:
        raise ValueError("too long")
    return await reader.readexactly(size)
