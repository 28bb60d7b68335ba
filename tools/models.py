#!/usr/bin/env python3
"""Draws the pictures of the lessons: chNN/model.svg, states.svg, calls.svg and client.svg, and
each of them once more in Korean: model.ko.svg and so on. For maintainers; python3 and nothing else.

    tools/models.py           writes them
    tools/models.py --check   names those that are not as this program draws them

model.svg: a panel has lanes; a lane has bars (kind, from, to, text) on a time axis from 0 to 100.
The text is above its bar, or with ">" behind it. An arrow goes from one lane to another at a
moment. The other pictures show the finished server of the chapter: boxes with lines of text, the
first of them a name, and arrows. A red arrow is a notification.

The texts in the drawing functions are English. KOREAN, at the end, has each of them in Korean; a
text that is not there is an error, and so is one there that no picture has. Texts that consist of
names in the code are the same in both languages.
"""
import pathlib
import re
import sys
import unicodedata
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 150, 20
LANE, BAR, TITLE, GAP = 46, 16, 34, 18
LINE = 17  # from one line of text to the next

ROOT = pathlib.Path(__file__).resolve().parent.parent

STYLE = """
.page { fill: #ffffff }
text { font: 13px system-ui, 'Segoe UI', 'Malgun Gothic', 'Noto Sans KR', sans-serif;
  fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.name { font-weight: 600 }
.small { font-size: 12px }
.over { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
.line { stroke: #818b98; stroke-width: 1; fill: none }
.point { fill: #818b98 }
.box { fill: #818b98; fill-opacity: 0.1; stroke: #818b98 }
.lent { fill: #1a7f37; fill-opacity: 0.15; stroke: #1a7f37 }
.call { fill: #0969da }
.wait { fill: #0969da; fill-opacity: 0.15; stroke: #0969da; stroke-dasharray: 4 3 }
.work { fill: #9a6700; fill-opacity: 0.45 }
.transfer { fill: #1a7f37 }
.told { stroke: #cf222e; stroke-width: 2; fill: none }
.head { fill: #cf222e }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #f0f6fc }
  .over { stroke: #0d1117 }
  .line { stroke: #9198a1 }
  .point { fill: #9198a1 }
  .box { fill: #9198a1; stroke: #9198a1 }
  .lent { fill: #3fb950; stroke: #3fb950 }
  .call { fill: #4493f8 }
  .wait { fill: #4493f8; stroke: #4493f8 }
  .work { fill: #d29922 }
  .transfer { fill: #3fb950 }
  .told { stroke: #f85149 }
  .head { fill: #f85149 }
}
"""


def x_of(moment):
    return LEFT + (WIDTH - LEFT - RIGHT) * moment / 100


def width_of(words):
    """About how many pixels the words take; a Korean letter counts twice."""
    return 7 * sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in words)


# A name of the code has an underscore or two capitals, or is one of these.
NAME = re.compile(r"\w*(_|[A-Z]\w*[A-Z])\w*|\d+|main|accept|receive|recv")


