#!/usr/bin/env python3
"""No file names a machine's own folders, or a host that a build should not know. Long files are mentioned, not refused."""
import re

import source_tree

# Folders of one person or machine (Ana is nobody: an example).
MACHINE_PATH = re.compile(r"(?<![\w.$}*])/(home/(?!ana\b|user\b)|Users/|root/|work/|mnt/|media/)[\w.-]+")
URL_HOST = re.compile(r"https?://([A-Za-z0-9.-]+)")
# Names that a text may bear: loopback, the reserved examples, namespaces of XML, and documentation to read.
KNOWN_HOSTS = re.compile(
    r"^(localhost|127\.0\.0\.1|0\.0\.0\.0|([a-z0-9-]+\.)*example(\.(com|org|net))?|.*\.(test|invalid|svc|local)"
    r"|(.*\.)?(apache|grpc|iana|ietf|rfc-editor|kubernetes|prometheus|sqlite|w3|wikipedia|keepachangelog|semver)\.(org|io|com)"
    r"|google\.aip\.dev|buf\.build)$"
)
LONG_FILE = 400


def check(root):
    findings = []
    for path in source_tree.files(root):
        content = source_tree.text(root, path)
        for number, line in enumerate(content.splitlines(), 1):
            where = f"{path.as_posix()}:{number}"
            for match in MACHINE_PATH.finditer(line):
                findings.append(f"{where}: a machine's own path: {match.group(0)}")
            for match in URL_HOST.finditer(line):
                if not KNOWN_HOSTS.match(match.group(1)):
                    findings.append(f"{where}: an unknown host: {match.group(1)}")
        if path.suffix in (".h", ".cc") and path.parts[0] != "tests" and content.count("\n") > LONG_FILE:
            print(f"note: {path.as_posix()}: {content.count(chr(10))} lines; more than {LONG_FILE} want a reason")
    return findings


if __name__ == "__main__":
    source_tree.main(check, "text of one machine")
