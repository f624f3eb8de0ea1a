"""Runs inside doccano's own environment: one project through its HTTP interface, annotated by two users, exported.

    python doccano.py URL FOLDER

The server has the superuser `ann`. FOLDER holds what `gonerd annotate export` wrote, and `passes.json`: for each user,
name to document to [start, end, label]. Writes the zip file of the export to FOLDER.
"""

import json
import sys
import time
from pathlib import Path

import requests

PASSWORD = "pass-word-1"


class Server:
    """A user's session."""

    def __init__(self, url, name):
        self.url, self.session = f"{url}/v1", requests.Session()
        self.session.post(f"{self.url}/auth/login/", json={"username": name, "password": PASSWORD}, timeout=60)
        self.session.headers["X-CSRFToken"] = self.session.cookies["csrftoken"]

    def call(self, method, path, **options):
        answer = self.session.request(method, f"{self.url}/{path}", timeout=120, **options)
        if not answer.ok:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def post(self, path, value):
        return self.call("post", path, json=value).json()

    def done(self, task):
        for _ in range(240):
            status = self.call("get", f"tasks/status/{task}").json()
            if status["ready"]:
                return status
            time.sleep(0.5)
        raise SystemExit("the task queue does not answer")


def wait_for(url, *, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            requests.get(f"{url}/v1/health/", timeout=5)
            return
        except requests.RequestException:
            time.sleep(0.5)
    raise SystemExit("the server does not answer")


def start_project(owner, folder):
    """Make a project of what gonerd exported; return its id."""
    kind = {"resourcetype": "SequenceLabelingProject", "project_type": "SequenceLabeling"}
    project = owner.post("projects", {**kind, "name": "gonerd", "description": "gonerd", "guideline": "card"})["id"]
    with (folder / "labels.json").open("rb") as stream:
        owner.call("post", f"projects/{project}/span-type-upload", files={"file": ("labels.json", stream)})
    with (folder / "documents.jsonl").open("rb") as stream:
        upload = owner.call("post", "fp/process/", files={"filepond": ("documents.jsonl", stream)}).text
    options = {"column_data": "text", "column_label": "label", "encoding": "utf_8"}
    queued = {"uploadIds": [upload], "format": "JSONL", "task": "SequenceLabeling", **options}
    status = owner.done(owner.post(f"projects/{project}/upload", queued)["task_id"])
    if status.get("error") or (status.get("result") or {}).get("error"):
        raise SystemExit(f"import: {status}")
    return project


def annotate(url, owner, project, name, passes):
    """Make a user, and save and confirm the user's passes."""
    user = owner.post("users/create", {"username": name, "password1": PASSWORD, "password2": PASSWORD})["id"]
    role = next(role["id"] for role in owner.call("get", "roles").json() if role["name"] == "annotator")
    owner.post(f"projects/{project}/members", {"user": user, "role": role})
    annotator = Server(url, name)
    labels = {one["text"]: one["id"] for one in annotator.call("get", f"projects/{project}/span-types").json()}
    rows = annotator.call("get", f"projects/{project}/examples?limit=1000").json()["results"]
    examples = {row["meta"]["document_id"]: row["id"] for row in rows}
    for document, spans in passes.items():
        for start, end, label in spans:
            span = {"start_offset": start, "end_offset": end, "label": labels[label]}
            annotator.post(f"projects/{project}/examples/{examples[document]}/spans", span)
        annotator.post(f"projects/{project}/examples/{examples[document]}/states", {})


def main(url, folder):
    wait_for(url, seconds=120)
    owner = Server(url, "ann")
    project = start_project(owner, folder)
    for name, passes in json.loads((folder / "passes.json").read_text(encoding="utf-8")).items():
        annotate(url, owner, project, name, passes)
    order = {"format": "JSONL", "exportApproved": True}
    task = owner.post(f"projects/{project}/download", order)["task_id"]
    owner.done(task)
    archive = owner.call("get", f"projects/{project}/download?taskId={task}")
    (folder / "export.zip").write_bytes(archive.content)
    print(f"{len(archive.content)} bytes")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
