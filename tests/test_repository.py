"""The repository keeps its own promises: commands that exist, pinned workflows, no leftovers, one version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

#: Hosts of package indexes and homes of machines belong into a machine's settings, not into a repository.
PRIVATE = re.compile(
    r"registry\.[a-z0-9-]+\.[a-z]{2,}|files\.pythonhosted\.org|pypi\.org|npmjs\.(?:com|org)|--(?:extra-)?index-url"
    r"|/root/\.|/home/[a-z_][\w-]*/|/Users/[A-Za-z]"
)


def read(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def repository_files() -> list[Path]:
    """What is, or is about to be, committed; outside a clone everything but what tools put there."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        command = [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    skipped = {".venv", ".tools", ".autorl", "reports", "__pycache__", ".hypothesis", ".pytest_cache", ".git"}
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in files if not skipped.intersection(path.relative_to(ROOT).parts)]


def lines_matching(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """``path:line: text`` of each hit; files that are not text are passed over."""
    hits = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                hits.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return hits


def jobs(workflow: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"])


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_the_documents_name_exists(document: str) -> None:
    named = set(re.findall(r"(?:^|[`\s])make ([a-z][a-z-]*)(?=[`\s,.;:)]|$)", read(document), re.MULTILINE))
    # Prose may say "make sure"; a command stands in backticks or at the start of a line of a code block.
    commands = {
        name
        for name in named
        if re.search(rf"`make {name}\b|^\s*(?:\$ )?make {name}\b", read(document), re.MULTILINE)
    }
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))

    assert {"demo", "test"} <= commands
    assert commands <= targets


def test_every_target_for_people_is_listed_by_make_help() -> None:
    makefile = read("Makefile")
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE))

    assert phony == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")

    assert os.access(script, os.X_OK)
    assert "AUTORL_REQUIRE_REAL=1" in text
    assert [name for name in ("lint", "demo", "test") if f"make {name}" not in text] == []
    bash = shutil.which("bash")
    if bash is not None:
        assert subprocess.run([bash, "-n", str(script)], timeout=30).returncode == 0


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_the_version_beside_it(workflow: Path) -> None:
    """A tag can be moved to other code, a commit cannot."""
    uses = re.findall(r"^\s*-? ?uses: (.*)$", workflow.read_text(encoding="utf-8"), re.MULTILINE)

    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_do_little_and_not_for_ever(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {}
    for name, job in jobs(workflow).items():
        assert job["timeout-minutes"] <= 60, name
        assert set(job["permissions"].values()) <= {"read"}, name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_the_matrix_covers_every_python_that_the_package_claims() -> None:
    claimed = set(re.findall(r"Programming Language :: Python :: (3\.\d+)", read("pyproject.toml")))
    matrix = jobs(ROOT / ".github" / "workflows" / "autorl-ci-cd.yml")["test"]["strategy"]["matrix"]

    assert set(matrix["python"]) == claimed


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    beside = Path(sys.executable).with_name("zizmor")
    zizmor = str(beside) if beside.exists() else shutil.which("zizmor")
    if zizmor is None:
        pytest.skip("zizmor is not installed; `make lint` installs and runs it")

    run = subprocess.run(
        [zizmor, "--offline", "--no-progress", ".github/workflows"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_package_has_no_unfinished_places() -> None:
    package = [path for path in repository_files() if path.is_relative_to(ROOT / "pytest_autorl")]

    assert len(package) > 10
    assert lines_matching(re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"), package) == []


def test_pyproject_and_changelog_agree_on_the_version() -> None:
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)
    newest = re.search(r"^## \[(\d.*?)\]", read("CHANGELOG.md"), re.MULTILINE)

    assert version is not None
    assert newest is not None
    assert version[1] == newest[1]


def test_no_file_names_a_machine_or_a_package_index() -> None:
    """What stands here is published: it must not tell where we work or where packages come from."""
    files = [path for path in repository_files() if path != Path(__file__).resolve()]

    assert len(files) > 20
    assert lines_matching(PRIVATE, files) == []
    assert lines_matching(re.compile(re.escape(f"{ROOT}/")), files) == []


def test_reports_are_kept_as_a_folder_and_ignored_as_files() -> None:
    ignored = read(".gitignore").splitlines()

    assert (ROOT / "reports" / ".gitkeep").is_file()
    assert "/reports/*" in ignored
    assert "!/reports/.gitkeep" in ignored