class Picture:
    used = set()  # the keys of KOREAN that a picture has asked for, also in vain

    def __init__(self, korean):
        self.korean = korean
        self.y = 10
        self.parts = []

    def say(self, *lines):
        """The lines in the language of the picture; in Korean they may be more, or fewer."""
        if not self.korean or all(map(NAME.fullmatch, re.findall(r"\w+", " ".join(lines)))):
            return list(lines)
        english = "\n".join(lines)
        self.used.add(english)
        return KOREAN.get(english, english).split("\n")

    def add(self, text):
        self.parts.append(text)

    def write(self, x, y, words, kind="small", anchor=""):
        anchor = anchor and f' text-anchor="{anchor}"'
        self.add(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}"{anchor}>{escape(words)}</text>')

    def lines(self, x, y, lines, kind="small", anchor=""):
        for i, words in enumerate(self.say(*lines)):
            self.write(x, y + LINE * i, words, kind, anchor)

    def text(self, x, y, words, kind="small", anchor=""):
        self.lines(x, y, [words], kind, anchor)

    def rect(self, kind, x, y, width, height):
        self.add(f'<rect class="{kind}" x="{x:.0f}" y="{y}" width="{width:.0f}" '
                 f'height="{height}" rx="2"/>')

    def box(self, kind, x, y, width, height, name, *lines):
        if kind:
            self.rect(kind, x, y, width, height)
        middle, first = x + width / 2, y + (height - LINE * len(self.say(*lines))) / 2 + 4
        self.text(middle, first, name, "name", "middle")
        self.lines(middle, first + LINE, lines, anchor="middle")

    def arrow(self, kind, *points):
        """A path through points; each of its pieces is vertical or horizontal."""
        (before_x, before_y), (x, y) = points[-2:]
        across = 7 * ((x > before_x) - (x < before_x))
        down = 7 * ((y > before_y) - (y < before_y))
        path = "M{:.0f} {:.0f}".format(*points[0])
        for (from_x, _), (to_x, to_y) in zip(points, [*points[1:-1], (x - across, y - down)]):
            path += f"V{to_y:.0f}" if to_x == from_x else f"H{to_x:.0f}"
        self.add(f'<path class="{kind}" d="{path}"/>')
        side = f"h10l-5 {down}z" if down else f"v10l{across} -5z"
        self.add(f'<path class="{"head" if kind == "told" else "point"}" '
                 f'd="M{x - (across or 5):.0f} {y - (down or 5):.0f}{side}"/>')

    def title(self, words):
        self.text(10, self.y + 16, words, "title")
        return self.y + TITLE

    def panel(self, title, lanes, arrows=()):
        top = self.title(title)
        bars = [top + LANE * i + 20 for i in range(len(lanes))]
        reached = {(moment, bars[target]) for moment, source, target in arrows if target > source}
        texts = []  # above the arrows, so that none of them makes one hard to read
        for bar, (name, items) in zip(bars, lanes):
            self.text(10, bar + 13, name)
            middle = bar + BAR / 2
            self.add(f'<path class="line" d="M{LEFT} {middle:.0f}H{WIDTH - RIGHT}"/>')
            for kind, begin, end, words in items:
                x, width = x_of(begin), max(x_of(end) - x_of(begin), 4)
                self.rect(kind, x, bar, width, BAR)
                words = self.say(words)[0]
                if words.startswith(">"):
                    texts.append((x + width + 6, bar + 3, words[1:]))
                else:
                    aside = 8 if (begin, bar) in reached else 0
                    texts.append((x + aside, bar - 5, words))
        for moment, source, target in arrows:
            x = x_of(moment)
            down = bars[target] > bars[source]
            begin = bars[source] + (BAR if down else 0)
            end = bars[target] + (0 if down else BAR)
            self.arrow("told", (x, begin), (x, end))
        for x, y, words in texts:
            self.write(x, y, words, "small over")
        self.y = top + LANE * len(lanes) + GAP

    def legend(self, kinds):
        x = 10
        for kind, words in kinds:
            if kind in ("told", "line"):
                self.arrow(kind, (x + 4, self.y), (x + 4, self.y + 13))
                x -= 12
            else:
                self.rect(kind, x, self.y, 22, 12)
            self.text(x + 28, self.y + 11, words)
            x += 45 + width_of(self.say(words)[0]) + 22
        self.y += 28

    def svg(self, name, description, said=""):
        """said: the end of the description, in the language of the picture."""
        body = "\n".join(self.parts)
        name, description = self.say(name)[0], self.say(description)[0] + said
        language = ' xml:lang="ko"' if self.korean else ""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y}" '
                f'role="img"{language}>\n'
                f"<title>{escape(name)}</title>\n<desc>{escape(description)}</desc>\n"
                f"<style>{STYLE}</style>\n"
                f'<rect class="page" width="100%" height="100%"/>\n{body}\n</svg>\n')


TIMES = (("call", "a call"), ("wait", "the thread waits"), ("work", "the thread works"),
         ("transfer", "bytes on their way"), ("told", "the program is notified"))


def ch21(p):
    p.panel("Synchronous I/O: the call lasts as long as the transfer", [
        ("thread", [("wait", 8, 60, "send: the thread can do nothing else"),
                    ("work", 62, 98, "other work")]),
        ("transfer", [("transfer", 8, 60, "the bytes are sent")])],
        [(60, 1, 0)])
    p.panel("Asynchronous I/O: the call only begins the transfer", [
        ("thread", [("call", 8, 11, "WSASend"), ("work", 24, 98, "other work")]),
        ("transfer", [("transfer", 11, 60, "the bytes are sent")])])
    p.panel("Synchronous notification: the call that asks returns the answer", [
        ("thread", [("wait", 8, 60, "select: until a socket is ready"), ("call", 62, 66, "recv")]),
        ("socket", [("transfer", 45, 60, "bytes arrive")])],
        [(60, 1, 0)])
    p.panel("Asynchronous notification: registered once, asked later", [
        ("thread", [("call", 8, 11, "WSAEventSelect"), ("work", 28, 68, "other work"),
                    ("call", 69, 72, "is it signalled?"), ("call", 84, 88, "recv")]),
        ("event", [("wait", 60, 84, "signalled")]),
        ("socket", [("transfer", 45, 60, "bytes arrive")])],
        [(60, 2, 1), (70, 1, 0)])
    p.legend(TIMES)
    return p.svg(
        "Synchronous and asynchronous I/O, synchronous and asynchronous notification",
        "Four time lines. A synchronous call lasts as long as the transfer; an "
        "asynchronous one only begins it. select asks and gets the answer in one call; "
        "WSAEventSelect registers once, and an event object is signalled later.")


