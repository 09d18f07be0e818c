"""A real browser without a window, driven over the WebDriver protocol by the standard library."""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = "needs a browser: Debian's packages chromium and chromium-driver, or Chrome's"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key of a reference to an element. Source: W3C, "WebDriver" (2018), section 12."""
_KEYS = {"Down": "\ue015", "Up": "\ue013", "Left": "\ue012", "Right": "\ue014", "Enter": "\ue007",
         "Tab": "\ue004", "End": "\ue010", "Home": "\ue011"}  # fmt: skip
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


class Page:
    """The page that a browser shows."""

    def __init__(self, session: str) -> None:
        self._session = session

    def ask(self, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one command of the protocol and return its value."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._session}/{what}", data=data)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError):
            request = urllib.request.Request(self._session, method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()

    def open(self, path: Path) -> None:
        """Go to a file and wait until it is loaded."""
        self.ask("url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        """Return what a script says that runs beside the page's own."""
        return self.ask("execute/sync", {"script": script, "args": []})

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the elements that can be seen."""
        return list(
            self.run(
                f"return [...document.querySelectorAll({json.dumps(selector)})]"
                ".filter((each) => each.checkVisibility()).map((each) => each.innerText)"
            )
        )

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        strokes = [
            {"type": kind, "value": _KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        self.ask("actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def click(self, selector: str) -> None:
        """Click on the first element, as a person does."""
        found = self.ask("element", {"using": "css selector", "value": selector})
        self.ask(f"element/{found[_ELEMENT]}/click", {})

    def chrome(self, command: str, **parameters: Any) -> Any:
        """Give a command that Chrome alone has."""
        return self.ask("goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self) -> list[str]:
        """Return what the browser's console was told since it was last asked."""
        return [each["message"] for each in self.ask("se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        """Keep what is seen."""
        path.write_bytes(base64.b64decode(self.ask("screenshot")))


@contextlib.contextmanager
def opened(folder: Path, *, width: int, has_scripts: bool = True) -> Generator[Page]:
    """Start a browser with a profile of its own in ``folder``; end it afterwards."""
    assert BROWSER
    assert DRIVER
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [DRIVER, f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address)
        page = Page(f"{address}/session/{_begin(address, folder, has_scripts)}")
        try:
            metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            page.chrome("Emulation.setDeviceMetricsOverride", **metrics)
            yield page
        finally:
            page.close()
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/status", timeout=5).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"no driver of a browser answers at {address}")


def _begin(address: str, folder: Path, has_scripts: bool) -> str:
    scripts = {"profile.managed_default_content_settings.javascript": 1 if has_scripts else 2}
    options = {
        "binary": BROWSER,
        "args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"],
        "prefs": scripts,
    }
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    body = json.dumps({"capabilities": {"alwaysMatch": wanted}}).encode()
    request = urllib.request.Request(f"{address}/session", data=body)
    with urllib.request.urlopen(request, timeout=90) as reply:
        return str(json.load(reply)["value"]["sessionId"])
