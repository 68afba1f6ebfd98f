#!/usr/bin/env python3
"""Money and energy are integers: where they are told or decided, no line that names them names a floating type."""
import re

import source_tree

WHERE = re.compile(r"^(proto/.*\.proto|libs/domain/.*\.(h|cc)|services/[^/]+/core/.*\.(h|cc))$")
FLOATING = re.compile(r"\b(float|double|long double|float_t|double_t)\b|\b\d+\.\d*(e[+-]?\d+)?f?\b|\bToDouble\w*\(")
QUANTITY = re.compile(r"mwh|micros|amount|price|energy", re.I)
COMMENT = re.compile(r"//.*$")


def check(root):
    findings = []
    for path in source_tree.files(root, ".h", ".cc", ".proto"):
        name = path.as_posix()
        if not WHERE.match(name):
            continue
        for number, line in enumerate(source_tree.text(root, path).splitlines(), 1):
            code = re.sub(r'"[^"]*"', '""', COMMENT.sub("", line))
            match = FLOATING.search(code)
            if match and QUANTITY.search(code):
                findings.append(f"{name}:{number}: {match.group(0)} beside money or energy: {line.strip()}")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "money and energy in floating point")
