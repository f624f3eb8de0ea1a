"""A loopback Hub: what publishing and loading datasets and loading models need of it, with commits kept in memory."""

import base64
import hashlib
import json
import os
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LFS_ENDINGS = (".parquet", ".png", ".safetensors", ".bin")
TOKEN = "hf_" + "x" * 34


class Repository:
    """One repository: `commits` is a list of (name, files), oldest first."""

    def __init__(self, *, private):
        self.private, self.tags, self.commits, self.pulls = private, {}, [], []
        self.commit({".gitattributes": b"*.parquet filter=lfs\n"})

    def commit(self, files):
        name = hashlib.sha1(f"{len(self.commits)}{sorted(files)}{time.time_ns()}".encode()).hexdigest()
        self.commits.append((name, files))
        return name

    def propose(self, files):
        """Keep a pull request: its files are those of a revision, and main stays as it is."""
        name = hashlib.sha1(f"pull {len(self.pulls)}{sorted(files)}".encode()).hexdigest()
        self.pulls.append((name, files))
        return name

    @property
    def head(self):
        return self.commits[-1][0]

    def files(self, revision="main"):
        pulls = {f"refs/pr/{number}": name for number, (name, _) in enumerate(self.pulls, start=1)}
        name = {"main": self.head, **self.tags, **pulls}.get(revision, revision)
        return name, dict([*self.commits, *self.pulls]).get(name)


class Hub:
    """The state behind the requests. `fail_on` is a part of a path and how often requests to it still succeed."""

    def __init__(self):
        self.repositories, self.blobs, self.requests = {}, {}, []
        self.fail_on, self.lock = None, threading.RLock()

    def fails(self, method, path):
        self.requests.append(f"{method} {path}")
        if self.fail_on and self.fail_on[0] in path:
            part, left = self.fail_on
            self.fail_on = (part, left - 1)
            return left <= 0
        return False

    def writes(self):
        return [line for line in self.requests if line.startswith(("POST", "PUT"))]

    def add(self, name, files, *, private=False):
        """Put files into a repository without a push."""
        return self.repositories.setdefault(name, Repository(private=private)).commit(files)


def blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def answer(self, value=None, *, status=200, body=None, **headers):
        body = json.dumps(value).encode() if body is None else body
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, text, code=None):
        self.answer({"error": text}, status=status, **({"X_Error_Code": code} if code else {}), X_Error_Message=text)

    def serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else self.chunks()
        url = urlsplit(self.path)
        with self.hub.lock:
            if self.hub.fails(self.command, url.path):
                self.refuse(403, "the connection was cut")
            else:
                self.route(unquote(url.path).strip("/").split("/"), parse_qs(url.query), body)

    do_GET = do_HEAD = do_POST = do_PUT = serve  # noqa: N815 - the names that http.server calls

    def chunks(self):
        found = b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)) >= 0:
            found += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return found

    def route(self, parts, query, body):
        match parts:
            case ["api", "validate-yaml"]:
                self.answer({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self.create(json.loads(body))
            case ["blobs", oid]:
                self.hub.blobs[oid] = body
                self.answer({})
            case ["datasets", owner, name, "info", "lfs", "objects", "batch"]:
                self.batch(json.loads(body), f"{owner}/{name}")
            case ["datasets", owner, name, "resolve", revision, *path]:
                self.known(f"{owner}/{name}", lambda found: self.resolve(found, revision, "/".join(path)))
            case [owner, name, "resolve", revision, *path]:
                self.known(f"{owner}/{name}", lambda found: self.resolve(found, revision, "/".join(path)))
            case ["api", "datasets" | "models", owner, name, *rest]:
                self.known(f"{owner}/{name}", lambda found: self.api(found, f"{owner}/{name}", rest, (query, body)))
            case _:
                self.refuse(404, "no such address")

    def known(self, name, act):
        found = self.hub.repositories.get(name)
        if found is None or (found.private and "Authorization" not in self.headers):
            self.refuse(404, "Repository not found", "RepoNotFound")
        else:
            act(found)

    def create(self, wanted):
        name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        status = 409 if name in self.hub.repositories else 200
        self.hub.repositories.setdefault(name, Repository(private=private))
        self.answer({"url": f"{self.base}/datasets/{name}", "name": name}, status=status)

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def batch(self, wanted, _):
        objects = []
        for entry in wanted["objects"]:
            upload = {"upload": {"href": f"{self.base}/blobs/{entry['oid']}"}}
            objects.append(entry | ({} if entry["oid"] in self.hub.blobs else {"actions": upload}))
        self.answer({"transfer": "basic", "objects": objects})

    def api(self, found, name, rest, given):
        query, body = given
        revision = rest[1] if len(rest) > 1 else "main"
        commit, files = found.files(revision)
        if files is None:
            self.refuse(404, "Revision not found", "RevisionNotFound")
            return
        match rest:
            case [] | ["revision", _]:
                self.answer(self.info(found, name, commit, files))
            case ["refs"]:
                tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in found.tags.items()]
                main = {"name": "main", "ref": "refs/heads/main", "targetCommit": found.head}
                self.answer({"branches": [main], "tags": tags, "converts": []})
            case ["tree", _, *path]:
                prefix = "".join(f"{part}/" for part in path)
                self.tree(files, prefix, recursive=query.get("recursive", [""])[0] in ("true", "True", "1"))
            case ["paths-info", _]:
                self.paths(files, json.loads(body) if body[:1] == b"{" else parse_qs(body.decode()))
            case ["preupload", _]:
                wanted = [entry["path"] for entry in json.loads(body)["files"]]
                modes = {path: "lfs" if path.endswith(LFS_ENDINGS) else "regular" for path in wanted}
                entries = [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]
                self.answer({"files": entries})
            case ["commit", _]:
                self.commit(found, name, [json.loads(line) for line in body.splitlines()], pull="create_pr" in query)
            case ["tag", _]:
                wanted = json.loads(body)["tag"]
                if wanted in found.tags:
                    self.refuse(409, "Tag already exists")
                else:
                    found.tags[wanted] = commit
                    self.answer({})
            case _:
                self.refuse(404, "no such address")

    def info(self, found, name, commit, files):
        siblings = [{"rfilename": path, **self.entry(path, content)} for path, content in sorted(files.items())]
        private = {"private": found.private, "gated": False, "disabled": False}
        return {"_id": "1", "id": name, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0, **private}

    def entry(self, path, content):
        found = {"type": "file", "path": path, "size": len(content), "oid": blob(content), "blobId": blob(content)}
        if path.endswith(LFS_ENDINGS):
            sha256 = hashlib.sha256(content).hexdigest()
            found["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(content), "pointerSize": 130}
        return found

    def tree(self, files, prefix, *, recursive):
        inside = [path for path in sorted(files) if path.startswith(prefix)]
        folders = {path[:at] for path in inside for at in range(len(prefix), len(path)) if path[at] == "/"}
        entries = [{"type": "directory", "path": path, "oid": blob(path.encode()), "size": 0} for path in folders]
        entries += [self.entry(path, files[path]) for path in inside]
        kept = [entry for entry in entries if recursive or "/" not in entry["path"][len(prefix) :]]
        if prefix and not inside:
            self.refuse(404, "no such folder", "EntryNotFound")
        else:
            self.answer(sorted(kept, key=lambda entry: entry["path"]))

    def paths(self, files, wanted):
        found = [self.entry(path, files[path]) for path in wanted["paths"] if path in files]
        folders = [path for path in wanted["paths"] if any(name.startswith(f"{path}/") for name in files)]
        found += [{"type": "directory", "path": path, "oid": blob(path.encode()), "size": 0} for path in folders]
        self.answer(found)

    def commit(self, found, name, lines, *, pull):
        header, files = lines[0]["value"], dict(found.files()[1])
        if header.get("parentCommit", found.head) != found.head:
            self.refuse(412, "A commit has happened since. Please refresh and try again.")
            return
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            else:
                del files[value["path"]]
        commit = found.propose(files) if pull else found.commit(files)
        made = {"success": True, "commitOid": commit, "commitUrl": f"{self.base}/datasets/{name}/commit/{commit}"}
        if pull:
            made["pullRequestUrl"] = f"{self.base}/datasets/{name}/discussions/{len(found.pulls)}"
        self.answer(made)

    def resolve(self, found, revision, path):
        commit, files = found.files(revision)
        if files is None or path not in files:
            code = "RevisionNotFound" if files is None else "EntryNotFound"
            self.refuse(404, "not found", code)
            return
        content = files[path]
        etag = hashlib.sha256(content).hexdigest() if path.endswith(LFS_ENDINGS) else blob(content)
        headers = {"ETag": f'"{etag}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        wanted = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if wanted[1] and self.command == "GET":
            start, end = int(wanted[0]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
            headers["Content_Range"] = f"bytes {start}-{end}/{len(content)}"
            self.answer(body=content[start : end + 1], status=206, **headers)
        else:
            self.answer(body=content, **headers)


@contextmanager
def hub_stub():
    """Serve a Hub on loopback; give its state and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def use_in_this_process(monkeypatch, address, home):
    """Have huggingface_hub, imported or not, talk to the stub; `datasets` needs a process of its own."""
    from huggingface_hub import constants

    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    values = {"ENDPOINT": address, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_CACHE": str(home)}
    for name, value in {**values, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def hub_environment(address, home):
    """Return the variables of a process that talks to the stub alone."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHONPATH"))}
    more = {"HF_ENDPOINT": address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
    return {**plain, **more, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
