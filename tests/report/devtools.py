"""A headless Chromium spoken to over its DevTools protocol: pages, keys, and what they request and complain about."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "no Chromium was found, and the report is to be looked at by a real browser: install one "
    "(`apt-get install chromium`), or set CHROMIUM to where it lies"
)
KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36}
PATIENCE = 30  # seconds


def chromium() -> str:
    """The browser's path.

    Raises:
        FileNotFoundError: there is none; says what to install.
    """
    found = next(filter(None, map(shutil.which, filter(None, (os.environ.get("CHROMIUM"), *NAMES)))), None)
    if found is None:
        raise FileNotFoundError(MISSING)
    return found


class Tab:
    """One page of a browser that has no network.

    Attributes:
        requested: Addresses that the open page asked for.
        complaints: Errors of its console and requests that failed.
    """

    def __init__(self, address: str) -> None:
        """Speak to the browser at this address."""
        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._sent = 0
        self._session: str | None = None
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            case "Network.loadingFailed":
                self.complaints.append(f"failed: {told['errorText']}")
            case "Runtime.exceptionThrown":
                self.complaints.append(f"exception: {told['exceptionDetails'].get('text')}")
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning"):
                self.complaints.append(f"console: {told['args']}")
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(f"log: {told['entry']['text']}")

    def open(self, page: Path, anchor: str = "") -> None:
        """Load a file and wait until it, its pictures and its fonts are there."""
        if anchor:  # else a page that is open already would only be scrolled
            self.send("Page.navigate", url="about:blank")
            self.value("document.readyState")
        self.requested, self.complaints, self._loaded = [], [], False
        self.send("Page.navigate", url=page.resolve().as_uri() + anchor)
        while not self._loaded:
            self._note(json.loads(self._socket.recv()))
        self.value(
            "Promise.all([document.fonts.ready, ...Array.from(document.images, image => {"
            " image.loading = 'eager'; return image.decode().catch(() => null); })]).then(() => true)"
        )

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wide(self, width: int, height: int = 900) -> None:
        """Make the window this large, a phone's below 700 pixels."""
        phone = width < 700
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def press(self, key: str) -> None:
        """Press a key: one of `KEYS`, or a letter."""
        code = KEYS.get(key) or ord(key.upper())
        told: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **told, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def picture(self, place: Path) -> None:
        """A screenshot of what is in the window."""
        place.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own, which finds no host by any name."""
    flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", "--disable-extensions"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND", "--remote-allow-origins=*", f"--user-data-dir={profile}"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start as root otherwise
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([chromium(), *flags, "about:blank"], stdout=quiet, stderr=quiet)
    try:
        yield Tab(_address(profile / "DevToolsActivePort", process))
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(file: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where the browser listens, which it writes to a file when it is ready."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends and process.poll() is None:
        lines = file.read_text(encoding="utf-8").split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not start")
