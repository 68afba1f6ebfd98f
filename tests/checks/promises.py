#!/usr/bin/env python3
"""Every promise of docs/behaviour.md has a test that names it, and every test names promises that exist.

A promise is a paragraph `**B12.** text`; one that ends with `*later*` needs no test yet. A test names what it proves by a
comment of its own line right above itself: `// B12` or `// B12 B13` above a TEST in C++, `# B12` in Python and shell.
"""
import re

import source_tree

PROMISE = re.compile(r"^\*\*(B\d+)\.\*\*(.*)$")
NAMED = re.compile(r"^\s*(//|#)\s*(B\d+(?:[ ,]+B\d+)*)\s*[.:]?\s*$")
CXX_TEST = re.compile(r"^\s*(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(")
DOCUMENT = "docs/behaviour.md"


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
        if current and line.rstrip().endswith("*later*"):
            found[current] = True
    return found, findings


def stands_above_a_test(lines, index):
    """Whether the first line of code below lines[index] begins a C++ test."""
    for line in lines[index + 1 :]:
        if not line.strip().startswith("//"):
            return bool(CXX_TEST.match(line))
    return False


def check(root):
    if not (root / DOCUMENT).is_file():
        return [f"{DOCUMENT}: missing"]
    known, findings = promises(source_tree.text(root, DOCUMENT))
    tested = set()
    for path in source_tree.files(root / "tests"):
        if path.parts[0] == "checks":
            continue
        lines = source_tree.text(root / "tests", path).splitlines()
        for index, line in enumerate(lines):
            match = NAMED.match(line)
            if not match:
                continue
            where = f"tests/{path.as_posix()}:{index + 1}"
            if path.suffix == ".cc" and not stands_above_a_test(lines, index):
                findings.append(f"{where}: {match.group(2)} stands above no test")
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
