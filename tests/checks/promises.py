#!/usr/bin/env python3
"""Every promise of docs/behaviour.md has a test that names it, and every test names promises that exist.

A promise is a paragraph `**B12.** text`; one that ends with `*later*` needs no test yet. A test names what it proves by a
comment of its own line right above itself: `// B12` or `// B12 B13` above a TEST in C++, `# B12` above a `def test_` in
Python. A test that does not run names nothing: one that is disabled or stands in a file that tests/CMakeLists.txt does not
name. No test is skipped: what can only run sometimes proves something only sometimes.
"""
import re

import source_tree

PROMISE = re.compile(r"^\*\*(B\d+)\.\*\*(.*)$")
NAMED = re.compile(r"^\s*(//|#)\s*(B\d+(?:[ ,]+B\d+)*)\s*[.:]?\s*$")
TEST_OF = {
    ".cc": re.compile(r"^\s*(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\((?!\w+,\s*DISABLED_)"),
    ".py": re.compile(r"^\s*def test_"),
}
SKIPS = re.compile(r"\bGTEST_SKIP\b|\bskipTest\b|\bSkipTest\b|@(unittest\.)?(skip|expectedFailure)")
FOREACH = re.compile(r"foreach\((\w+)\s+([^)]*)\)(.*?)endforeach\(\)", re.S)
DOCUMENT = "docs/behaviour.md"
BUILD = "CMakeLists.txt"


def promises(content):
    """Number -> whether it is for later; and what is wrong with the document itself."""
    found, findings, current = {}, [], None
    for number, line in enumerate(content.splitlines(), 1):
        match = PROMISE.match(line)
        if match:
            current = match.group(1)
            if current in found:
                findings.append(f"{DOCUMENT}:{number}: {current} is there twice")
            found[current] = False
        elif not line.strip():
            current = None
        elif line.startswith("**B"):
            findings.append(f"{DOCUMENT}:{number}: a promise begins as **B12.** does")
        if current and line.rstrip().endswith("*later*"):
            found[current] = True
    return found, findings


def stands_above_a_test(lines, index, kind):
    """Whether the first line of code below lines[index] begins a test that runs."""
    for line in lines[index + 1 :]:
        if not line.strip().startswith(("//", "#")):
            return bool(TEST_OF[kind].match(line))
    return False


def files_of(build):
    """The paths below tests/ that its CMakeLists.txt names."""
    build = re.sub(r"#.*", "", build)
    build = FOREACH.sub(
        lambda loop: " ".join(loop[3].replace("${" + loop[1] + "}", item) for item in loop[2].split()), build)
    return {word.removeprefix("tests/") for word in re.split(r"[\s()\"]+", build)}


def check(root):
    if not (root / DOCUMENT).is_file():
        return [f"{DOCUMENT}: missing"]
    known, findings = promises(source_tree.text(root, DOCUMENT))
    if not known:
        findings.append(f"{DOCUMENT}: no promises found")
    built = files_of(source_tree.text(root / "tests", BUILD)) if (root / "tests" / BUILD).is_file() else set()
    tested = set()
    for path in source_tree.files(root / "tests"):
        if path.parts[0] == "checks" or path.suffix not in TEST_OF:
            continue
        lines = source_tree.text(root / "tests", path).splitlines()
        for index, line in enumerate(lines):
            if SKIPS.search(line):
                findings.append(f"tests/{path.as_posix()}:{index + 1}: a test is skipped: {line.strip()}")
            match = NAMED.match(line)
            if not match:
                continue
            where = f"tests/{path.as_posix()}:{index + 1}"
            if not stands_above_a_test(lines, index, path.suffix):
                findings.append(f"{where}: {match.group(2)} stands above no test that runs")
                continue
            if path.as_posix() not in built:
                findings.append(f"{where}: tests/{BUILD} does not name {path.as_posix()}")
                continue
            for number in re.findall(r"B\d+", match.group(2)):
                if number not in known:
                    findings.append(f"{where}: {number} is no promise of {DOCUMENT}")
                tested.add(number)
    for number, is_for_later in known.items():
        if not is_for_later and number not in tested:
            findings.append(f"{DOCUMENT}: no test names {number}")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "promises without a test")
