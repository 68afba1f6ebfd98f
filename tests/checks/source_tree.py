"""The files that the checks read, and how a check reports."""
import pathlib
import sys

SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".cache", ".vscode", ".idea"}


def files(root, *suffixes):
    """All files below root with one of the suffixes (all, without one), as paths relative to it, sorted."""
    root = pathlib.Path(root)
    found = []
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if SKIPPED_FOLDERS & set(relative.parts[:-1]) or not path.is_file():
            continue
        if not suffixes or path.suffix in suffixes:
            found.append(relative)
    return sorted(found)


def text(root, relative):
    """The file's text; of a binary file, nothing."""
    data = (pathlib.Path(root) / relative).read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", errors="replace")


def main(check, what):
    """Runs check(root) on the repository; prints its findings and exits 1 when there are any."""
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    findings = check(root)
    for finding in findings:
        print(finding)
    print(f"{what}: {len(findings)} found" if findings else f"{what}: fine")
    sys.exit(1 if findings else 0)
