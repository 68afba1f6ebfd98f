#!/usr/bin/env python3
"""The guard of a header is the path by which it is included: EV_KAFKA_CLIENT_H_ for "kafka/client.h"."""
import re

import source_tree

GUARD = re.compile(r"^#ifndef (\w+)\n#define (\w+)\n", re.M)


def check(root):
    findings = []
    for path in source_tree.files(root, ".h"):
        included_as = path.as_posix().removeprefix("libs/")
        wanted = f"EV_{re.sub(r'[^A-Za-z0-9]', '_', included_as).upper()}_"
        guard = GUARD.search(source_tree.text(root, path))
        if guard is None or guard.groups() != (wanted, wanted):
            findings.append(f"{path.as_posix()}: the header guard must be {wanted}")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "header guards")