def ch22_event(p):
    p.panel("Two operations of one thread are in progress at the same time", [
        ("thread", [("call", 4, 7, "WSARecv"), ("call", 16, 19, "WSASend"),
                    ("work", 28, 46, "other work"), ("wait", 46, 55, "wait"),
                    ("call", 56, 59, "result: bytes sent"),
                    ("wait", 75, 84, "wait"), ("call", 85, 88, "bytes received")]),
        ("event of the send", [("wait", 54, 59, ">signalled")]),
        ("event of the receive", [("wait", 83, 88, ">signalled")]),
        ("the send", [("transfer", 19, 54, "its buffer belongs to the system")]),
        ("the receive", [("transfer", 7, 83, "its buffer belongs to the system")])],
        [(54, 3, 1), (83, 4, 2), (55, 1, 0), (84, 2, 0)])
    p.legend(TIMES)
    return p.svg(
        "Overlapped I/O: an event object shows that a transfer is complete",
        "A time line: one thread begins a receive and a send, works meanwhile, and "
        "learns from two event objects that they are complete.")


def ch22_routine(p):
    p.panel("A routine runs only inside an alertable wait of the thread that began the operation", [
        ("thread", [("call", 4, 7, "WSARecv"), ("call", 16, 19, "WSASend"),
                    ("work", 28, 52, "other work: no routine runs"),
                    ("wait", 52, 98, ""), ("call", 56, 64, "send_completed"),
                    ("call", 81, 90, "receive_completed")]),
        ("alertable wait", [("wait", 52, 98, "      WSAWaitForMultipleEvents(..., TRUE)")]),
        ("the send", [("transfer", 19, 38, "in progress"),
                      ("wait", 38, 56, "complete: routine due")]),
        ("the receive", [("transfer", 7, 81, "in progress")])],
        [(56, 2, 0), (81, 3, 0)])
    p.legend(TIMES)
    return p.svg(
        "Overlapped I/O: the system calls a completion routine",
        "A time line: the routines of a send and of a receive run only while the thread "
        "waits alertably, although the send is complete earlier.")


def ch23(p):
    p.panel("Whichever worker is free takes the next packet", [
        ("client 1", [("transfer", 2, 20, "a receive in progress"), ("transfer", 35, 70, "a receive in progress")]),
        ("client 2", [("transfer", 2, 25, ""), ("transfer", 46, 88, "a receive in progress")]),
        ("completion port", [("wait", 20, 22, ""), ("wait", 25, 36, ">a packet of 2 waits in the queue"),
                             ("wait", 70, 72, ">a packet of 1")]),
        ("worker A", [("wait", 2, 22, "waits for a packet"), ("call", 22, 35.5, "echo to 1"),
                      ("call", 36, 46, "echo to 2"), ("wait", 46, 98, "")]),
        ("worker B", [("work", 2, 45, "busy with another client"), ("wait", 45, 72, "waits for a packet"),
                      ("call", 72, 84, "echo to 1")])],
        [(20, 0, 2), (25, 1, 2), (22, 2, 3), (36, 2, 3), (70, 0, 2), (72, 2, 4)])
    p.legend(TIMES)
    return p.svg(
        "I/O completion ports: several workers take packets from one queue",
        "A time line: the operations of two clients become packets in one queue, and "
        "whichever of two workers is free takes the next one.")


# ---- the states of a client ----------------------------------------------------------------------


def states(p, first, receiving, sending, closing, moves, legend):
    """A box is (kind, name, line ...). moves: which way -> (kind of its arrow, line ...)."""
    top = p.title("What leads a client of the server from one state to the next") + 58
    middle, bottom, low, end = top + 33, top + 66, top + 150, top + 180
    for (kind, *words), x, width in ((first, 10, 155), (receiving, 270, 175),
                                     (sending, 655, 175)):
        p.box(kind, x, top, width, 66, *words)
    kind, *words = closing
    p.box(kind, 450, low, 200, 60, *words)

    def move(way, points, x, y, anchor=""):
        if way in moves:
            kind, *words = moves[way]
            p.arrow(kind, *points)
            p.lines(x, y - LINE * (len(p.say(*words)) - 1), words, anchor=anchor)

    move("begins", [(165, middle), (270, middle)], 217, middle - 8, "middle")
    move("received", [(445, middle - 15), (655, middle - 15)], 550, middle - 23, "middle")
    move("sent", [(655, middle + 15), (445, middle + 15)], 550, middle + 48, "middle")
    for way, x, text, anchor in (("still receiving", 357, 270, ""),
                                 ("still sending", 742, 850, "end")):
        loop = [(x - 25, top), (x - 25, top - 20), (x + 25, top - 20), (x + 25, top)]
        move(way, loop, text, top - 27, anchor)
    move("first ends", [(87, bottom), (87, end), (450, end)], 95, end - 7)
    move("receiving ends", [(357, bottom), (357, end), (450, end)], 349, bottom + 56, "end")
    move("sending ends", [(742, bottom), (742, end), (650, end)], 734, bottom + 56, "end")
    p.y = end + 52
    p.legend(legend)
    said = "; ".join(f"{p.say(way)[0]}: {', '.join(p.say(*words))}"
                     for way, (_, *words) in moves.items())
    return p.svg("The states of a client", "Boxes and arrows:",
                 " " + re.sub("(?<=[:,]),", "", said) + ".")


TOLD = ("told", "the program is notified")
GOES_ON = ("line", "it goes on without a notification")
IN_PROGRESS = ("lent", "an operation is in progress")
CONNECTS = ("", "a client connects")
CLOSING = ("box", "CLOSING", "close_client")


