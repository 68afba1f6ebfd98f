"""A terminal as a person sees it: a pseudo-terminal, the program in its foreground, and a screen on which what it
writes stands. It knows what a curses-less full-screen program needs: cursor, erasing, scroll region, second screen, wrapping,
colours."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from network import BIN, eventually

SEQUENCE = re.compile(rb"\x1b(?:\[([?0-9;]*)([@-~])|([78c=>])|[()][A-Z0-9])")


class Screen:
    def __init__(self, rows, columns):
        self.other = None  # The main screen, while the second is shown.
        self.saved = (0, 0)
        self.wraps = True
        self.color = ""
        self.pending = b""
        self.unknown = []
        self.clear(rows, columns)

    def clear(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [[(" ", "")] * columns for _ in range(rows)]
        self.top, self.bottom = 0, rows - 1
        self.row = self.column = 0

    def resize(self, rows, columns):
        old = self.cells[:rows]
        position = self.row, self.column
        self.clear(rows, columns)
        for i, line in enumerate(old):
            self.cells[i] = (line + [(" ", "")] * columns)[:columns]
        self.row, self.column = min(position[0], rows - 1), min(position[1], columns - 1)

    def line(self, row):
        return "".join(c for c, _ in self.cells[row]).rstrip()

    def lines(self):
        return [self.line(i) for i in range(self.rows)]

    def color_of(self, text):
        """The colour of the first cell of `text` where it stands."""
        for i in range(self.rows):
            at = "".join(c for c, _ in self.cells[i]).find(text)
            if at >= 0:
                return self.cells[i][at][1]
        return None

    def feed(self, data):
        data = self.pending + data
        self.pending = b""
        while data:
            if data[0] == 0x1B:
                match = SEQUENCE.match(data)
                if not match:
                    if len(data) < 20:
                        self.pending = data
                        return
                    self.unknown.append(data[:10])
                    data = data[1:]
                    continue
                self.control(match)
                data = data[match.end():]
                continue
            size = 1 if data[0] < 0x80 else 2 if data[0] < 0xE0 else 3 if data[0] < 0xF0 else 4
            if len(data) < size:
                self.pending = data
                return
            self.put(data[:size].decode("utf-8", "replace"))
            data = data[size:]

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.feed_line()
        elif c == "\b":
            self.column = max(0, self.column - 1)
        elif c >= " ":
            if self.column >= self.columns:
                if self.wraps:
                    self.column = 0
                    self.feed_line()
                else:
                    self.column = self.columns - 1
            self.cells[self.row][self.column] = (c, self.color)
            self.column += 1

    def feed_line(self):
        if self.row == self.bottom:
            del self.cells[self.top]
            self.cells.insert(self.bottom, [(" ", "")] * self.columns)
        elif self.row < self.rows - 1:
            self.row += 1

    def control(self, match):
        text, final, single = match.group(1), match.group(2), match.group(3)
        if single == b"7":
            self.saved = (self.row, self.column)
        elif single == b"8":
            self.row, self.column = min(self.saved[0], self.rows - 1), self.saved[1]
        if final is None:
            return
        numbers = [int(n) if n else 0 for n in text.lstrip(b"?").split(b";")]
        first = max(numbers[0], 1)
        if final == b"H":
            self.row = min(first, self.rows) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final == b"J" and numbers[0] == 2:
            self.cells = [[(" ", "")] * self.columns for _ in range(self.rows)]
        elif final == b"J":
            self.erase(self.column)
            for i in range(self.row + 1, self.rows):
                self.cells[i] = [(" ", "")] * self.columns
        elif final == b"K":
            self.erase(0 if numbers[0] == 2 else self.column)
        elif final == b"r":
            self.top = first - 1
            self.bottom = (numbers[1] if len(numbers) > 1 and numbers[1] else self.rows) - 1
            self.row = self.column = 0
        elif final == b"m":
            self.color = "" if text in (b"", b"0") else text.decode()
        elif final == b"A":
            self.row = max(0, self.row - first)
        elif final == b"B":
            self.row = min(self.rows - 1, self.row + first)
        elif final == b"C":
            self.column = min(self.columns - 1, self.column + first)
        elif final == b"D":
            self.column = max(0, self.column - first)
        elif final == b"G":
            self.column = first - 1
        elif final == b"P":
            line = self.cells[self.row]
            del line[self.column:self.column + first]
            line.extend([(" ", "")] * (self.columns - len(line)))
        elif final == b"@":
            line = self.cells[self.row]
            line[self.column:self.column] = [(" ", "")] * first
            del line[self.columns:]
        elif text == b"?1049" and final == b"h":
            self.other = (self.cells, self.row, self.column)
            self.cells = [[(" ", "")] * self.columns for _ in range(self.rows)]
        elif text == b"?1049" and final == b"l":
            self.cells, self.row, self.column = self.other
            self.other = None
        elif text == b"?7":
            self.wraps = final == b"h"
        elif text[:1] != b"?":
            self.unknown.append(match.group(0))

    def erase(self, column):
        self.cells[self.row][column:] = [(" ", "")] * (self.columns - column)


class TerminalProcess:
    """A program of ours in the foreground of a terminal of its own."""

    def __init__(self, name, arguments, folder, rows=30, columns=100, env=None):
        self.name = name
        self.screen = Screen(rows, columns)
        self.seen = b""
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        self.slave = slave  # Kept open: its modes are looked at after the program's end.
        self.resize(rows, columns, tell=False)
        self.modes = termios.tcgetattr(slave)
        program, *rest = arguments
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        environment.update({"TERM": "xterm-256color", **(env or {})})

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([str(BIN / program), *rest], stdin=slave, stdout=slave, stderr=slave, cwd=folder,
                                        env=environment, preexec_fn=take_terminal)  # pylint: disable=W1509
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self.lock:
                self.seen += data
                self.screen.feed(data)

    def close(self):
        os.close(self.slave)
        self.reader.join(timeout=10)
        os.close(self.master)

    def resize(self, rows, columns, tell=True):
        if tell:
            with self.lock:
                self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def lines(self):
        with self.lock:
            return self.screen.lines()

    def text(self):
        return "\n".join(self.lines())

    def color_of(self, text):
        with self.lock:
            return self.screen.color_of(text)

    def wait_text(self, text, limit_s=60):
        return eventually(f"{text!r} on the screen of {self.name}; it is:\n{self.text()}", lambda: text in self.text(),
                          limit_s)

    def wait_prompt(self, typed=""):
        """The prompt, and what is typed there, stand on the last line."""
        wanted = f"central> {typed}".rstrip()
        return eventually(f"the prompt {wanted!r} on the last line", lambda: self.lines()[-1] == wanted)

    def wait_below(self, typed=""):
        """The prompt, and what is typed there, stand below everything else."""
        wanted = f"{self.name}> {typed}".rstrip()
        return eventually(f"{wanted!r} below the rest", lambda: self.text().rstrip().split("\n")[-1].rstrip() == wanted)

    def is_panel(self):
        with self.lock:
            return self.screen.other is not None

    def is_restored(self):
        """First screen, whole of it scrolls, lines wrap, and the terminal's modes are what they were."""
        with self.lock:
            screen = self.screen
            restored = screen.other is None and (screen.top, screen.bottom) == (0, screen.rows - 1) and screen.wraps
        return restored and termios.tcgetattr(self.slave) == self.modes

    def records(self):
        return self.lines()
