"""The blocks of README and docs: what a reader runs, and what only shows something.

A fence says what is in it: `sh` is run as it stands, by test_docs.py; `shell` is what nothing here can run, and says why in a
comment above it; anything else (`text`, `yaml`) is shown. A comment right above a fence tells the test what a reader sees for
himself:

    <!-- exit: 1 -->                              the code that its last command ends with
    <!-- each line in a terminal of its own -->   programs that go on until they are ended
    <!-- not run: why -->                         of a `shell` block

A line that ends with `until Ctrl-C` in its own comment is ended so.
"""
import dataclasses
import re

from network import ROOT

GENERATED = {"docs/api.md"}  # Its examples are run by test_api.py.
FENCE = re.compile(r"( *)```+ *([\w-]*)")
MARK = re.compile(r"<!-- (.*) -->")
LIST_ITEM = re.compile(r" *([*-]|\d+\.) +")


@dataclasses.dataclass
class Block:
    place: str  # File and line.
    info: str
    lines: list
    mark: str  # What the comment above says; "" without one.

    @property
    def exit_code(self):
        return int(self.mark.removeprefix("exit: ")) if self.mark.startswith("exit: ") else 0

    @property
    def is_terminals(self):
        return self.mark == "each line in a terminal of its own"

    @property
    def why_not_run(self):
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""

    def commands(self):
        """Its lines without comments, continued ones put together: (command, whether it runs until Ctrl-C)."""
        for line in re.sub(r" *\\\n *", " ", "\n".join(self.lines)).split("\n"):
            command, _, comment = without_comment(line)
            if command:
                yield command, comment.endswith("until Ctrl-C")


def without_comment(line):
    """(command, #, comment): a # begins a comment where a shell sees one."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or line[index - 1] == " "):
            return line[:index].strip(), "#", line[index + 1:].strip()
    return line.strip(), "", ""


def blocks_of(name, text):
    """(blocks, what is wrong) of one document."""
    blocks, findings, mark, current, indent, of_list = [], [], "", None, 0, 0
    previous = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if current is not None:
            if fence:
                blocks.append(current)
                current = None
            else:
                current.lines.append(line[indent:])
        elif fence:
            indent = len(fence[1])
            current = Block(f"{name}:{number}", fence[2], [], mark)
            if not fence[2]:
                findings.append(f"{name}:{number}: a fence says what is in it: sh, text ...")
        elif not previous and re.match(" " * (of_list + 4) + r"\S", line):
            findings.append(f"{name}:{number}: a block stands between fences, not indented")
        if current is None:
            found = MARK.fullmatch(line.strip())
            mark = found[1] if found else ""
            if item := LIST_ITEM.match(line):
                of_list = len(item[0])
            elif line and not line.startswith(" "):
                of_list = 0
        previous = line
    if current is not None:
        findings.append(f"{current.place}: a fence without an end")
    for block in blocks:
        if block.info == "shell" and not block.why_not_run:
            findings.append(f"{block.place}: commands that are not run say why: <!-- not run: why -->")
        if block.info in ("bash", "zsh", "console"):
            findings.append(f"{block.place}: commands are `sh`, or `shell` with a reason")
        if block.mark and not (block.exit_code or block.is_terminals or block.why_not_run):
            findings.append(f"{block.place}: no such mark: {block.mark}")
    return blocks, findings


def documents():
    """{name: text} of all that is read."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def all_blocks():
    """(blocks, what is wrong) of all documents but those that are generated."""
    blocks, findings = [], []
    for name, text in documents().items():
        if name not in GENERATED:
            more, wrong = blocks_of(name, text)
            blocks, findings = blocks + more, findings + wrong
    return blocks, findings