def ch21_states(p):
    return states(
        p, CONNECTS,
        ("box", "RECEIVING", "waits for FD_READ", "or FD_CLOSE"),
        ("box", "SENDING", "after a refused send", "waits for FD_WRITE"), CLOSING, {
            "begins": ("told", "FD_ACCEPT:", "accept"),
            "received": ("told", "FD_READ or FD_CLOSE:", "recv, then send_rest"),
            "sent": ("line", "all is sent", "(FD_CLOSE came: WSASetEvent)"),
            "still receiving": ("told", "FD_WRITE: nothing to send",
                                "FD_READ, but recv: WSAEWOULDBLOCK"),
            "still sending": ("told", "FD_READ, FD_CLOSE: remembered", "FD_WRITE: send_rest"),
            "receiving ends": ("told", "recv gives 0: shutdown,", "or recv fails,",
                               "or an error comes with the event"),
            "sending ends": ("told", "send fails,", "or an error comes with the event"),
        }, (TOLD, GOES_ON))


def ch22_event_states(p):
    return states(
        p, CONNECTS, ("lent", "RECEIVING", "WSARecv in progress"),
        ("lent", "SENDING", "WSASend in progress"), CLOSING, {
            "begins": ("told", "FD_ACCEPT:", "accept,", "receive"),
            "received": ("told", "event, receive_completed,", "send_rest: WSASend"),
            "sent": ("line", "all is sent:", "receive: WSARecv"),
            "still sending": ("told", "event, send_completed,", "send_rest: WSASend of the rest"),
            "receiving ends": ("told", "0 bytes received: shutdown,",
                               "or the operation or WSARecv fails"),
            "sending ends": ("told", "the operation or WSASend fails"),
        }, (TOLD, GOES_ON, IN_PROGRESS))


def ch22_routine_states(p):
    return states(
        p, CONNECTS, ("lent", "RECEIVING", "WSARecv in progress,", "or due"),
        ("lent", "SENDING", "WSASend in progress"), CLOSING, {
            "begins": ("told", "FD_ACCEPT:", "accept,", "receive"),
            "received": ("told", "receive_completed,", "send_rest: WSASend"),
            "sent": ("told", "send_completed, all is sent:", "receive: WSARecv"),
            "still sending": ("told", "send_completed,", "send_rest: WSASend of the rest"),
            "receiving ends": ("told", "0 bytes received: shutdown,",
                               "or the operation or WSARecv fails"),
            "sending ends": ("told", "the operation or WSASend fails"),
        }, (TOLD, ("lent", "an operation is in progress or due")))


def ch23_states(p):
    return states(
        p, ("lent", "ACCEPTING", "AcceptEx in progress"),
        ("lent", "RECEIVING", "WSARecv in progress"),
        ("lent", "SENDING", "WSASend in progress"), ("", "close_client"), {
            "begins": ("told", "a packet:", "accept_client,", "receive"),
            "received": ("told", "a packet: receive_completed,", "send_rest: WSASend"),
            "sent": ("line", "all is sent:", "receive: WSARecv"),
            "still sending": ("told", "a packet: send_completed,",
                              "send_rest: WSASend of the rest"),
            "first ends": ("told", "the accept fails"),
            "receiving ends": ("told", "0 bytes received: shutdown,",
                               "or the operation or WSARecv fails"),
            "sending ends": ("told", "the operation or WSASend fails"),
        }, (TOLD, GOES_ON, IN_PROGRESS))


# ---- who calls whom ------------------------------------------------------------------------------


