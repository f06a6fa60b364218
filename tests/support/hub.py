"""A stand-in for the Hugging Face Hub on loopback: the calls that the real client makes to download a model."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    def __init__(self, models: dict[str, Path], *args: object) -> None:
        self.models = models
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        for name, folder in self.models.items():
            files = {file.name: file for file in folder.iterdir() if file.is_file()}
            if path.startswith(f"api/models/{name}"):
                listed = [{"rfilename": file} for file in sorted(files)]
                about = {
                    "id": name,
                    "modelId": name,
                    "sha": COMMIT,
                    "siblings": listed,
                    "private": False,
                    "tags": [],
                }
                if "/tree/" in path:
                    about = [  # type: ignore[assignment]
                        {"type": "file", "path": file, "size": at.stat().st_size, "oid": "0" * 40}
                        for file, at in sorted(files.items())
                    ]
                return self._send(json.dumps(about).encode(), body, "application/json")
            if path.startswith(f"{name}/resolve/"):
                file = path.removeprefix(f"{name}/resolve/").split("/", 1)[1]
                if file in files:
                    return self._send(files[file].read_bytes(), body, "application/octet-stream")
                return self._send(b"Entry not found", body, "text/plain", 404, "EntryNotFound")
        return self._send(b"Repository not found", body, "text/plain", 404, "RepoNotFound")

    def _send(self, content: bytes, body: bool, kind: str, status: int = 200, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hub(models: dict[str, Path]) -> Iterator[str]:
    """Serve folders as models by id; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, models))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
