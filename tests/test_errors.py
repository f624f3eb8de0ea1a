"""Whatever goes wrong is one clear line on standard error, with its exit code, and no traceback unless asked for."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from gonerd.cli import main as command_line
from gonerd.errors import EXTRAS, GonerdError, missing_extra, unknown_name
from gonerd.formats import jsonl
from gonerd.labels import load_scheme
from gonerd.records import Document
from gonerd.store import Stage, read_manifest, run_stage, write_json

main = command_line.main


@pytest.fixture
def gonerd(monkeypatch, capsys):
    """Run a function as the command `gonerd try …`; give exit code, standard output and error."""

    def run(function, *arguments):
        app = App(name="gonerd", version="0", suppress_keyboard_interrupt=False, result_action="return_value")
        app.command(function, name="try")
        monkeypatch.setattr(command_line, "build_app", lambda _: app)
        with pytest.raises(SystemExit) as end:
            main(["try", *map(str, arguments)])
        return end.value.code, *capsys.readouterr()

    return run


def line_of(result, code=2):
    """The one line of an error: nothing else was printed, and it says who speaks."""
    given, out, error = result
    assert given == code
    assert out == ""
    assert error.startswith("gonerd: ")
    assert error.endswith("\n")
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    return error.removeprefix("gonerd: ").rstrip("\n")


def raising(error):
    """A command that fails with an error."""

    def command():
        raise error

    return command


FULL = "the disk is full. Free some space and run the same command again"
TOO_LARGE = (
    "a file has grown to the largest size allowed here (ulimit -f). Allow larger ones and run the same command again"
)
CLOSED = "no permission. Choose another folder, or change its permissions"
ERRORS = [
    (GonerdError("no such thing", where="a, line 3", remedy="Look again"), "a, line 3: no such thing. Look again"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y"), "/x/y: No such file or directory"),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "/x"), "/x: Is a directory"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "/x/y: Not a directory"),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), f"/x: {CLOSED}"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), "/x: Read-only file system"),
    (OSError(errno.ENOSPC, "No space left on device", "/x"), f"/x: {FULL}"),
    (OSError(errno.ENOSPC, "No space left on device"), f"the output: {FULL}"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), f"the output: {FULL}"),
    (OSError(errno.EFBIG, "File too large", "/x"), f"/x: {TOO_LARGE}"),
]


@pytest.mark.parametrize(("error", "line"), ERRORS)
def test_an_error_the_user_can_mend_is_one_line(gonerd, error, line):
    assert line_of(gonerd(raising(error))) == line


def test_ctrl_c_is_130_and_says_how_to_go_on(gonerd):
    line = line_of(gonerd(raising(KeyboardInterrupt())), code=130)
    assert line == "interrupted; nothing is lost: run the same command again and it goes on where it stopped"


def test_a_fault_of_ours_shows_its_traceback(monkeypatch):
    app = App(name="gonerd", result_action="return_value")
    app.command(raising(ValueError("a bug")), name="try")
    monkeypatch.setattr(command_line, "build_app", lambda _: app)
    with pytest.raises(ValueError, match="a bug"):
        main(["try"])


@pytest.mark.parametrize("place", [0, 1])
def test_debug_shows_the_traceback_and_is_taken_anywhere(monkeypatch, place):
    app = App(name="gonerd", result_action="return_value")
    app.command(raising(GonerdError("no such thing")), name="try")
    monkeypatch.setattr(command_line, "build_app", lambda _: app)
    arguments = ["try"]
    arguments.insert(place, "--debug")
    with pytest.raises(GonerdError, match="no such thing"):
        main(arguments)


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (0, 0), (1, 1), (True, 1), ("text", 0)])
def test_the_answer_is_the_exit_code(gonerd, answer, code):
    assert gonerd(lambda: answer)[0] == code


def test_what_a_hostile_name_holds_cannot_break_the_line_or_the_terminal(gonerd):
    line = line_of(gonerd(raising(GonerdError("bad id 'a\n\x1b[2Jb\u202ec\r'", where="naïve שלום.jsonl"))))
    assert line == r"naïve שלום.jsonl: bad id 'a \x1b[2Jb\u202ec '"


def crawl(path: Path, *, limit: int = 3):
    """Take a path and a number."""
    return 0 if path and limit else 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--limt", "3"], "Unknown option: --limt. Did you mean --limit?"),
        ([], 'parameter --path requires an argument'),
        (["x", "--limit", "many"], 'unable to convert "many" into int'),
        (["x", "--limit"], "requires an argument"),
        (["x", "3", "y"], "Unused Tokens"),
    ],
)  # fmt: skip
def test_a_wrong_use_of_a_command_is_one_line(gonerd, arguments, message):
    line = line_of(gonerd(crawl, *arguments))
    assert message in line
    assert line.endswith(("? Add --help for what it takes", ". Add --help for what it takes"))
    assert "?." not in line


@pytest.mark.parametrize(
    "command",
    [
        "evaluate",
        *(f"model {name}" for name in ("info", "finetune", "distill")),
        *(f"annotate {name}" for name in ("suggest", "import", "agreement", "adjudicate")),
    ],
)
def test_help_shows_what_stands_without_a_flag_by_its_name_alone(capsys, command):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert re.search(r"│ \*  [A-Z]+  [^-]", out)
    assert not re.search(r"\[ARGS|--empty|[A-Z]+ --(passes|file|documents|model|checkpoint|teacher) ", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpsu"], "unknown command 'corpsu'. Did you mean 'corpus'? Known: annotate, compare, corpus"),
        (["zzz"], "unknown command 'zzz'. Known: annotate, compare"),
        (["--nope"], "unknown option '--nope'. Known: annotate"),
        (["qiuckstart"], "unknown command 'qiuckstart'. Did you mean 'quickstart'?"),
    ],
)
def test_an_unknown_command_is_one_line_with_the_nearest(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert line_of((end.value.code, *capsys.readouterr())).startswith(message)


def test_unknown_names_say_what_is_known():
    assert str(unknown_name("scheme", "gonrd", ["gonerd", "conll"])) == (
        "unknown scheme 'gonrd'. Did you mean 'gonerd'? Known: conll, gonerd"
    )
    assert str(unknown_name("scheme", "x", [])) == "unknown scheme 'x'. Known: none"


def test_an_unknown_scheme_a_wrong_path_and_an_unreadable_file(gonerd, tmp_path):
    assert "unknown label scheme 'gonred'. Did you mean 'gonerd'?" in line_of(gonerd(lambda: load_scheme("gonred")))
    assert line_of(gonerd(lambda: read_manifest(tmp_path / "no"))) == f"{tmp_path}/no: no such folder"
    assert line_of(gonerd(lambda: list(jsonl.read(tmp_path / "no", Document)))) == f"{tmp_path}/no: no such file"
    assert line_of(gonerd(lambda: list(jsonl.read(tmp_path, Document)))).endswith("this is a folder, not a file")
    (tmp_path / "bad").write_bytes(b"\xff")
    assert "bad, line 1: not UTF-8" in line_of(gonerd(lambda: list(jsonl.read(tmp_path / "bad", Document))))


def refusing(name, number):
    """Let a function of `os` or `Path` fail as the operating system makes it fail."""

    def refuse(path, *_args, **_options):
        raise OSError(number, os.strerror(number), str(path) if name != "fsync" else None)

    return refuse


def a_stage(tmp_path):
    jsonl.write(tmp_path / "in.jsonl", [Document("a", "Text.", "s")])
    stage = Stage("numbers", {}, lambda path: jsonl.read(path, Document), lambda documents: documents)
    return lambda: run_stage(stage, [tmp_path / "in.jsonl"], tmp_path / "out")


def test_a_full_disk_and_the_run_after_it(gonerd, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refusing("fsync", errno.ENOSPC))
        result = gonerd(a_stage(tmp_path))
    assert line_of(result) == f"{tmp_path / 'out'}: {FULL}"
    assert not (tmp_path / "out").exists()
    assert gonerd(a_stage(tmp_path))[0] == 0
    assert read_manifest(tmp_path / "out").written == 1


@pytest.mark.parametrize("name", ["mkdir", "open", "rename"])
def test_no_permission_to_write(gonerd, tmp_path, monkeypatch, name):
    stage = a_stage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, name, refusing(name, errno.EACCES))
        result = gonerd(stage)
    assert "no permission. Choose another folder" in line_of(result)
    assert str(tmp_path) in result[2]
    assert not (tmp_path / "out").exists()


def test_no_permission_to_read_is_not_mended_by_another_folder(gonerd, tmp_path, monkeypatch):
    (tmp_path / "x.jsonl").touch()
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.F_OK)
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x.jsonl"))
    assert line_of(gonerd(raising(error))).endswith("x.jsonl: no permission. Change its permissions")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="skipped: the superuser may do anything")
def test_no_permission_in_earnest(gonerd, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "no permission" in line_of(gonerd(lambda: write_json(closed / "x.json", {})))


def test_every_extra_is_named_with_its_command():
    for module, extra in EXTRAS.items():
        error = missing_extra(ModuleNotFoundError(f"No module named '{module}.part'", name=f"{module}.part"))
        assert str(error).endswith(f'python -m pip install "gonerd[{extra}]"')
    assert missing_extra(ModuleNotFoundError("No module named 'gonerd.nothing'", name="gonerd.nothing")) is None
    assert missing_extra(ModuleNotFoundError("no name")) is None


BARE = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(EXTRAS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from gonerd.cli import main as command_line
"""