def ch22_routine_calls(p):
    top, row, left, right = p.title("Who calls whom in the server"), 32, 430, 850
    calls = (  # depth, kind, words
        (0, "", "main"),
        (1, "", "start_accepting: WSAEventSelect"),
        (1, "", "serve_until_stopped, again and again:"),
        (2, "wait", "WSAWaitForMultipleEvents(..., TRUE)"),
        (2, "", "STOP is signalled: return"),
        (2, "", "LISTENER is signalled: accept_client"),
        (3, "", "receive: WSARecv"),
        (2, "wait", "and after that: SleepEx(0, TRUE)"),
        (2, "", "after routines, or LISTENER: receive_again"),
        (3, "", "receive: WSARecv, for each in the list"),
        (1, "", "stop_serving"),
        (2, "", "CancelIoEx, for each client"),
        (2, "wait", "SleepEx(INFINITE, TRUE), until none is left"))
    above = {}
    p.rect("wait", left, top, right - left, row * len(calls))
    for i, (depth, kind, words) in enumerate(calls):
        x, y = 12 + 22 * depth, top + row * i + row // 2
        if depth > 0:
            p.add(f'<path class="line" d="M{x - 14} {above[depth - 1]}V{y}h10"/>')
        above[depth] = y + 7
        if kind:
            p.rect(kind, x - 4, y - 11, 385 - x, 22)
            p.arrow("told", (381, y), (left, y))
        p.text(x, y + 4, words)

    def y_of(call):
        return top + row * call + row // 2

    p.text(left + 10, top + 20, "inside these waits, on the same thread, the system calls")
    routines = top + 32
    p.box("box", 445, routines, 192, 86, "receive_completed", "bytes: send_rest, WSASend",
          "0 bytes: shutdown, CLOSING", "error or stop: CLOSING")
    p.box("box", 648, routines, 192, 86, "send_completed", "a rest: send_rest, WSASend",
          "all is sent: RECEIVING", "error or stop: CLOSING")
    p.box("box", 445, routines + 106, 395, 44, "serve_client", "SENDING: a send is in progress")
    for x in (541, 744):
        p.arrow("line", (x, routines + 86), (x, routines + 106))
        p.arrow("line", (x, routines + 150), (x, y_of(8) - 22))
    p.text(549, routines + 174, "RECEIVING")
    p.text(752, routines + 174, "CLOSING")
    p.box("box", 445, y_of(8) - 22, 192, 44, "the list echoed", "their next receive is due")
    p.box("box", 648, y_of(8) - 22, 192, 44, "close_client")
    p.arrow("line", (445, y_of(8)), (355, y_of(8)))
    p.lines(445, y_of(10), ["The routine of an operation that a routine begins is called later,",
                            "by the system, in this wait or in the next one."])
    p.y = top + row * len(calls) + 14
    p.text(10, p.y + 12, "Ctrl+C: the system calls request_stop on a separate thread: "
           "WSASetEvent makes STOP signalled.")
    p.y += 34
    p.legend((("wait", "an alertable wait"), ("told", "the system calls a routine"),
              ("line", "what follows")))
    return p.svg(
        "Who calls whom in the server with completion routines",
        "main calls start_accepting, serve_until_stopped and stop_serving. Three calls are "
        "alertable waits; inside them the system calls receive_completed and send_completed. "
        "What these have sent back puts the client into the list echoed, and receive_again "
        "begins the next receive after the wait.")


# ---- a client in memory --------------------------------------------------------------------------


def client(p, folder, told, given):
    """The members are those of the server's source, and so are their comments."""
    source = (ROOT / folder / "server.c").read_text(encoding="utf-8")
    body = re.search(r"^struct client \{\n(.*?)^\};", source, re.S | re.M).group(1)
    y, x = p.title("A client in memory, and the OVERLAPPED in it") + 8, 385
    begin = y
    for member, comment in re.findall(r"^    (.*?);(?: +/\* (.*) \*/)?$", body, re.M):
        lent = re.search(r"\b(overlapped|buffer|addresses)\b", member)
        height = 44 if lent else 29
        p.rect("lent" if lent else "box", x, y, WIDTH - 10 - x, height)
        p.write(x + 8, y + height / 2 + 4, member)
        p.text(WIDTH - 18, y + height / 2 + 4, comment, anchor="end")
        if member.endswith(" overlapped"):
            part = y
        y += height
    p.arrow("line", (300, begin), (x, begin))
    p.text(10, begin + 4, "client: the address of the whole", "name")
    p.arrow("told", (300, part), (x, part))
    p.text(10, part + 4, "overlapped: the address of the part", "name")
    p.lines(10, part + 4 + LINE, told)
    p.arrow("line", (342, part), (342, begin))
    p.lines(10, begin + 4 + 1.5 * LINE, ["CONTAINING_RECORD(overlapped,",
                                         "struct client, overlapped) subtracts",
                                         "the bytes that come before overlapped"])
    p.lines(10, part + 4 + LINE * (len(p.say(*told)) + 2), given)
    p.y = y + 16
    p.legend((("lent", "belongs to the system while an operation is in progress"), TOLD,
              ("line", "an address")))
    return p.svg(
        "A client in memory",
        "The members of struct client from the lowest address on. The system hands over the "
        "address of the member overlapped; CONTAINING_RECORD subtracts the distance between the "
        "beginning of the structure and this member, and so finds the client.")


def ch22_routine_client(p):
    return client(p, "ch22_completion_routine",
                  ["the system hands it to receive_completed", "or send_completed"],
                  ["fresh_overlapped had given this address", "to WSARecv or WSASend"])


def ch23_client(p):
    return client(p, "ch23_iocp",
                  ["the packet has it, and", "GetQueuedCompletionStatus gives it back"],
                  ["fresh_overlapped had given this address", "to AcceptEx, WSARecv or WSASend"])


PICTURES = {
    "ch21_event_select/model.svg": ch21,
    "ch21_event_select/states.svg": ch21_states,
    "ch22_overlapped_event/model.svg": ch22_event,
    "ch22_overlapped_event/states.svg": ch22_event_states,
    "ch22_completion_routine/model.svg": ch22_routine,
    "ch22_completion_routine/states.svg": ch22_routine_states,
    "ch22_completion_routine/calls.svg": ch22_routine_calls,
    "ch22_completion_routine/client.svg": ch22_routine_client,
    "ch23_iocp/model.svg": ch23,
    "ch23_iocp/states.svg": ch23_states,
    "ch23_iocp/client.svg": ch23_client,
}


# ---- the Korean texts ----------------------------------------------------------------------------

