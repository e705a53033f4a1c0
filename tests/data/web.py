"""A web server on this machine that breaks off, is busy, forgets ranges or lies about lengths as it is told."""

import http.server
import threading
from dataclasses import dataclass, field


@dataclass
class Page:
    """What the server answers under one path.

    Attributes:
        content: the whole file.
        status: of every answer, but for ranges (206, 416).
        length: announced in place of the true length.
        ranges: whether parts are given; otherwise always all of it.
        busy: how many requests are answered by 503 before the others.
        breaks: after how many bytes the connection ends, one number for each of the next requests.
        asked: the `Range` header of each request so far.
    """

    content: bytes
    status: int = 200
    length: int | None = None
    ranges: bool = True
    busy: int = 0
    breaks: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)


class Server:
    """Serves pages until it is closed."""

    def __init__(self) -> None:
        pages: dict[str, Page] = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(pages[self.path])

            def answer(self, page):
                wanted = self.headers.get("Range")
                page.asked.append(wanted)
                if page.busy:
                    page.busy -= 1
                    self.send_error(503)
                    return
                begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.ranges else 0
                if begin and begin >= len(page.content):
                    self.send_error(416)
                    return
                content = page.content[begin:]
                self.send_response(206 if begin else page.status)
                self.send_header("Content-Length", str(len(content) if page.length is None else page.length))
                self.end_headers()
                self.wfile.write(content[: page.breaks.pop(0) if page.breaks else None])

            def log_message(self, *arguments):
                return

        self.pages = pages
        self.service = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.service.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def publish(self, path: str, content: bytes, **how) -> str:
        """Put a page up; returns its address."""
        self.pages[path] = Page(content, **how)
        return f"http://127.0.0.1:{self.service.server_port}{path}"

    def asked(self, path: str) -> list[str | None]:
        """The `Range` of every request for a page."""
        return self.pages[path].asked

    def close(self) -> None:
        """Stop."""
        self.service.shutdown()
        self.thread.join()
        self.service.server_close()