def in_bare_install(code, *, folder):
    """Run code in a process where no extra is installed; give exit code, standard output and error."""
    command = [sys.executable, "-c", BARE + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("where", ["inside the command", "at the top of its module"])
def test_a_missing_extra_is_named_with_its_command(where, tmp_path):
    body = "import trafilatura.settings" if where == "inside the command" else "pass"
    top = "pass" if where == "inside the command" else "import trafilatura.settings"
    (tmp_path / "lazy.py").write_text(f"{top}\ndef run():\n    {body}\n")
    code = "app = command_line.build_app('run')\napp.command('lazy:run', name='run')\n"
    code += "command_line.build_app = lambda _: app\ncommand_line.main(['run'])"
    line = line_of(in_bare_install(code, folder=tmp_path))
    assert line.startswith("this command needs the module 'trafilatura")
    assert line.endswith('Install it with: python -m pip install "gonerd[corpus]"')


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["corpus", "--help"], ["dataset", "--help"]])
def test_help_needs_no_extra(arguments, tmp_path):
    code, out, error = in_bare_install(f"command_line.main({json.dumps(arguments)})", folder=tmp_path)
    assert (code, error) == (0, "")
    assert out


SLOW = """
import time
from cyclopts import App
from gonerd.cli import main as command_line
app = App(name="gonerd", suppress_keyboard_interrupt=False, result_action="return_value")
@app.command
def run():
    print("ready", flush=True)
    time.sleep(60)
@app.command
def talk():
    for number in range(100000):
        print("line", number)
command_line.build_app = lambda _: app
"""


