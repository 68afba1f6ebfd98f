#!/usr/bin/env python3
"""Money and energy are integers: no line of a proto, a library or a service that names them names a floating type."""
import re

import source_tree

WHERE = re.compile(r"^(proto/.*\.proto|(libs|services)/.*\.(h|cc))$")
# What others want as a double: a metric's value, an option's range.
FOR_OTHERS = re.compile(r"\.(Set|Increment|Range)\(.*static_cast<double>\(\w+(\.\w+)*\)")
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
            if match and QUANTITY.search(code) and not FOR_OTHERS.search(code):
                findings.append(f"{name}:{number}: {match.group(0)} beside money or energy: {line.strip()}")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "money and energy in floating point")
