"""A loopback web that misbehaves: an HTTP proxy in front of hosts that do what no server should.

Each behaviour answers one URL and says what must become of it: a page (PAGE) or the reason it is dropped for.
"""

import contextlib
import gzip
import itertools
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from urllib.parse import urlsplit

from gonerd.records import Reason

PAGE = "page"
HOST = "chaos.example"
SITE = f"http://{HOST}"
SLOW, DEAD, MUTE = "http://slow.example", "http://dead.example", "http://mute.example"
HOSTS = (HOST, "slow.example", "dead.example", "mute.example", "169.254.169.254", "127.0.0.1", "localhost", "[::1]")
FILLER = 30
MAX_BYTES = 50_000

BEHAVIOURS = {}


def behaviour(path, outcome, site=SITE):
    """Register what answers a URL and what must become of it."""

    def register(function):
        BEHAVIOURS[site + path] = (function, outcome)
        return function

    return register


def html(text):
    return f"<!DOCTYPE html><html><body><h1>{text}</h1><p>{text} stands here.</p></body></html>".encode()


def head(status="200 OK", **headers):
    fields = {"Content-Type": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body, status="200 OK", **headers):
    return head(status, Content_Length=len(body), **headers) + body


def answer(path, outcome, data, site=SITE):
    """Register fixed bytes as the answer of a URL; afterwards the connection is closed."""
    behaviour(path, outcome, site)(lambda visit: visit.send(data))


def flood(visit, piece):
    """Send the same bytes until nobody takes them any more."""
    while not visit.over.is_set():
        visit.send(piece)


def drip(visit, pieces, pause=0.05):
    for piece in pieces:
        if visit.over.is_set():
            return
        visit.send(piece)
        time.sleep(pause)


def reset(visit):
    """Leave without a word: the other side gets a reset."""
    visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


# pages in spite of everything

answer("/plain", PAGE, whole(html("Plain")))
answer("/close", PAGE, head(Connection="close") + html("Until the end"))
answer("/chunked", PAGE, head(Transfer_Encoding="chunked") + chunk(html("In")) + chunk(b"<p>pieces") + b"0\r\n\r\n")
answer("/gzip", PAGE, whole(gzip.compress(html("Packed")), Content_Encoding="gzip"))
answer("/deflate", PAGE, whole(raw_deflate(html("Deflated")), Content_Encoding="deflate"))
answer("/no-type", PAGE, whole(html("No type"), Content_Type=None))
answer("/no-charset", PAGE, whole("<html><p>Café d'été</p>".encode("cp1252")))
answer("/wrong-charset", PAGE, whole(html("Grüße, été"), Content_Type="text/html; charset=us-ascii"))
answer("/nonsense-charset", PAGE, whole(html("Which?"), Content_Type="text/html; charset=klingon"))
answer("/short-length", PAGE, head(Content_Length=30) + html("Longer than it says"))
answer("/http-1.0", PAGE, b"HTTP/1.0 200 Fine\r\nContent-Type: text/html\r\n\r\n" + html("Old"))
answer("/continue", PAGE, b"HTTP/1.1 100 Continue\r\n\r\n" + whole(html("After a while")))
answer(
    "/folded",
    PAGE,
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: one\r\n two\r\nX: 3\r\n\r\n" + html("Folded"),
)
answer("/links", PAGE, whole(b"<html>" + b"".join(b'<a href="/l%d">x</a>' % n for n in range(2_000)) + b"<p>Links"))
answer("/moved", PAGE, whole(b"", "301 Moved", Location="/target", Content_Type=None))
answer("/moved-with-flood", PAGE, head("302 Found", Location="/target-2", Content_Length=9) + b"elsewhere")
answer("/null", PAGE, whole(html("Null \0 bytes \0")))
answer("/spaced-length", PAGE, whole(html("Spaced")).replace(b"Content-Length: ", b"Content-Length:    "))


@behaviour("/cookie", PAGE)
def _cookie(visit):
    """A page for those who bring no cookie; everybody gets one."""
    if b"cookie:" in visit.request.lower():
        visit.send(whole(b"no", "500 Spoilt"))
    else:
        visit.send(whole(html("Cookie"), Set_Cookie="id=1; Path=/"))


