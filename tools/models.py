#!/usr/bin/env python3
"""Draws the picture of each lesson: chNN/model.svg. For maintainers; python3 and nothing else.

    tools/models.py           writes them
    tools/models.py --check   says which of them are not as this program draws them

A panel has lanes; a lane has bars (kind, from, to, text) on a time axis from 0 to 100. The text
stands above its bar, or with ">" behind it. An arrow goes from one lane to another at a moment.
"""
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 150, 20
LANE, BAR, TITLE, GAP = 46, 16, 34, 18

STYLE = """
.page { fill: #ffffff }
text { font: 13px system-ui, 'Segoe UI', 'Malgun Gothic', sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 12px }
.line { stroke: #818b98; stroke-width: 1; fill: none }
.call { fill: #0969da }
.wait { fill: #0969da; fill-opacity: 0.15; stroke: #0969da; stroke-dasharray: 4 3 }
.work { fill: #9a6700; fill-opacity: 0.45 }
.transfer { fill: #1a7f37 }
.told { stroke: #cf222e; stroke-width: 2; fill: none }
.head { fill: #cf222e }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #f0f6fc }
  .line { stroke: #9198a1 }
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


class Picture:
    def __init__(self):
        self.y = 10
        self.parts = []

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, words, kind="small"):
        self.add(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>')

    def panel(self, title, lanes, arrows=()):
        self.text(10, self.y + 16, title, "title")
        top = self.y + TITLE
        bars = [top + LANE * i + 20 for i in range(len(lanes))]
        for bar, (name, items) in zip(bars, lanes):
            self.text(10, bar + 13, name)
            middle = bar + BAR / 2
            self.add(f'<path class="line" d="M{LEFT} {middle:.0f}H{WIDTH - RIGHT}"/>')
            for kind, begin, end, words in items:
                x, width = x_of(begin), max(x_of(end) - x_of(begin), 4)
                self.add(f'<rect class="{kind}" x="{x:.0f}" y="{bar}" width="{width:.0f}" '
                         f'height="{BAR}" rx="2"/>')
                if words.startswith(">"):
                    self.text(x + width + 6, bar + 13, words[1:])
                else:
                    self.text(x, bar - 5, words)
        for moment, source, target in arrows:
            x = x_of(moment)
            down = bars[target] > bars[source]
            begin = bars[source] + (BAR if down else 0)
            end = bars[target] + (0 if down else BAR)
            back = -7 if down else 7
            self.add(f'<path class="told" d="M{x:.0f} {begin}V{end + back}"/>')
            self.add(f'<path class="head" d="M{x - 5:.0f} {end + back}h10l-5 {-back}z"/>')
        self.y = top + LANE * len(lanes) + GAP

    def legend(self):
        x = 10
        for kind, words in (("call", "a call"), ("wait", "the thread waits"),
                            ("work", "the thread works"), ("transfer", "bytes are on their way")):
            self.add(f'<rect class="{kind}" x="{x}" y="{self.y}" width="22" height="12" rx="2"/>')
            self.text(x + 28, self.y + 11, words)
            x += 45 + 7 * len(words) + 22
        self.add(f'<path class="told" d="M{x + 4} {self.y}v8"/>')
        self.add(f'<path class="head" d="M{x - 1} {self.y + 6}h10l-5 7z"/>')
        self.text(x + 16, self.y + 11, "the program is told")
        self.y += 28

    def svg(self, name):
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y}" '
                f'role="img" aria-label="{escape(name)}">\n'
                f"<style>{STYLE}</style>\n"
                f'<rect class="page" width="100%" height="100%"/>\n{body}\n</svg>\n')


def ch21():
    p = Picture()
    p.panel("Synchronous I/O: the call lasts as long as the transfer", [
        ("thread", [("wait", 8, 60, "send: the thread can do nothing else"),
                    ("work", 62, 98, "other work")]),
        ("transfer", [("transfer", 8, 60, "the bytes are sent")])],
        [(60, 1, 0)])
    p.panel("Asynchronous I/O: the call only begins the transfer", [
        ("thread", [("call", 8, 11, "WSASend"), ("work", 24, 98, "other work")]),
        ("transfer", [("transfer", 11, 60, "the bytes are sent")])])
    p.panel("Synchronous notification: asking and being told are one call", [
        ("thread", [("wait", 8, 60, "select: until a socket is ready"), ("call", 62, 66, "recv")]),
        ("socket", [("transfer", 45, 60, "bytes arrive")])],
        [(60, 1, 0)])
    p.panel("Asynchronous notification: registered once, asked later", [
        ("thread", [("call", 8, 11, "WSAEventSelect"), ("work", 28, 68, "other work"),
                    ("call", 69, 72, "is it signalled?"), ("call", 84, 88, "recv")]),
        ("event", [("wait", 60, 84, "signalled")]),
        ("socket", [("transfer", 45, 60, "bytes arrive")])],
        [(60, 2, 1), (70, 1, 0)])
    p.legend()
    return p.svg("Synchronous and asynchronous I/O, synchronous and asynchronous notification")


def ch22_event():
    p = Picture()
    p.panel("Two operations of one thread are in progress at the same time", [
        ("thread", [("call", 4, 7, "WSARecv"), ("call", 16, 19, "WSASend"),
                    ("work", 28, 46, "other work"), ("wait", 46, 55, "wait"),
                    ("call", 56, 59, "result: bytes sent"),
                    ("wait", 75, 84, "wait"), ("call", 85, 88, "bytes received")]),
        ("event of the send", [("wait", 54, 59, ">signalled")]),
        ("event of the receive", [("wait", 83, 88, ">signalled")]),
        ("the send", [("transfer", 19, 54, "its buffer is the system's")]),
        ("the receive", [("transfer", 7, 83, "its buffer is the system's")])],
        [(54, 3, 1), (83, 4, 2), (55, 1, 0), (84, 2, 0)])
    p.legend()
    return p.svg("Overlapped I/O: an event tells that a transfer is complete")


def ch22_routine():
    p = Picture()
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
    p.legend()
    return p.svg("Overlapped I/O: the system calls a completion routine")


def ch23():
    p = Picture()
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
    p.legend()
    return p.svg("I/O completion ports: several workers take packets from one queue")


PICTURES = {
    "ch21_event_select": ch21,
    "ch22_overlapped_event": ch22_event,
    "ch22_completion_routine": ch22_routine,
    "ch23_iocp": ch23,
}


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    wrong = 0
    for folder, draw in PICTURES.items():
        path, picture = root / folder / "model.svg", draw()
        if sys.argv[1:] != ["--check"]:
            path.write_text(picture, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture:
            print(f"{folder}/model.svg is not what tools/models.py draws")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
