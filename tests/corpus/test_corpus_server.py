import http.client
import socket
from pathlib import Path

import pytest

from gonerd.sample.server import Resource, folder_site, serve


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    (site / "news").mkdir(parents=True)
    (site / "index.html").write_bytes("<p>caf\u00e9</p>".encode("cp1252"))
    (site / "news" / "index.html").write_text("<p>news {base}</p>")
    (site / "robots.txt").write_text("Sitemap: {base}/sitemap.xml\n")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "site-too").mkdir()
    (tmp_path / "site-too" / "x.html").write_text("secret")
    (site / "link.html").symlink_to(tmp_path / "secret.txt")
    return site


def ask(address, target, *, host=None, method="GET"):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
    connection.putrequest(method, target, skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read()


def test_both_forms_of_a_request(folder):
    with serve(folder_site(folder, "town.example"), host="town.example") as address:
        for answer in (
            ask(address, "http://town.example/"),
            ask(address, "/", host="town.example"),
            ask(address, "/"),
            ask(address, "/index.html?x=1"),
        ):
            assert answer == (200, "text/html", b"<p>caf\xe9</p>")
        assert ask(address, "/", host="other.example")[0] == 404
        assert ask(address, "http://other.example/")[0] == 404
        assert ask(address, "/", method="HEAD")[2] == b""


def test_base_is_the_site_and_only_in_robots_and_sitemaps(folder):
    with serve(folder_site(folder, "town.example"), host="town.example") as address:
        assert ask(address, "/robots.txt")[2] == b"Sitemap: http://town.example/sitemap.xml\n"
        assert ask(address, "/news/")[2] == b"<p>news {base}</p>"


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/news/../../secret.txt",
        "//../secret.txt",
        "/../site-too/x.html",
        "/..\\secret.txt",
        "/%00",
        "/link.html",
        "/news",
        "/" + "a" * 5000,
        "http://town.example/../secret.txt",
    ],
)
def test_nothing_outside_the_folder(folder, target):
    with serve(folder_site(folder, "town.example"), host="town.example") as address:
        status, _, body = ask(address, target)
        assert status == 404
        assert b"secret" not in body


def test_an_absolute_path_stays_inside(folder):
    lookup = folder_site(folder, "town.example")
    assert lookup(f"http://town.example/{Path(folder).parent}/secret.txt") is None


def test_it_is_gone_when_the_block_ends():
    with serve({"http://a.example/": Resource(b"a")}) as address:
        assert ask(address, "http://a.example/#part")[2] == b"a"
    port = int(address.rpartition(":")[2])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):  # noqa: PT011
        pass
