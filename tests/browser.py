"""A real Chromium without a window, driven by its own protocol on loopback: pages are opened, keys pressed, requests counted."""

import contextlib
import json
import shutil
import subprocess
import time

import pytest
import websocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
_QUIET = ["--no-first-run", "--disable-background-networking", "--disable-gpu", "--no-sandbox", "--hide-scrollbars"]


class Page:
    """An open page. `ask` evaluates JavaScript and gives its value, also of a promise."""

    def __init__(self, socket):
        self._socket, self._last = socket, 0
        self.requests, self.errors = [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")

    def _send(self, method, **parameters):
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == self._last:
                assert "error" not in told, told
                return told["result"]
            if told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.errors.append(told["params"]["exceptionDetails"])

    def open(self, path, fragment="", ready="document.body.dataset.ready === 'true'", width=1200):
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self._send("Page.navigate", url="about:blank")  # else another fragment opens nothing anew
        self._send("Page.navigate", url=path.as_uri() + fragment)
        self.until(f"document.readyState === 'complete' && location.protocol === 'file:' && ({ready})")

    def until(self, question):
        for _ in range(1200):
            with contextlib.suppress(AssertionError):  # between two pages
                if self.ask(question):
                    return
            time.sleep(0.05)
        raise AssertionError(f"never: {question}; {self.errors}")

    def ask(self, question):
        told = self._send("Runtime.evaluate", expression=question, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, *keys):
        """Keys by their names, "Enter", or what they write, "y"."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
            about = {"key": key, "text": text, "windowsVirtualKeyCode": code}
            self._send("Input.dispatchKeyEvent", type="keyDown", **about)
            self._send("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text):
        self._send("Input.insertText", text=text)

    def keep_downloads(self, folder):
        self._send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))


def _connected(address):
    return contextlib.closing(websocket.create_connection(address, timeout=60, suppress_origin=True))


@contextlib.contextmanager
def browser(profile):
    """A page of a Chromium with a profile of its own; one with the same profile goes on where the last left off."""
    profile.mkdir(exist_ok=True)
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)
    command = [CHROMIUM, "--headless=new", *_QUIET, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (told.exists() and told.read_text().count("\n")):
            assert process.poll() is None, "Chromium did not start"
            time.sleep(0.05)
        port, path = told.read_text().split()[:2]
        with _connected(f"ws://127.0.0.1:{port}{path}") as main:
            main.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
            (target, *_) = [one for one in json.loads(main.recv())["result"]["targetInfos"] if one["type"] == "page"]
            with _connected(f"ws://127.0.0.1:{port}/devtools/page/{target['targetId']}") as socket:
                yield Page(socket)
            main.send(json.dumps({"id": 2, "method": "Browser.close"}))
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)
