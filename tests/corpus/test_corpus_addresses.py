"""No request goes to an address that is not public: as it stands, by its name, or by a name that changes its mind."""

import socket
from dataclasses import replace

import pytest

from gonerd import store
from gonerd.corpus import addresses
from gonerd.corpus.addresses import PrivateAddressError, check_url, is_public, resolve
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.failures import Refused
from gonerd.corpus.fetch import Fetcher, Trail, Wish
from gonerd.corpus.manners import Manners
from gonerd.corpus.sources import Discovery, Source
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page, Reason
from gonerd.sample.server import Resource, serve

PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:db8::1",
]
SPELLINGS = [
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://0x7f.1:80/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://x.local/",
    "http://printer.internal/",
    "http://user@127.0.0.1/",
    "http://169.254.169.254/latest/",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.0.81", "172.32.0.1", "2a00:1450::1", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize("url", SPELLINGS)
def test_every_spelling_of_a_private_host_is_seen_without_looking_it_up(url, monkeypatch):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(PrivateAddressError):
        check_url(url)


def test_a_public_host_passes():
    for url in ("https://www.example.org/", "http://8.8.8.8/", "http://[2a00:1450::1]/", "http://locality.example/"):
        check_url(url)


def names(**hosts):
    """Return a resolver: names to lists of addresses; a list of lists gives one after another."""

    def getaddrinfo(host, port, *_, **__):
        found = hosts.get(host.replace(".", "_"), [host])
        found = found.pop(0) if found and isinstance(found[0], list) else found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return getaddrinfo


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", names(mixed_example=["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(PrivateAddressError, match=r"mixed\.example is 10\.0\.0\.1"):
        resolve("mixed.example", 80)


def fetcher(*hosts, **config):
    settings = CrawlConfig(delay_s=0.0, timeout_s=2.0, retries=0, **config)
    return Fetcher(hosts, settings, Manners(delay=0.0))


def get(url, tool):
    return tool.get(Wish(url, 10_000), Trail(), lambda *_: None)


@pytest.fixture
def connections(monkeypatch):
    """All addresses that anything tries to connect to."""
    met, real = [], socket.socket.connect

    def connect(self, address):
        met.append(address[0])
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return met


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_means_a_private_address_is_never_connected_to(monkeypatch, connections, scheme):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", names(inner_example=["127.0.0.1"]))
    with pytest.raises(Refused) as caught:
        get(f"{scheme}://inner.example/", fetcher("inner.example"))
    assert caught.value.reason is Reason.PRIVATE_ADDRESS
    assert connections == []


def test_a_name_is_resolved_once_and_that_address_is_connected_to(monkeypatch):
    """A name that is public when it is checked and private a moment later leads to the checked address alone."""
    tried, answers = [], [["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]]

    def connect(_, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", names(rebind_example=answers))
    with pytest.raises(Refused):
        get("http://rebind.example/", fetcher("rebind.example"))
    assert tried == ["8.8.8.8"]
    assert len(answers) == 2


def test_robots_listings_articles_and_redirects_are_all_checked(tmp_path, monkeypatch, connections):
    """Everything is asked for through the same door: the one host that is reached sends the crawler inside."""
    inside = "inside.example"
    outside = "outside.example"
    listing = (
        f"<urlset><url><loc>http://{inside}/a</loc></url><url><loc>http://{outside}/moved</loc></url>"
        f"<url><loc>http://{outside}/page</loc></url><url><loc>http://127.0.0.1/b</loc></url></urlset>"
    )
    site = {
        f"http://{outside}/sitemap.xml": Resource(listing.encode(), "text/xml"),
        f"http://{outside}/moved": Resource(status=302, headers=(("Location", f"http://{inside}/c"),)),
        f"http://{outside}/page": Resource(b"<p>Page</p>"),
    }
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.2")
    with serve(site) as address:
        port = int(address.rpartition(":")[2])
        found = {outside: "127.0.0.2", inside: "127.0.0.3", "127.0.0.1": "127.0.0.1"}
        monkeypatch.setattr(
            addresses.socket,
            "getaddrinfo",
            lambda host, *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found[host], port))],
        )
        real = socket.socket.connect  # 127.0.0.2 plays a public address: it leads to the server
        monkeypatch.setattr(
            socket.socket,
            "connect",
            lambda self, place: real(self, ("127.0.0.1" if place[0] == "127.0.0.2" else place[0], port)),
        )
        start = (f"http://{outside}/sitemap.xml", f"http://{inside}/sitemap.xml")
        source = Source(
            "s", "CC0-1.0", "https://e.org/", "en", tuple(found), Discovery("sitemap", start), crawl_delay=0.0
        )
        config = CrawlConfig(delay_s=0.0, timeout_s=2.0, retries=0)
        crawl(source, tmp_path / "out", config=config)
    assert set(connections) == {"127.0.0.1"}
    assert [page.url for page in store.read_records(tmp_path / "out", Page)] == [f"http://{outside}/page"]
    reasons = {record.id: record.reason for record in jsonl.read(tmp_path / "out" / store.DROPPED, Dropped)}
    inside_ones = (
        f"http://{inside}/sitemap.xml",
        f"http://{inside}/a",
        f"http://{outside}/moved",
        "http://127.0.0.1/b",
    )
    assert reasons == dict.fromkeys(inside_ones, Reason.PRIVATE_ADDRESS)


def test_a_site_of_ones_own_network_needs_the_flag(tmp_path):
    pages = {}
    with serve(pages.get) as address:
        start = f"{address}/sitemap.xml"
        pages[start] = Resource(f"<urlset><url><loc>{address}/a</loc></url></urlset>".encode(), "text/xml")
        pages[f"{address}/a"] = Resource(b"<p>Mine</p>")
        hosts = (address.removeprefix("http://"),)
        source = Source("s", "CC0-1.0", "https://e.org/", "en", hosts, Discovery("sitemap", (start,)), crawl_delay=0.0)
        config = CrawlConfig(delay_s=0.0, timeout_s=2.0, retries=0, allow_private=True)
        assert crawl(source, tmp_path / "out", config=config).written == 1
        refused = crawl(source, tmp_path / "no", config=replace(config, allow_private=False))
        assert (refused.written, refused.dropped) == (0, {"private_address": 1})
