"""A small web server for tests: every path is a function that answers."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Site:
    """Serves `routes` (path to function of the handler) on a free port of 127.0.0.1."""

    def __init__(self, routes):
        self.routes = routes
        self.asked = []
        self.closing = Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            closing = site.closing

            def do_GET(self):
                site.asked.append((self.path, dict(self.headers)))
                site.routes[self.path](self)

            def log_message(self, *args):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *args: None
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path):
        """Return the address of a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def statuses(self, path):
        """Return how often a path was asked for."""
        return len([1 for asked, _ in self.asked if asked == path])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def answer(status, body=b"", **headers):
    """Answer with a status, a body and headers (underscores for hyphens)."""

    def act(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def document(body, etag='"v1"', content_type="application/rss+xml"):
    """Answer with a document, or 304 to whoever has this ETag."""

    def act(handler):
        if handler.headers.get("If-None-Match") == etag:
            handler.send_response(304)
            handler.end_headers()
        else:
            answer(200, body, ETag=etag, Content_Type=content_type)(handler)

    return act


def hang(handler):
    """Answer nothing until the site closes."""
    handler.closing.wait(30)
    handler.close_connection = True


def drip(handler):
    """Send a header, then a byte ten times a second, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.closing.wait(0.1):
        handler.wfile.write(b"<")
        handler.wfile.flush()


def drip_head(handler):
    """Drip the status line and headers themselves."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not handler.closing.wait(0.1):
        handler.wfile.write(b"x")
        handler.wfile.flush()
