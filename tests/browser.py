"""A headless Chromium driven through its own debugging pipe: what the tests of the page share.

Commands and events are JSON between null bytes on two inherited file descriptors (3 to the browser,
4 from it), so no port is opened and no driver is needed. Source: the Chrome DevTools Protocol.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Any

from PIL import Image

__all__ = ["CHROMIUM", "Browser", "Tab"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {
    "Tab": 9, "Enter": 13, "Escape": 27, "Space": 32, "ArrowLeft": 37, "ArrowUp": 38,
    "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35,
}  # fmt: skip
TEXTS = {"Enter": "\r", "Space": " "}


class Browser:
    """One browser with a profile of its own; `tab` opens a page in it."""

    def __init__(self, folder: Path, *, seconds: float = 90.0) -> None:
        assert CHROMIUM is not None
        self.seconds = seconds
        to_read, self.write_end = os.pipe()
        self.read_end, from_write = os.pipe()

        def place() -> None:
            # away from 3 and 4 first, where either may already lie
            low, high = os.dup(to_read), os.dup(from_write)
            spare_low, spare_high = os.dup(low), os.dup(high)
            os.dup2(spare_low, 3)
            os.dup2(spare_high, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder}"],
            preexec_fn=place, close_fds=False, env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(from_write)
        self.left = b""
        self.count = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        with suppress(OSError, AssertionError):
            self.call("Browser.close")
        for end in (self.write_end, self.read_end):
            os.close(end)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what else arrives is kept in `events`."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self.seconds
        while True:
            answer = self.receive(end)
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer["error"])
                found: dict[str, Any] = answer.get("result", {})
                return found
            self.events.append(answer)

    def receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.left:
            ready, _, _ = select([self.read_end], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self.read_end, 1 << 20)
            assert more, "the browser has gone"
            self.left += more
        head, _, self.left = self.left.partition(b"\0")
        read: dict[str, Any] = json.loads(head)
        return read

    def tab(self, address: str, **media: Any) -> "Tab":
        return Tab(self, address, **media)


class Tab:
    """A page at a size, in a colour scheme; `complaints` are what its console and log said."""

    def __init__(
        self, browser: Browser, address: str, *, width: int = 1200, height: int = 900,
        scheme: str = "light", media: str = "screen", scripts: bool = True,
    ) -> None:  # fmt: skip
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.size(width, height)
        self.media(scheme=scheme, media=media)
        self.call("Page.navigate", url=address)
        self.until("Page.loadEventFired")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def media(self, *, scheme: str = "light", media: str = "screen") -> None:
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def until(self, event: str) -> None:
        end = time.monotonic() + self.browser.seconds
        while not any(
            one.get("method") == event and one.get("sessionId") == self.session
            for one in self.browser.events
        ):
            self.browser.events.append(self.browser.receive(end))

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript, as plain data."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 10.0) -> Any:
        """The value of an expression as soon as it is true, or what it is when the time is up."""
        end = time.monotonic() + seconds
        while not (value := self.ask(expression)) and time.monotonic() < end:
            time.sleep(0.05)
        return value

    def style(self, rule: str) -> None:
        """Add a rule behind the page's own."""
        self.ask(
            "void document.head.appendChild(Object.assign(document.createElement('style'), "
            f"{{ textContent: {rule!r} }}))"
        )

    def press(self, key: str) -> None:
        """A key as a person presses it."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": TEXTS[key]} if kind == "keyDown" and key in TEXTS else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=" " if key == "Space" else key, code=key,
                windowsVirtualKeyCode=KEYS[key], **text,
            )  # fmt: skip

    def move(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        left, top, width, height = self.box(selector)
        self.drag((left + width / 2, top + height / 2), None)

    def drag(self, start: tuple[float, float], end: tuple[float, float] | None) -> None:
        """Press the mouse at one place and let it go at another, or at the same."""
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        where = [("mousePressed", start)]
        if end is not None:
            middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
            where += [("mouseMoved", middle), ("mouseMoved", end)]
        for kind, (x, y) in [*where, ("mouseReleased", end or start)]:
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element in the window, which is scrolled to it."""
        found = self.ask(
            f"(e => {{ e.scrollIntoView({{block: 'nearest'}}); const r = e.getBoundingClientRect();"
            f" return [r.left, r.top, r.width, r.height]; }})(document.querySelector({selector!r}))"
        )
        return found[0], found[1], found[2], found[3]

    def part(self, selector: str) -> Image.Image:
        """An element as a picture, wherever it is on the page."""
        left, top, width, height = self.box(selector)
        scrolled = self.ask("[scrollX, scrollY]")
        clip = {"x": left + scrolled[0], "y": top + scrolled[1], "width": width, "height": height}
        taken = self.call(
            "Page.captureScreenshot", captureBeyondViewport=True, clip={**clip, "scale": 1}
        )
        return Image.open(io.BytesIO(base64.b64decode(taken["data"])))

    def picture(self, *, whole: bool = True) -> bytes:
        """The page as PNG: all of it, or what shows in the window."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    @property
    def complaints(self) -> list[str]:
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [
            json.dumps(one["params"])
            for one in self.browser.events
            if one.get("method") in kinds and one.get("sessionId") == self.session
        ]

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)
