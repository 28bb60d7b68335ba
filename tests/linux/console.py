"""console.py SESSION PROGRAM - a client at a console: types into it, and plays the server.

The console is Wine's, on a pseudo-terminal. The server answers a line with other text of the same
length, so that what is on the screen cannot be what was typed. What is wrong is printed; no output
means a pass. Used by console_test.sh; the session batch by grade_test.sh.
"""
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

LIMIT = 15  # seconds for all that is waited for
CONTROL_C = b"\x03"


class Server:
    """Answers each line that is in answers, and echoes all others; keeps what came in wire."""

    def __init__(self, answers, one_by_one):
        self.answers, self.one_by_one = answers, one_by_one
        self.wire = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = b""
        try:
            while piece := connection.recv(65536):
                self.wire += piece
                line += piece
                *lines, line = line.split(b"\n")
                for whole in lines:
                    self.answer(connection, self.answers.get(whole, whole + b"\n"))
            self.answer(connection, line)
        except ConnectionError:
            pass
        connection.close()

    def answer(self, connection, answer):
        if not self.one_by_one or len(answer) > 100:
            connection.sendall(answer)
            return
        for byte in answer:  # each byte of a letter in its own piece
            connection.sendall(bytes([byte]))
            time.sleep(0.01)


def prepare_terminal():
    """50 lines of 120; keys arrive as they are. Wine does this only after the first prompt."""
    mode = termios.tcgetattr(0)
    mode[0] &= ~termios.ICRNL
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(0, termios.TCSANOW, mode)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))


class Client:
    """A client at its own console."""

    def __init__(self, *command):
        self.end = time.monotonic() + LIMIT
        self.bytes = b""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            prepare_terminal()
            os.execvp("wine", ["wine", *command])

    def read(self, seconds):
        """Reads what is printed, and returns False at the end or when nothing comes."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.terminal, 65536)
        except OSError:  # the program has ended
            piece = b""
        self.bytes += piece
        return piece != b""

    def screen(self):
        """What was printed: without spaces, because Wine moves the cursor instead of printing one."""
        text = re.sub(rb"\x1b(\[[?0-9;]*[A-Za-z]|\][^\x07]*\x07|[=>])", b"", self.bytes)
        return re.sub(r"\s", "", text.decode("utf-8", "replace"))

    def shows(self, text, after=0):
        """Waits for the text, behind the first letters of the screen."""
        while text not in self.screen()[after:]:
            if time.monotonic() > self.end:
                return False
            self.read(0.1)
        return True

    def type(self, keys):
        os.write(self.terminal, keys)

    def status(self):
        """The exit status, or None if it does not end."""
        while time.monotonic() < self.end:
            self.read(0.05)
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process != 0:
                while self.read(0.2):
                    pass
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return None


PROMPT = "message(Qtoquit)>"


def expect(what, expected, found):
    if expected != found:
        print(f"{what}: expected {expected!r}, found {found!r}")


def expect_on_screen(client, text, after=0):
    if not client.shows(text, after):
        print(f"on the screen: expected {text!r}, found {client.screen()[-200:]!r}")


def letters(program):
    """Korean and letters of two units arrive as UTF-8; an echo in UTF-8 can be read."""
    typed = ["안녕하세요", "😀😀", "끝1"]
    answers = [
        "가나다라마\n".encode(),
        b"<\xff>\xea\xb0\x80\xe2\x82\n",  # not UTF-8 at two places
        b"end>\xea",  # an unfinished letter at the very end
    ]
    server = Server(dict(zip([line.encode() for line in typed], answers)), one_by_one=True)
    client = Client(program, "--quiet", "127.0.0.1", str(server.port))
    wire = b""
    for line, seen in zip(typed, ["가나다라마" + PROMPT, "<\ufffd>가\ufffd" + PROMPT, "end>" + PROMPT]):
        expect_on_screen(client, PROMPT)
        client.type(line.encode() + b"\r")
        wire += line.encode() + b"\n"
        expect_on_screen(client, seen)
    expect("bytes at the server", wire, server.wire)
    before = len(client.screen())
    client.type(b"Q\r")
    expect("exit status", 0, client.status())
    expect_on_screen(client, "\ufffd", before)


def long_line(program):
    """A line that is longer than the client's buffer: no pair of units is split."""
    line = "a" + "😀" * 2300
    server = Server({}, one_by_one=False)
    client = Client(program, "--quiet", "127.0.0.1", str(server.port))
    expect_on_screen(client, PROMPT)
    for i in range(0, len(line), 500):  # Wine would cut a letter that does not fit into 4096 bytes
        client.type(line[i : i + 500].encode())
        while client.read(0.3):
            pass
    client.type(b"\rQ\r")
    expect("exit status", 0, client.status())
    if server.wire != line.encode() + b"\n":
        print(f"bytes at the server: expected {len(line.encode()) + 1}, found {len(server.wire)}:",
              server.wire.decode("utf-8", "backslashreplace").replace("😀", "")[:60])


def control_z(program):
    """At the start of a line Ctrl+Z is the end; within one, what comes before it is still sent."""
    for keys, wire in [("hi/^/never/", b"hi\n"), ("hi/ab^cd/never/", b"hi\nab")]:
        server = Server({b"hi": b"yo\n"}, one_by_one=False)
        client = Client("feed.exe", "console", keys, program, "--quiet", "127.0.0.1", str(server.port))
        expect(f"{keys}: exit status", 0, client.status())
        expect(f"{keys}: bytes at the server", wire, server.wire)
        expect_on_screen(client, "yo")


def empty_write(program):
    """A write of no bytes into the pipe from which the client reads is not the end of its input."""
    server = Server({}, one_by_one=False)
    client = Client("feed.exe", "pipe", "one/^two/^^", program, "--quiet", "127.0.0.1", str(server.port))
    expect("exit status", 0, client.status())
    expect("bytes at the server", b"one\ntwo\n", server.wire)


def control_c(program):
    """Ctrl+C ends the client; it does not say that the input has ended, and sends nothing more."""
    server = Server({}, one_by_one=False)
    client = Client(program, "127.0.0.1", str(server.port))
    expect_on_screen(client, PROMPT)
    client.type(b"half a line")
    expect_on_screen(client, "halfaline")
    client.type(CONTROL_C)
    if client.status() is None:
        print("Ctrl+C does not end the client")
    if "SD_SEND" in client.screen():
        print("the client takes Ctrl+C for the end of its input")
    expect("bytes at the server", b"", server.wire)


def batch(program):
    """Prints the screen of a batch file that asks for nothing, without spaces."""
    client = Client("cmd", "/c", program)
    expect("exit status", 0, client.status())
    print(client.screen())


SESSIONS = [letters, long_line, control_z, control_c, empty_write, batch]
{session.__name__: session for session in SESSIONS}[sys.argv[1]](sys.argv[2])