KOREAN = {
    # model.svg: all chapters
    "a call": "함수 호출",
    "the thread waits": "쓰레드가 기다리는 중",
    "the thread works": "쓰레드가 일하는 중",
    "bytes on their way": "전송 중인 데이터",
    "the program is notified": "프로그램에 알림이 옴",
    "thread": "쓰레드",
    "transfer": "전송",
    "socket": "소켓",
    "other work": "다른 일",
    "wait": "대기",
    "in progress": "진행 중",
    "the send": "송신",
    "the receive": "수신",

    # chapter 21
    "Synchronous I/O: the call lasts as long as the transfer":
        "동기 입출력: 전송이 끝나야 함수가 반환됨",
    "send: the thread can do nothing else": "send: 쓰레드는 다른 일을 하지 못함",
    "the bytes are sent": "데이터를 보내는 중",
    "Asynchronous I/O: the call only begins the transfer":
        "비동기 입출력: 함수는 전송을 시작만 하고 반환됨",
    "Synchronous notification: the call that asks returns the answer":
        "동기 알림: 물어본 함수가 반환될 때 답을 받음",
    "select: until a socket is ready": "select: 소켓이 준비될 때까지",
    "bytes arrive": "데이터 도착",
    "Asynchronous notification: registered once, asked later":
        "비동기 알림: 한 번 등록해 두고 나중에 확인함",
    "is it signalled?": "signaled 상태?",
    "signalled": ">signaled 상태",
    "event": "Event 오브젝트",
    "Synchronous and asynchronous I/O, synchronous and asynchronous notification":
        "동기 입출력과 비동기 입출력, 동기 알림과 비동기 알림",
    "Four time lines. A synchronous call lasts as long as the transfer; an asynchronous one only "
    "begins it. select asks and gets the answer in one call; WSAEventSelect registers once, and an "
    "event object is signalled later.":
        "시간 축 네 개입니다. 동기 함수는 전송이 끝나야 반환되고, 비동기 함수는 전송을 시작만 하고 "
        "반환됩니다. select는 한 번의 호출로 묻고 답을 받습니다. WSAEventSelect로 한 번 등록해 두면 "
        "나중에 Event 오브젝트가 signaled 상태가 됩니다.",

    # chapter 22, events
    "Two operations of one thread are in progress at the same time":
        "쓰레드 하나가 시작한 작업 둘이 동시에 진행됨",
    "result: bytes sent": "결과: 보낸 바이트 수",
    "bytes received": "받은 바이트 수",
    ">signalled": ">signaled 상태",
    "event of the send": "송신의 Event 오브젝트",
    "event of the receive": "수신의 Event 오브젝트",
    "its buffer belongs to the system": "버퍼는 운영체제가 사용 중",
    "Overlapped I/O: an event object shows that a transfer is complete":
        "Overlapped IO: 전송의 완료를 Event 오브젝트로 확인",
    "A time line: one thread begins a receive and a send, works meanwhile, and learns from two "
    "event objects that they are complete.":
        "시간 축 하나입니다. 쓰레드 하나가 수신과 송신을 시작하고, 그동안 다른 일을 하다가, 둘이 "
        "완료된 것을 Event 오브젝트 둘로 알게 됩니다.",

    # chapter 22, routines
    "A routine runs only inside an alertable wait of the thread that began the operation":
        "루틴은 작업을 시작한 쓰레드의 alertable wait 안에서만 호출됨",
    "other work: no routine runs": "다른 일: 루틴이 호출되지 않음",
    "alertable wait": "alertable wait",
    "complete: routine due": "완료: 루틴 호출 대기",
    "Overlapped I/O: the system calls a completion routine":
        "Overlapped IO: 운영체제가 완료 루틴을 호출",
    "A time line: the routines of a send and of a receive run only while the thread waits "
    "alertably, although the send is complete earlier.":
        "시간 축 하나입니다. 송신은 더 일찍 완료되었지만, 송신의 루틴도 수신의 루틴도 쓰레드가 "
        "alertable wait에 있을 때만 호출됩니다.",

    # chapter 23
    "Whichever worker is free takes the next packet": "쉬고 있는 worker가 다음 완료 패킷을 꺼냄",
    "client 1": "클라이언트 1",
    "client 2": "클라이언트 2",
    "a receive in progress": "수신 진행 중",
    "completion port": "완료 포트",
    ">a packet of 2 waits in the queue": ">클라이언트 2의 완료 패킷이 큐에 있음",
    ">a packet of 1": ">클라이언트 1의 완료 패킷",
    "worker A": "worker A",
    "worker B": "worker B",
    "waits for a packet": "완료 패킷을 기다림",
    "echo to 1": "1에 에코",
    "echo to 2": "2에 에코",
    "busy with another client": "다른 클라이언트를 처리하는 중",
    "I/O completion ports: several workers take packets from one queue":
        "IOCP: 여러 worker가 큐 하나에서 완료 패킷을 꺼냄",
    "A time line: the operations of two clients become packets in one queue, and whichever of two "
    "workers is free takes the next one.":
        "시간 축 하나입니다. 두 클라이언트의 작업이 완료될 때마다 큐 하나에 완료 패킷이 들어가고, "
        "두 worker 가운데 쉬고 있는 쪽이 다음 완료 패킷을 꺼냅니다.",

    # states.svg
    "What leads a client of the server from one state to the next": "클라이언트의 상태를 바꾸는 것",
    "The states of a client": "클라이언트의 상태",
    "Boxes and arrows:": "상자와 화살표입니다.",
    "begins": "시작",
    "received": "수신한 뒤",
    "sent": "송신한 뒤",
    "still receiving": "계속 수신",
    "still sending": "계속 송신",
    "first ends": "시작하지 못함",
    "receiving ends": "수신의 끝",
    "sending ends": "송신의 끝",
    "it goes on without a notification": "알림 없이 바뀜",
    "an operation is in progress": "작업이 진행 중",
    "an operation is in progress or due": "작업이 진행 중이거나 차례를 기다림",
    "a client connects": "클라이언트가 연결함",
    "waits for FD_READ\nor FD_CLOSE": "FD_READ나\nFD_CLOSE를 기다림",
    "after a refused send\nwaits for FD_WRITE": "send: WSAEWOULDBLOCK\nFD_WRITE를 기다림",
    "FD_READ or FD_CLOSE:\nrecv, then send_rest": "FD_READ나 FD_CLOSE:\nrecv, 그다음 send_rest",
    "all is sent\n(FD_CLOSE came: WSASetEvent)": "모두 보냄\n(FD_CLOSE가 왔으면 WSASetEvent)",
    "FD_WRITE: nothing to send\nFD_READ, but recv: WSAEWOULDBLOCK":
        "FD_WRITE: 보낼 것이 없음\nFD_READ가 왔지만 recv: WSAEWOULDBLOCK",
    "FD_READ, FD_CLOSE: remembered\nFD_WRITE: send_rest":
        "FD_READ, FD_CLOSE: 기억해 둠\nFD_WRITE: send_rest",
    "recv gives 0: shutdown,\nor recv fails,\nor an error comes with the event":
        "recv가 0을 반환: shutdown\n또는 recv가 실패\n또는 네트워크 이벤트에 오류 코드가 있음",
    "send fails,\nor an error comes with the event":
        "send가 실패\n또는 네트워크 이벤트에 오류 코드가 있음",
    "WSARecv in progress": "WSARecv 진행 중",
    "WSASend in progress": "WSASend 진행 중",
    "AcceptEx in progress": "AcceptEx 진행 중",
    "WSARecv in progress,\nor due": "WSARecv 진행 중\n또는 차례를 기다림",
    "event, receive_completed,\nsend_rest: WSASend":
        "Event 오브젝트: receive_completed,\nsend_rest: WSASend",
    "event, send_completed,\nsend_rest: WSASend of the rest":
        "Event 오브젝트: send_completed,\nsend_rest: 나머지를 WSASend",
    "send_completed,\nsend_rest: WSASend of the rest":
        "send_completed,\nsend_rest: 나머지를 WSASend",
    "all is sent:\nreceive: WSARecv": "모두 보냄:\nreceive: WSARecv",
    "send_completed, all is sent:\nreceive: WSARecv":
        "send_completed, 모두 보냄:\nreceive: WSARecv",
    "0 bytes received: shutdown,\nor the operation or WSARecv fails":
        "0바이트 수신: shutdown\n또는 작업이나 WSARecv 호출이 실패",
    "the operation or WSASend fails": "작업이나 WSASend 호출이 실패",
    "a packet:\naccept_client,\nreceive": "완료 패킷:\naccept_client,\nreceive",
    "a packet: receive_completed,\nsend_rest: WSASend":
        "완료 패킷: receive_completed,\nsend_rest: WSASend",
    "a packet: send_completed,\nsend_rest: WSASend of the rest":
        "완료 패킷: send_completed,\nsend_rest: 나머지를 WSASend",
    "the accept fails": "accept 작업이 실패",

    # calls.svg
    "Who calls whom in the server": "서버의 함수 호출 관계",
    "serve_until_stopped, again and again:": "serve_until_stopped, 되풀이:",
    "STOP is signalled: return": "STOP이 signaled 상태: 반환",
    "LISTENER is signalled: accept_client": "LISTENER가 signaled 상태: accept_client",
    "and after that: SleepEx(0, TRUE)": "그다음: SleepEx(0, TRUE)",
    "after routines, or LISTENER: receive_again": "루틴이나 LISTENER를 처리한 뒤: receive_again",
    "receive: WSARecv, for each in the list": "receive: WSARecv, 목록의 클라이언트마다",
    "CancelIoEx, for each client": "CancelIoEx, 클라이언트마다",
    "SleepEx(INFINITE, TRUE), until none is left": "SleepEx(INFINITE, TRUE), 모두 없어질 때까지",
    "inside these waits, on the same thread, the system calls":
        "이렇게 대기하는 동안 같은 쓰레드에서 운영체제가 호출하는 루틴",
    "bytes: send_rest, WSASend\n0 bytes: shutdown, CLOSING\nerror or stop: CLOSING":
        "데이터: send_rest, WSASend\n0바이트: shutdown, CLOSING\n오류나 종료 요청: CLOSING",
    "a rest: send_rest, WSASend\nall is sent: RECEIVING\nerror or stop: CLOSING":
        "나머지: send_rest, WSASend\n모두 보냄: RECEIVING\n오류나 종료 요청: CLOSING",
    "SENDING: a send is in progress": "SENDING: 송신 진행 중",
    "the list echoed": "echoed 목록",
    "their next receive is due": "다음 수신의 차례를 기다림",
    "The routine of an operation that a routine begins is called later,\n"
    "by the system, in this wait or in the next one.":
        "루틴이 작업을 시작하면, 그 작업의 루틴은 나중에\n"
        "이번 대기나 다음 대기에서 운영체제가 호출합니다.",
    "Ctrl+C: the system calls request_stop on a separate thread: WSASetEvent makes STOP signalled.":
        "Ctrl+C: 운영체제가 별도의 쓰레드에서 request_stop을 호출하고, WSASetEvent로 STOP이 signaled "
        "상태가 됩니다.",
    "an alertable wait": "alertable wait",
    "the system calls a routine": "운영체제가 루틴을 호출",
    "what follows": "그다음",
    "Who calls whom in the server with completion routines":
        "완료 루틴을 사용하는 서버의 함수 호출 관계",
    "main calls start_accepting, serve_until_stopped and stop_serving. Three calls are alertable "
    "waits; inside them the system calls receive_completed and send_completed. What these have "
    "sent back puts the client into the list echoed, and receive_again begins the next receive "
    "after the wait.":
        "main은 start_accepting, serve_until_stopped, stop_serving을 호출합니다. 호출 셋이 alertable "
        "wait이고, 그 안에서 운영체제가 receive_completed와 send_completed를 호출합니다. 모두 "
        "돌려보낸 클라이언트는 echoed 목록에 들어가고, 대기 함수가 반환된 뒤 receive_again이 다음 "
        "수신을 시작합니다.",

    # client.svg; the comments are those of struct client
    "A client in memory, and the OVERLAPPED in it": "메모리에 있는 클라이언트와 그 안의 OVERLAPPED",
    "of the one operation in progress": "진행 중인 작업 하나의 정보",
    "bytes in buffer": "buffer에 있는 바이트 수",
    "how many of them have been sent back": "그 가운데 돌려보낸 바이트 수",
    "in the list clients": "clients 목록에서",
    "in the list echoed": "echoed 목록에서",
    "AcceptEx writes both addresses here": "AcceptEx가 두 주소를 쓰는 곳",
    "client: the address of the whole": "client: 구조체 전체의 주소",
    "overlapped: the address of the part": "overlapped: 멤버의 주소",
    "CONTAINING_RECORD(overlapped,\nstruct client, overlapped) subtracts\n"
    "the bytes that come before overlapped":
        "CONTAINING_RECORD(overlapped,\nstruct client, overlapped)로\n"
        "overlapped 앞의 바이트 수를 뺌",
    "the system hands it to receive_completed\nor send_completed":
        "운영체제가 receive_completed나\nsend_completed에 넘겨줌",
    "the packet has it, and\nGetQueuedCompletionStatus gives it back":
        "완료 패킷에 들어 있고,\nGetQueuedCompletionStatus로 돌려받음",
    "fresh_overlapped had given this address\nto WSARecv or WSASend":
        "작업을 시작할 때 fresh_overlapped로 얻어\nWSARecv나 WSASend에 넘겨준 주소",
    "fresh_overlapped had given this address\nto AcceptEx, WSARecv or WSASend":
        "작업을 시작할 때 fresh_overlapped로 얻어\nAcceptEx, WSARecv, WSASend에 넘겨준 주소",
    "belongs to the system while an operation is in progress":
        "작업이 진행되는 동안 운영체제가 사용함",
    "an address": "주소",
    "A client in memory": "메모리에 있는 클라이언트",
    "The members of struct client from the lowest address on. The system hands over the address of "
    "the member overlapped; CONTAINING_RECORD subtracts the distance between the beginning of the "
    "structure and this member, and so finds the client.":
        "struct client의 멤버를 낮은 주소부터 차례로 그렸습니다. 운영체제는 멤버 overlapped의 주소를 "
        "넘겨줍니다. CONTAINING_RECORD는 구조체의 시작에서 이 멤버까지의 거리를 빼서 클라이언트를 "
        "찾습니다.",
}



def main():
    pictures = {}
    for name, draw in PICTURES.items():
        pictures[name] = draw(Picture(korean=False))
        pictures[name.replace(".svg", ".ko.svg")] = draw(Picture(korean=True))
    for text in sorted(Picture.used ^ KOREAN.keys()):
        missing = "has no" if text in Picture.used else "has, but no picture:"
        print(f"tools/models.py: KOREAN {missing} {text!r}")
    wrong = Picture.used != KOREAN.keys()
    for name, picture in pictures.items():
        path = ROOT / name
        if sys.argv[1:] != ["--check"]:
            if not wrong:
                path.write_text(picture, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture:
            print(f"{name} is not what tools/models.py draws")
            wrong = True
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
