#!/usr/bin/env python3
"""Who may include what, and who may ask for time and randomness. The layer check of CMake sees targets; this sees files."""
import re

import source_tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# A fence: files that match one of the first patterns, and none of the second, must not include the third, because.
CORE = [r"^services/[^/]+/core/", r"^libs/(base|domain|dedup)/", r"^libs/(events|journal|store)/[^/]+$"]
IO_HEADERS = (
    r"^(cstdio|stdio\.h|fstream|iostream|filesystem|unistd\.h|fcntl\.h|poll\.h|signal\.h|csignal|netdb\.h)$"
    r"|^(sys|netinet|arpa|net)/"
    r"|^(grpc|grpcpp|spdlog|fmt|prometheus|google/protobuf|openssl|librdkafka)/"
    r"|^(sqlite3|httplib|histedit|editline/readline)\.h$|^CLI/"
)
TIME_THREADS_RANDOMNESS = (
    r"^(thread|mutex|shared_mutex|condition_variable|future|atomic|chrono|ctime|pthread\.h)$"
    r"|^absl/(time/clock|synchronization/.*|random/.*)\.h$|^base/mutex\.h$"
)
FENCES = [
    (CORE, [], IO_HEADERS, "what decides does no I/O"),
    (
        CORE,
        # Where the clock, the mutex, what waits on it, and the ids of all others are made.
        [r"^libs/base/(clock|id_source)\.cc$", r"^libs/base/(mutex|stop_pause)\.h$"],
        TIME_THREADS_RANDOMNESS,
        "time, threads and randomness are given to what decides",
    ),
    ([r"^libs/"], [], r"^services/", "a library knows no service"),
    ([r"."], [r"^libs/kafka/"], r"^librdkafka/", "librdkafka is behind libs/kafka"),
    ([r"^libs/kafka/"], [], r"^absl/time/clock\.h$", "the wall clock may step: waits are measured with kafka/monotonic.h"),
    (
        [r"."],
        [r"^services/[^/]+/adapters/", r"^libs/(wire|rpc)/", r"^cli/", r"^tests/"],
        r"\.pb\.h$",
        "generated messages stay in the adapters",
    ),
]
# A seeded engine is fine in a core; the system's own bits and clocks are not.
ASKED_OF_THE_SYSTEM = re.compile(
    r"random_device|std::s?rand\(|\bgetrandom\(|\bRandomIdSource\b"
    r"|\bSystemClock\b|\babsl::Now\(|\b(system|steady)_clock::now"
)
# Where they are made.
SOURCES = r"^libs/base/(clock|id_source)\.(h|cc)$"


def check(root):
    findings = []
    for path in source_tree.files(root, ".h", ".cc"):
        name = path.as_posix()
        content = source_tree.text(root, path)
        for include in INCLUDE.finditer(content):
            for where, exceptions, forbidden, reason in FENCES:
                if not any(re.search(p, name) for p in where) or any(re.search(p, name) for p in exceptions):
                    continue
                if re.search(forbidden, include.group(2)):
                    line = content.count("\n", 0, include.start(1)) + 1
                    findings.append(f"{name}:{line}: must not include {include.group(2)}: {reason}")
        if any(re.search(p, name) for p in CORE) and not re.search(SOURCES, name):
            for match in ASKED_OF_THE_SYSTEM.finditer(content):
                line = content.count("\n", 0, match.start()) + 1
                findings.append(f"{name}:{line}: must not use {match.group(0)}: time and randomness are given to what decides")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "include fences")
