import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Server, gives

import mrl_adapters
from mrl_adapters import MissingExtraError, UnknownModelError
from mrl_adapters.cli import main
from mrl_adapters.qdrant import connect

_SECRET = "key-that-nobody-may-see"  # noqa: S105 - it opens nothing


_MAIN = "from mrl_adapters.cli import main; main()"


def command(
    *arguments: str, code: str = _MAIN, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run the real command in a process of its own."""
    return subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        timeout=120,
        check=False,
    )


def test_the_command_runs_in_a_process_of_its_own(library: Path, tmp_path: Path) -> None:
    options = ("--path", str(tmp_path), "--sources", str(library))
    done = command("quickstart", "copy a directory tree", *options, COLUMNS="300")
    assert (done.returncode, done.stderr) == (0, "")
    assert "shutil.copytree" in done.stdout.splitlines()[4]
    assert "\x1b" not in done.stdout, "colours have no place in a pipe"


def test_colours_are_switched_off_and_on_by_the_usual_variables() -> None:
    on = command("models", FORCE_COLOR="1", COLUMNS="100")
    off = command("models", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="100")
    assert "\x1b[2m" in on.stdout, "models that do not nest are dim"
    assert "\x1b[3" not in off.stdout


def test_an_output_that_knows_few_characters_gets_what_it_knows() -> None:
    done = command("models", "text-embedding-3-small", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "1536" in done.stdout


def test_main_runs_the_command_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mrl-adapters", "--version"])
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # as in a notebook: no stream of a system's
    with pytest.raises(SystemExit, match="0"):
        main()
    assert capsys.readouterr().out.startswith("mrl-adapters ")


@pytest.mark.parametrize("package", ["typer", "rich.text"])
def test_main_tells_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str
) -> None:
    for module in ("app", "terminal"):
        monkeypatch.delitem(sys.modules, f"mrl_adapters.cli.{module}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "pip install 'mrl-adapters[cli]'" in capsys.readouterr().err


def test_main_lets_a_defect_of_ours_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mrl_adapters.cli.app")
    monkeypatch.setitem(sys.modules, "mrl_adapters.cli.terminal", None)
    with pytest.raises(ModuleNotFoundError):
        main()


def test_the_version_is_told(run: Any) -> None:
    assert run("--version").stdout == f"mrl-adapters {mrl_adapters.__version__}\n"


def test_help_lists_every_command(run: Any) -> None:
    output = run("--help").stdout
    for name in ("quickstart", "index", "search", "models"):
        assert name in output


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["index"], ["search", "only-a-name"], ["search", "a", "b", "-k", "0"]],
)
def test_a_wrong_call_exits_with_2(run: Any, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_an_error_of_ours_is_one_line_and_exits_with_1(run: Any, tmp_path: Path) -> None:
    connect(path=tmp_path).close()
    result = run("search", "nothing", "question", "--path", tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: Collection 'nothing' does not exist.")
    assert result.stderr.count("\n") == 1


def test_brackets_in_an_error_are_not_taken_for_colours(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise MissingExtraError(name, "cli")

    monkeypatch.setattr("mrl_adapters.registry.get", fail)
    assert "pip install 'mrl-adapters[cli]'" in run("models", "x").stderr


def test_a_defect_keeps_its_traceback(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_adapters.registry.get", {}.__getitem__)
    with pytest.raises(KeyError):
        run("models", "x")


@pytest.mark.filterwarnings("default")  # qdrant-client warns that it cannot compare versions
@pytest.mark.parametrize("by_option", [True, False])
def test_a_server_that_does_not_answer_is_one_line_that_keeps_the_key(
    run: Any, monkeypatch: pytest.MonkeyPatch, *, by_option: bool
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", _SECRET)
    key = ("--api-key", _SECRET) if by_option else ()
    # Nothing listens on port 1.
    result = run("search", "docs", "question", "--url", "https://127.0.0.1:1", *key)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ResponseHandlingException: ")
    assert _SECRET not in result.output


def test_help_does_not_show_the_key_of_the_environment(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", _SECRET)
    assert _SECRET not in run("search", "--help").stdout


def test_warnings_are_shown_without_the_place_in_the_code(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(_: str) -> None:
        warnings.warn("points lack a vector [of 3]", UserWarning, stacklevel=1)
        message = "and that is that"
        raise UnknownModelError(message)

    monkeypatch.setattr("mrl_adapters.registry.get", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        result = run("models", "x")
    assert result.stderr == "Warning: points lack a vector [of 3]\nError: and that is that\n"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_extra_says_what_to_install(package: str) -> None:
    done = command("models", code=f"import sys; sys.modules[{package!r}] = None; {_MAIN}")
    assert done.returncode == 1
    assert "pip install 'mrl-adapters[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_listing_models_imports_neither_framework_nor_client() -> None:
    code = (
        "import sys\nfrom mrl_adapters.cli.app import app\napp(['models'], standalone_mode=False)\n"
        "print(sorted({'langchain_core', 'qdrant_client', 'wordllama'} & set(sys.modules)))"
    )
    assert command(code=code).stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, '{"status": {"error": "Global access is required"}}', "Global access is required"),
        (500, "no room in the inn", "no room in the inn"),
        (404, "", "404 (Not Found)"),
    ],
)
def test_a_servers_own_reason_is_shown(
    faulty_server: Server, run: Any, status: int, body: str, told: str
) -> None:
    faulty_server.fail("collections", *[gives(body.encode(), status)] * 9)
    result = run("list", "--url", f"http://127.0.0.1:{faulty_server.server_port}")
    assert result.exit_code == 1
    assert str(status) in result.stderr
    assert told in " ".join(result.stderr.split())