def test_ctrl_c_in_earnest():
    command = [sys.executable, "-c", SLOW + "command_line.main(['run'])"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert line_of((process.returncode, out, error), code=130).startswith("interrupted; nothing is lost")


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-c", SLOW + "command_line.main(['talk'])"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=30) == 141


def test_nothing_stands_before_the_error_of_a_command_with_a_progress_bar(gonerd):
    from gonerd.cli.console import progress_bar

    def command():
        with progress_bar("trying") as progress:
            progress(1, 2)
            raise GonerdError("no such thing")

    assert line_of(gonerd(command)) == "no such thing"


def test_the_console_shows_names_as_they_are(capsys):
    from gonerd.cli import console

    console.say("a[bold]b[/bold] :key: [/x]")
    long = "organisation/" + "a-very-long-name-" * 8
    console.table(["model [x]", "F1"], [[long, "0.5"], ["[red]b", "0.25"]], title="[t] :key:")
    out = capsys.readouterr().out
    assert out.startswith("a[bold]b[/bold] :key: [/x]\n[t] :key:")
    assert "model [x]" in out
    assert "[red]b" in out
    folded = "".join(line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│"))
    assert long in folded


def test_nothing_that_is_shown_commands_the_terminal(capsys):
    from gonerd.cli.console import say, table

    say("Ann\x1b]0;title\x07 \u202eolsO\x9b üñ👩‍👧")
    table(["name"], [["\x1b[2JAnn\r"]], title="\x1b[1m")
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e")
    assert shown.startswith("Ann\\u001b]0;title\\u0007 \\u202eolsO\\u009b üñ👩‍👧\n")
    assert "\\u001b[2JAnn\\u000d" in shown
