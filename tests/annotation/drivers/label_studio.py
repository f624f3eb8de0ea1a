"""Runs inside Label Studio's own environment: one project through its SDK, annotated by two users, exported.

    python label_studio.py URL TOKEN FOLDER

FOLDER holds what `gonerd annotate export` wrote, and `passes.json`: for each user, address to document to regions
(null: the user skips the task). Writes the project's two exports to FOLDER: `export.json` as the page gives it,
`snapshot.json` through the SDK.
"""

import json
import sys
import time
from pathlib import Path

import requests
from label_studio_sdk import LabelStudio

PASSWORD = "pass-word-2"


def wait_for(url, *, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise SystemExit("the server does not answer")


def sign_up(url, address):
    """Sign up as a person would and return the user's token."""
    session = requests.Session()
    page = f"{url}/user/signup/"
    session.get(page, timeout=60)
    form = {"email": address, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    session.post(page, data=form, headers={"Referer": page}, timeout=60).raise_for_status()
    return session.get(f"{url}/api/current-user/token", timeout=60).json()["token"]


def main(url, token, folder):
    wait_for(url, seconds=240)
    owner = LabelStudio(base_url=url, api_key=token)
    config = (folder / "config.xml").read_text(encoding="utf-8")
    project = owner.projects.create(title="gonerd", label_config=config)
    owner.projects.validate_label_config(id=project.id, label_config=config)
    for file in sorted(folder.glob("tasks-*.json")):
        owner.projects.import_tasks(id=project.id, request=json.loads(file.read_text(encoding="utf-8")))
    tasks = {task.data["document_id"]: task.id for task in owner.tasks.list(project=project.id)}
    predictions = [prediction for name in tasks.values() for prediction in owner.predictions.list(task=name)]
    for address, passes in json.loads((folder / "passes.json").read_text(encoding="utf-8")).items():
        user = LabelStudio(base_url=url, api_key=sign_up(url, address))
        for document, regions in passes.items():
            user.annotations.create(id=tasks[document], result=regions or [], was_cancelled=regions is None)
    page = requests.get(
        f"{url}/api/projects/{project.id}/export?exportType=JSON&download_all_tasks=true",
        headers={"Authorization": f"Token {token}"}, timeout=120,
    )  # fmt: skip
    page.raise_for_status()
    (folder / "export.json").write_bytes(page.content)
    snapshot = owner.projects.exports.as_json(project.id)
    (folder / "snapshot.json").write_text(json.dumps(snapshot), encoding="utf-8")
    print(f"{len(tasks)} tasks, {len(predictions)} predictions")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
