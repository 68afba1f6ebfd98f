#!/usr/bin/env python3
"""cmake/EvVersion.cmake: what a build calls itself."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "cmake/EvVersion.cmake"
# Nothing of whoever runs this.
CLEAN = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
PERSON = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")


class VersionTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-version-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.source = self.folder / "source"
        self.source.mkdir()
        self.file = self.source / "file"
        self.file.write_text("one", encoding="utf-8")
        self.header = self.folder / "ev_version.h"

    def git(self, *arguments):
        return subprocess.run(["git", *PERSON, *arguments], cwd=self.source, env=CLEAN, check=True, capture_output=True,
                              text=True, timeout=60).stdout.strip()

    def commit(self):
        self.git("init", "-q")
        self.git("add", "file")
        self.git("commit", "-qm", "one")
        return self.git("rev-parse", "HEAD")[:12]

    def version(self, revision="", source=None):
        subprocess.run(["cmake", "-D", f"SOURCE={source or self.source}", "-D", "VERSION=1.2.3", "-D",
                        f"REVISION={revision}", "-D", f"GIT={shutil.which('git')}", "-D", f"OUT={self.header}", "-P",
                        str(SCRIPT)], env=CLEAN, check=True, timeout=60)
        return re.fullmatch(r'#define EV_VERSION "(.*)"\n', self.header.read_text(encoding="utf-8"))[1]

    # B202
    def test_a_checkout_names_its_commit_and_that_files_differ_from_it(self):
        commit = self.commit()
        self.assertEqual(self.version(), f"1.2.3+g{commit}")
        self.file.write_text("two", encoding="utf-8")
        self.assertEqual(self.version(), f"1.2.3+g{commit}.dirty")

    def test_a_tagged_commit_is_the_release_of_its_number_only(self):
        commit = self.commit()
        self.git("tag", "v1.2.4")
        self.assertEqual(self.version(), f"1.2.3+g{commit}")
        self.git("tag", "v1.2.3")
        self.assertEqual(self.version(), "1.2.3")
        self.file.write_text("two", encoding="utf-8")
        self.assertEqual(self.version(), f"1.2.3+g{commit}.dirty")

    def test_without_a_checkout_the_builder_names_the_commit_or_nobody_does(self):
        self.assertEqual(self.version(), "1.2.3")
        self.assertEqual(self.version(revision="06d54b5-dirty"), "1.2.3+06d54b5-dirty")
        self.assertEqual(self.version(revision='a"b'), "1.2.3+a-b")

    def test_sources_within_a_foreign_repository_are_none_of_its_commits(self):
        self.commit()
        inner = self.source / "inner"
        inner.mkdir()
        self.assertEqual(self.version(source=inner), "1.2.3")

    def test_the_header_is_left_alone_when_it_says_the_same(self):
        self.commit()
        self.version()
        os.utime(self.header, (1, 1))
        self.version()
        self.assertEqual(self.header.stat().st_mtime, 1)
        self.file.write_text("two", encoding="utf-8")
        self.version()
        self.assertGreater(self.header.stat().st_mtime, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