for _name, _status in (("/busy", "503 Busy"), ("/enough", "429 Enough"), ("/ill", "500 Ill")):

    @behaviour(_name, PAGE)
    def _at_the_second_attempt(visit, status=_status, name=_name):
        first = visit.count == 1
        visit.send(whole(b"not now", status, Retry_After=0) if first else whole(html(f"Second {name}")))


@behaviour("/reset-once", PAGE)
def _reset_once(visit):
    if visit.count == 1:
        reset(visit)
    else:
        visit.send(whole(html("After a reset")))


@behaviour("/patience", PAGE, SLOW)
def _patience(visit):
    body = html("Slow but sure")
    drip(visit, [head(Content_Length=len(body)), *(body[n : n + 20] for n in range(0, len(body), 20))], 0.02)


# dropped, each for its reason

answer("/missing", Reason.HTTP_STATUS, whole(b"no", "404 Not Found"))
answer("/gone", Reason.HTTP_STATUS, whole(b"no", "410 Gone"))
answer("/forbidden", Reason.HTTP_STATUS, whole(b"no", "403 Forbidden"))
answer("/storm", Reason.HTTP_STATUS, whole(b"no", "500 Broken"))
answer("/storm-502", Reason.HTTP_STATUS, whole(b"no", "502 Bad Gateway"))
answer("/closed", Reason.HTTP_STATUS, whole(b"no", "503 Closed", Retry_After="Wed, 01 Jan 2020 00:00:00 GMT"))
answer("/never", Reason.HTTP_STATUS, whole(b"no", "429 Enough", Retry_After="999999999999"))
answer("/teapot", Reason.HTTP_STATUS, whole(b"no", "418 Teapot"))
answer("/created", Reason.HTTP_STATUS, whole(html("Made"), "201 Created"))
answer("/nowhere", Reason.HTTP_STATUS, whole(b"", "302 Found"))
answer("/loop", Reason.FETCH_ERROR, whole(b"", "302 Found", Location="/loop-b"))
answer("/away", Reason.OFF_SITE, whole(b"", "302 Found", Location="http://elsewhere.example/"))
answer("/script", Reason.OFF_SITE, whole(b"", "302 Found", Location="javascript:alert(1)"))
answer("/file", Reason.OFF_SITE, whole(b"", "302 Found", Location="file:///etc/passwd"))
answer("/metadata", Reason.PRIVATE_ADDRESS, whole(b"", "302 Found", Location="http://169.254.169.254/latest/"))
answer("/inside", Reason.PRIVATE_ADDRESS, whole(b"", "307 Found", Location="http://127.0.0.1/"))
answer("/inside-name", Reason.PRIVATE_ADDRESS, whole(b"", "308 Found", Location="http://localhost/admin"))
answer("/inside-six", Reason.PRIVATE_ADDRESS, whole(b"", "302 Found", Location="http://[::1]/"))
answer("/to-private", Reason.ROBOTS, whole(b"", "302 Found", Location="/private/letter"))
answer("/private/letter", Reason.ROBOTS, whole(html("Private")))
answer("/pdf", Reason.MEDIA_TYPE, whole(b"%PDF-1.7", Content_Type="application/pdf"))
answer("/pdf-as-html", Reason.MEDIA_TYPE, whole(b"%PDF-1.7 and more"))
answer("/png-as-html", Reason.MEDIA_TYPE, whole(b"\x89PNG\r\n\x1a\n"))
answer("/zip-as-html", Reason.MEDIA_TYPE, whole(b"PK\x03\x04"))
answer("/json", Reason.MEDIA_TYPE, whole(b"{}", Content_Type="application/json"))
answer("/large", Reason.TOO_LARGE, whole(html("x" * MAX_BYTES)))
answer("/says-large", Reason.TOO_LARGE, head(Content_Length=10**15) + html("x" * 2 * MAX_BYTES))
answer("/bomb", Reason.TOO_LARGE, whole(gzip.compress(bytes(5_000_000)), Content_Encoding="gzip"))
answer("/twice-packed", Reason.FETCH_ERROR, whole(gzip.compress(b"x"), Content_Encoding="gzip, gzip"))
answer("/brotli", Reason.FETCH_ERROR, whole(b"\x0b\x02\x80", Content_Encoding="br"))
answer("/no-gzip", Reason.FETCH_ERROR, whole(html("Plain"), Content_Encoding="gzip"))
answer("/half-gzip", Reason.FETCH_ERROR, whole(gzip.compress(html("x" * 999))[:-12], Content_Encoding="gzip"))
answer("/long-length", Reason.FETCH_ERROR, head(Content_Length=9_999, Connection="close") + html("Half"))
answer("/half-chunk", Reason.FETCH_ERROR, head(Transfer_Encoding="chunked") + b"fff\r\nhalf of it")
answer("/bad-chunk", Reason.FETCH_ERROR, head(Transfer_Encoding="chunked") + b"zzz\r\nwhat?\r\n0\r\n\r\n")
answer("/nothing", Reason.FETCH_ERROR, b"")
answer("/garbage", Reason.FETCH_ERROR, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
answer("/bad-status", Reason.FETCH_ERROR, b"HTTP/1.1 two hundred OK\r\n\r\n")
answer("/empty", Reason.EMPTY, whole(b""))
answer("/half-head", Reason.EMPTY, b"HTTP/1.1 200 OK\r\nContent-Le")
answer("/twin", PAGE, whole(html("Twin")))
answer("/twin?again=1", Reason.DUPLICATE_BODY, whole(html("Twin")))
answer("/twin?again=2", Reason.DUPLICATE_BODY, whole(html("Twin")))
answer("/target", Reason.DUPLICATE_URL, whole(html("Target")))
answer("/named", PAGE, whole(b'<html><link rel="canonical" href="/named">' + html("Named")))
answer("/named?page=all", Reason.DUPLICATE_URL, whole(b"<html><link href='/named' rel=canonical>" + html("Named, all")))


@behaviour("/chain", Reason.FETCH_ERROR)
@behaviour("/endless", Reason.TOO_LARGE)
def _endless(visit):
    if "/chain" in visit.url:
        visit.send(whole(b"", "302 Found", Location=f"/chain?{visit.count}"))
    else:
        visit.send(head())
        flood(visit, html("Endless"))


@behaviour("/endless-chunks", Reason.TOO_LARGE)
def _endless_chunks(visit):
    visit.send(head(Transfer_Encoding="chunked"))
    flood(visit, chunk(b"<p>more"))


@behaviour("/film", Reason.MEDIA_TYPE)
def _film(visit):
    visit.send(head(Content_Type="video/mp4"))
    flood(visit, bytes(9999))


@behaviour("/endless-404", Reason.HTTP_STATUS)
def _endless_404(visit):
    visit.send(head("404 Not Found"))
    flood(visit, html("Not found"))


@behaviour("/endless-head", Reason.FETCH_ERROR)
def _endless_head(visit):
    visit.send(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        if visit.over.is_set():
            return
        visit.send(f"X-{number}: {'x' * 99}\r\n".encode())


@behaviour("/endless-line", Reason.FETCH_ERROR)
def _endless_line(visit):
    visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    flood(visit, b"x" * 9999)


@behaviour("/endless-chunk-size", Reason.FETCH_ERROR)
def _endless_chunk_size(visit):
    visit.send(head(Transfer_Encoding="chunked"))
    flood(visit, b"0" * 9999)


@behaviour("/reset", Reason.FETCH_ERROR)
def _reset(visit):
    reset(visit)


@behaviour("/reset-in-body", Reason.FETCH_ERROR)
def _reset_in_body(visit):
    visit.send(head(Content_Length=9999) + html("Half"))
    reset(visit)


@behaviour("/drip", Reason.FETCH_ERROR, SLOW)
def _drip(visit):
    visit.send(head(Content_Length=MAX_BYTES - 1))
    drip(visit, itertools.repeat(b"x"))


@behaviour("/drip-without-length", Reason.FETCH_ERROR, SLOW)
def _drip_without_length(visit):
    visit.send(head())
    drip(visit, itertools.repeat(b"x"))


@behaviour("/drip-head", Reason.FETCH_ERROR, SLOW)
def _drip_head(visit):
    drip(visit, itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x")))


@behaviour("/silence", Reason.FETCH_ERROR, SLOW)
def _silence(visit):
    visit.over.wait(20)


answer("/a", Reason.FETCH_ERROR, whole(html("Behind a silent robots.txt")), MUTE)
answer("/b", Reason.FETCH_ERROR, whole(html("Behind it too")), MUTE)
for _number in range(12):
    behaviour(f"/{_number}", Reason.FETCH_ERROR, DEAD)(reset)
for _number in range(FILLER):
    answer(f"/filler/{_number}", PAGE, whole(html(f"Filler {_number}")))

# what must become of URLs that no behaviour answers, for they are never asked for
UNASKED = {
    f"https://{HOST}/tls": Reason.FETCH_ERROR,
    "http://10.0.0.1/": Reason.OFF_SITE,
    "http://169.254.169.254/latest/meta-data/": Reason.PRIVATE_ADDRESS,
    "http://127.0.0.1/admin": Reason.PRIVATE_ADDRESS,
    "ftp://chaos.example/x": None,  # no URL of the web: a fault of the listing
    f"{SITE}/plain#part": None,  # another spelling of one above
    f"{SITE}:80/./x/../plain?utm_source=feed": None,
}
# listings that are dropped
LISTINGS = {
    f"{SITE}/lost.xml": Reason.HTTP_STATUS,
    f"{SITE}/bomb.xml": Reason.FETCH_ERROR,
    f"{SITE}/broken.xml": Reason.FETCH_ERROR,
    f"{SITE}/flood.xml": Reason.FETCH_ERROR,
}
SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def listing(urls, tag):
    root = "urlset" if tag == "url" else "sitemapindex"
    entries = "".join(f"<{tag}><loc>{url.replace('&', '&amp;')}</loc></{tag}>" for url in urls)
    return whole(f"<{root} {SPACE}>{entries}</{root}>".encode(), Content_Type="text/xml")


def expected():
    """Return what must become of every URL: PAGE or a reason."""
    outcomes = {url: outcome for url, (_, outcome) in BEHAVIOURS.items()}
    outcomes |= {url: outcome for url, outcome in UNASKED.items() if outcome}
    return outcomes


class Visit:
    """One request that is being answered."""

    def __init__(self, connection, request, url, count, over):
        self.connection, self.request, self.url, self.count, self.over = connection, request, url, count, over

    def send(self, data):
        self.connection.sendall(data)


class ChaosServer:
    """Serves the behaviours as an HTTP proxy; `on_request` is called with each URL."""

    def __init__(self, on_request=lambda _: None):
        self.on_request, self.counts, self.over = on_request, Counter(), threading.Event()
        self.agents, self.lock = set(), threading.Lock()

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.socket.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _accept(self):
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(20)
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65_536)
                if not part:
                    return
                request += part
            method, target, _ = request.decode("latin-1").split(" ", 2)
            url = f"https://{target}" if method == "CONNECT" else target
            self.on_request(url)
            with self.lock:
                self.counts[url] += 1
                count = self.counts[url]
            self._answer(Visit(connection, request, url, count, self.over))
            connection.shutdown(socket.SHUT_WR)

    def _answer(self, visit):
        url, parts = visit.url, urlsplit(visit.url)
        if url.startswith("https://"):
            visit.send(b"HTTP/1.1 200 Connected\r\n\r\n" + b"but this is no TLS" * 9)
        elif parts.netloc == "dead.example":
            reset(visit)
        elif parts.netloc == "mute.example" and parts.path == "/robots.txt":
            visit.send(whole(b"", "503 Busy"))
        elif parts.path == "/robots.txt":
            visit.send(whole(b"User-agent: *\nDisallow: /private/\n", Content_Type="text/plain"))
        elif url == f"{SITE}/sitemap.xml":
            visit.send(listing([*LISTINGS, f"{SITE}/pages.xml", f"{SITE}/sitemap.xml"], "sitemap"))
        elif url == f"{SITE}/pages.xml":
            visit.send(listing([*BEHAVIOURS, *UNASKED], "url"))
        elif url in EXTRA:
            visit.send(EXTRA[url])
        elif parts.path == "/chain":
            _endless(visit)
        else:
            BEHAVIOURS.get(url, (lambda v: v.send(whole(b"no", "404 Not Found")), None))[0](visit)


_ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
EXTRA = {
    f"{SITE}/loop-b": whole(b"", "302 Found", Location="/loop"),
    f"{SITE}/target-2": whole(html("The second target")),
    f"{SITE}/bomb.xml": whole(_ENTITY, Content_Type="text/xml"),
    f"{SITE}/broken.xml": whole(b"<urlset><url><loc>", Content_Type="text/xml"),
    f"{SITE}/flood.xml": whole(gzip.compress(b"<urlset>" + b"a" * 60_000_000), Content_Type="application/gzip"),
}
