"""The crawler beside its peers: pages a second, CPU time and peak memory on many hosts, everything kept in WARC files.

    python benchmarks/crawl.py --hosts 16 --pages 100 --latency-ms 0 50 --record

Needs the extra `corpus`; for the first peer `scrapy`: without it that row is left out. The hosts are played by a
server in a process of its own on loopback, which is the proxy of all crawlers and answers after `--latency-ms`. All of
them ask one host one thing at a time, many hosts at once, without a pause, and write request and response of every page
with warcio.

- gonerd: robots.txt, limits of size and time, a state that survives `kill -9` and a power cut, CDXJ, page records;
- scrapy: robots.txt, its limits, its state on disk (JOBDIR), which a kill may lose;
- plain: requests and warcio in a few lines, with nothing of this: about the least that Python can do.

Every crawl is a process of its own, and they take turns. With `--record` the figures go to
`benchmarks/results/crawl.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results") / "crawl.json"
PACKAGES = ("gonerd", "requests", "urllib3", "warcio", "scrapy")
PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1>" + b"<p>%s and more.</p>" * 500


def urls_of(hosts: int, pages: int) -> list[str]:
    return [f"http://h{host}.example/{page}" for page in range(pages) for host in range(hosts)]


# The hosts: a proxy that answers for all of them.


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    """Answer the requests of one connection: no robots.txt, and a page of some 30 KB for everything else."""
    try:
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            url = line.split()[1]
            await asyncio.sleep(latency)
            if url.endswith(b"/robots.txt"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
            else:
                body = PAGE.replace(b"%s", url)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body))
                writer.write(body)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def play(latency: float) -> None:
    server = await asyncio.start_server(lambda r, w: answer(r, w, latency), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def served(latency: float) -> Iterator[str]:
    command = [sys.executable, __file__, "serve", "--latency-ms", str(1000 * latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


# The crawlers.


def run_gonerd(urls: list[str], proxy: str, out: Path, connections: int) -> int:
    from gonerd.corpus.config import CrawlConfig
    from gonerd.corpus.crawl import crawl
    from gonerd.corpus.sources import Discovery, Source

    hosts = tuple(sorted({url.split("/")[2] for url in urls}))
    source = Source("hosts", "CC0-1.0", "", "en", hosts, Discovery("urls", tuple(urls)), crawl_delay=0.0)
    config = CrawlConfig(delay_s=0.0, proxy=proxy, max_pages=len(urls), connections=connections)
    return crawl(source, out / "crawl", config=config).written


def run_scrapy(urls: list[str], proxy: str, out: Path, connections: int) -> int:
    import scrapy
    from scrapy.crawler import CrawlerProcess

    archive = Archive(out / "crawl.warc.gz")

    class Pages(scrapy.Spider):
        name = "pages"

        async def start(self) -> Any:
            for url in urls:
                yield scrapy.Request(url, meta={"proxy": proxy})

        def parse(self, response: Any) -> None:
            sent = [(name.decode(), values[0].decode()) for name, values in response.request.headers.items()]
            head = [(name.decode(), values[0].decode()) for name, values in response.headers.items()]
            archive.write(response.url, sent, f"{response.status} OK", head, response.body)

    process = CrawlerProcess(
        {
            "CONCURRENT_REQUESTS": connections, "CONCURRENT_REQUESTS_PER_DOMAIN": 1, "DOWNLOAD_DELAY": 0,
            "ROBOTSTXT_OBEY": True, "JOBDIR": str(out / "job"), "LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False,
        }
    )  # fmt: skip
    process.crawl(Pages)
    process.start()
    archive.close()
    return archive.pages


def run_plain(urls: list[str], proxy: str, out: Path, connections: int) -> int:
    import requests

    archive = Archive(out / "crawl.warc.gz")
    by_host: dict[str, list[str]] = {}
    for url in urls:
        by_host.setdefault(url.split("/")[2], []).append(url)

    def fetch(of_host: list[str]) -> None:
        with requests.Session() as session:
            session.proxies = {"http": proxy}
            for url in of_host:
                reply = session.get(url, timeout=30)
                sent, head = list(reply.request.headers.items()), list(reply.headers.items())
                archive.write(url, sent, f"{reply.status_code} {reply.reason}", head, reply.content)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(fetch, by_host.values()))
    archive.close()
    return archive.pages


class Archive:
    """A WARC file that many threads may write to: what the peers keep their pages in."""

    def __init__(self, path: Path) -> None:
        from warcio.warcwriter import WARCWriter

        self._stream = path.open("wb")
        self._writer = WARCWriter(self._stream, gzip=True)
        self._lock = threading.Lock()
        self.pages = 0

    def write(
        self, url: str, sent: list[tuple[str, str]], status: str, head: list[tuple[str, str]], body: bytes
    ) -> None:
        from warcio.statusandheaders import StatusAndHeaders

        with self._lock:
            self.pages += 1
            http = StatusAndHeaders(status, head, protocol="HTTP/1.1")
            asked = StatusAndHeaders(f"GET {url} HTTP/1.1", sent, is_http_request=True)
            make, keep = self._writer.create_warc_record, self._writer.write_record
            keep(make(url, "response", payload=io.BytesIO(body), http_headers=http))
            keep(make(url, "request", payload=io.BytesIO(b""), http_headers=asked))

    def close(self) -> None:
        self._stream.close()


CRAWLERS = {"gonerd": run_gonerd, "scrapy": run_scrapy, "plain": run_plain}


def child(options: argparse.Namespace) -> None:
    """Run one crawl and print its figures."""
    urls = urls_of(options.hosts, options.pages)
    started = time.perf_counter()
    pages = CRAWLERS[options.which](urls, options.proxy, options.out, options.connections)
    seconds, cpu = time.perf_counter() - started, time.process_time()
    # Not the resource module's figure: that one is never below what the process that started this one had.
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))  # noqa: PTH123, SIM115
    assert pages == len(urls), f"{pages} of {len(urls)} pages"
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "peak_mib": peak / 1024}))


def measured(which: str, proxy: str, options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        command = [sys.executable, __file__, "child", "--which", which, "--proxy", proxy, "--out", folder]
        for name in ("hosts", "pages", "connections"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{which} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of all crawlers for each latency."""
    names = [name for name in CRAWLERS if name != "scrapy" or importlib.util.find_spec("scrapy")]
    count = options.hosts * options.pages
    found = {}
    for latency in options.latency_ms:
        with served(latency / 1000) as proxy:
            turns = [{name: measured(name, proxy, options) for name in names} for _ in range(options.turns)]
        found[f"{latency:g} ms"] = {
            name: {
                "pages_per_second": round(count / statistics.median(turn[name]["seconds"] for turn in turns), 1),
                "cpu_ms_per_page": round(1000 * statistics.median(turn[name]["cpu_s"] for turn in turns) / count, 2),
                "peak_mib": round(max(turn[name]["peak_mib"] for turn in turns)),
            }
            for name in names
        }
        print(json.dumps({latency: found[f"{latency:g} ms"]}), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="The crawler beside its peers.")
    parser.add_argument("part", nargs="?", default="compare", choices=["compare", "child", "serve"])
    parser.add_argument("--hosts", type=int, default=16)
    parser.add_argument("--pages", type=int, default=100, help="of each host")
    parser.add_argument("--connections", type=int, default=16, help="hosts asked at once")
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[0.0, 50.0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--which", choices=sorted(CRAWLERS), default="gonerd")
    parser.add_argument("--proxy")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if options.part == "serve":
        asyncio.run(play(options.latency_ms[0] / 1000))
    elif options.part == "child":
        child(options)
    else:
        figures = compare(options)
        if options.record:
            record(options, figures)


def record(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name)},
        "hosts": options.hosts,
        "pages_of_each": options.pages,
        "connections": options.connections,
        "turns": options.turns,
    }
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    known[f"{options.hosts} hosts"] = {**about, "by_latency": figures}
    RESULTS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
