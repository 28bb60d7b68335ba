"""browser.py - checks a page of build.bat replay in a real browser, without its user.

    python3 tests/linux/browser.py FOLDER [AXE]

FOLDER has a folder for each run, named after its chapter: replay.html and the logs from which it
was made; and hostile/replay.html with hostile.txt, its source. AXE is axe.min.js, if there is one.
Prints "NAME<tab>PROBLEM" for each check; an empty problem is a pass. Uses Debian's chromedriver, which
is controlled with JSON over HTTP.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --window-size=1280,900").split()
KEYS = {"ArrowRight": "\ue014", "ArrowLeft": "\ue012", "Home": "\ue011", "End": "\ue010", "Space": " "}
CHAPTERS = sorted(name for name in os.listdir(sys.argv[1]) if os.path.exists(f"{sys.argv[1]}/{name}/client_a.log"))


class Browser:
    """A session of chromium."""

    def __init__(self, driver, language):
        self.driver = driver
        self.profile = tempfile.TemporaryDirectory()
        options = {"args": FLAGS + ["--user-data-dir=" + self.profile.name],
                   "prefs": {"intl.accept_languages": language}}
        answer = self.send("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": options}}})
        self.path = "/session/" + answer["sessionId"]

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.driver + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, page, moment=""):
        self.send("POST", self.path + "/url", {"url": "about:blank"})
        self.send("POST", self.path + "/url", {"url": "file://" + os.path.abspath(page) + moment})

    def run(self, script, *arguments):
        return self.send("POST", self.path + "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script):
        return self.send("POST", self.path + "/execute/async", {"script": script, "args": []})

    def click(self, selector):
        found = self.send("POST", self.path + "/element", {"using": "css selector", "value": selector})
        self.send("POST", f"{self.path}/element/{list(found.values())[0]}/click", {})

    def press(self, key):
        actions = [{"type": "keyDown", "value": KEYS[key]}, {"type": "keyUp", "value": KEYS[key]}]
        self.send("POST", self.path + "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def command(self, name, **parameters):
        return self.send("POST", self.path + "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def errors(self):
        log = self.send("POST", self.path + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def moment(self):
        return int(self.run("return document.getElementById('slider').value"))

    def close(self):
        self.send("DELETE", self.path)
        self.profile.cleanup()


def read_logs(folder):
    """The lines of all logs in the order of time: (log, thread, client, call, what, file, line)."""
    lines = []
    for number, name in enumerate(["server.log", "client_a.log", "client_b.log"]):
        zero = 0
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for text in file.read().splitlines():
                match = re.match(r" *(\d+\.\d+) +(\d+) +(\d+|-) +(\S+) +(.*)\t(\S+):(\d+)$", text)
                if not match:
                    continue
                ms, thread, client, call, what, source, line = match.groups()
                if call == "QueryPerformanceCounter":
                    zero = float(re.search(r"is (\S+) ms on", what)[1])
                    continue
                client = 0 if client == "-" else int(client)
                lines.append((zero + float(ms), len(lines), (number, int(thread), client, call, what, source, int(line))))
    return [line for _, _, line in sorted(lines)]


# Steps through a page by its button, or goes to some moments by its slider, and returns what each of them shows.
WALK = """
const seen = [];
const next = document.getElementById("next"), slider = document.getElementById("slider"), moments = arguments[0];
for (;;) {
    if (moments) {
        if (moments.length === 0) return seen;
        slider.value = moments.shift();
        slider.dispatchEvent(new Event("input"));
    }
    const now = document.querySelectorAll("#source > :not(.off) [data-mark=now]");
    seen.push({marked: now.length, current: document.querySelectorAll("#source > :not(.off) [aria-current]").length,
        line: now.length && Number(now[0].firstChild.textContent), text: now.length && now[0].lastChild.textContent,
        tab: document.querySelector("#tabs [aria-pressed=true]").textContent,
        called: [...document.querySelectorAll("#source > :not(.off) [data-mark=called] code")].map((code) => code.textContent),
        words: document.getElementById("words").textContent, narrated: document.getElementById("narrated").textContent,
        states: [...document.querySelectorAll("#states tr, #states li")].map((row) =>
            [...row.childNodes].map((cell) => cell.textContent).join(" ")).join("\\n"),
        lesson: document.getElementById("lesson").textContent,
        inView: now.length && now[0].offsetTop >= document.getElementById("source").scrollTop &&
            now[0].offsetTop < document.getElementById("source").scrollTop + document.getElementById("source").clientHeight});
    if (moments) continue;
    const before = slider.value;
    next.click();
    if (slider.value === before) return seen;
}
"""

# The contrast of each visible text with what is behind it, as WCAG computes it.
CONTRAST = """
const light = (color) => {
    const parts = color.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.slice(0, 3).map((part) => part / 255).map((part) =>
        part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return [0.2126 * r + 0.7152 * g + 0.0722 * b, parts.length < 4 ? 1 : parts[3]];
};
const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
        const [value, alpha] = light(getComputedStyle(at).backgroundColor);
        if (alpha === 1) return value;
    }
    return 1;
};
const bad = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.getClientRects().length || element.closest("option, script")) continue;
    if (element.disabled) continue;
    const style = getComputedStyle(element);
    const [a] = light(element.closest("svg") ? style.fill : style.color), b = behind(element);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(`${ratio.toFixed(2)}: ${element.tagName} "${walker.currentNode.textContent.slice(0, 30)}"`);
}
return [...bad].slice(0, 5);
"""

# What has no name for a screen reader.
NAMES = """
const named = (element) => (element.getAttribute("aria-label") || element.textContent ||
    (element.labels && [...element.labels].map((label) => label.textContent).join("")) || "").trim() !== "";
return [...document.querySelectorAll("button, select, input, [tabindex], [role], section[data-label]")]
    .filter((element) => !named(element)).map((element) => element.outerHTML.slice(0, 80));
"""

checks = []


def check(function):
    checks.append(function)
    return function


def walk(browser, folder, chapter, known={}):
    """What each moment of the page of a chapter shows."""
    if chapter not in known:
        browser.open(f"{folder}/{chapter}/replay.html")
        known[chapter] = browser.run(WALK)
    return known[chapter]


def problem_of_walk(seen, log):
    """Compares what each moment of the page showed with the lines of the logs."""
    if len(seen) != len(log):
        return f"{len(seen)} moments, {len(log)} lines in the logs"
    for moment, (shown, (_, thread, client, call, what, source, line)) in enumerate(zip(seen, log), 1):
        where = f"moment {moment}, {source}:{line} {call} {what}: "
        if shown["marked"] != 1 or shown["current"] != 1 or not shown["inView"]:
            return where + f"{shown['marked']} lines are marked, in view: {shown['inView']}"
        if shown["tab"] != source or shown["line"] != line:
            return where + f"the marked line is {shown['tab']}:{shown['line']}"
        if "narrate" not in shown["text"]:
            return where + "the marked line does not narrate: " + shown["text"]
        if what not in shown["narrated"] or str(thread) not in shown["words"]:
            return where + "it is shown as " + shown["words"] + " / " + shown["narrated"]
        if client and f"client {client}" not in shown["words"]:
            return where + f"client {client} is not named: " + shown["words"]
        plain = call.lower()
        for code in shown["called"]:
            if plain not in code.lower().replace("_", "").replace("completed(", "_completed(") and plain not in code.lower():
                return where + "marked as its call: " + code
    return ""


@check
def marks_the_line_of_the_log(browser, folder):
    for chapter in CHAPTERS:
        problem = problem_of_walk(walk(browser, folder, chapter), read_logs(f"{folder}/{chapter}"))
        if problem:
            return f"{chapter}: {problem}"
    return ""


@check
def calls_of_the_models_are_marked(browser, folder):
    for chapter, call, code in [("ch22_overlapped_event", "WSARecv", "WSARecv("), ("ch23_iocp", "AcceptEx", "accept_ex("),
                                ("ch22_completion_routine", "WSASend", "WSASend("), ("ch21_event_select", "recv", "recv(")]:
        seen = [shown for shown in walk(browser, folder, chapter) if shown["narrated"].startswith(call + " ") and shown["tab"] == "server.c"]
        if not seen or not any(code in line for line in seen[0]["called"]):
            return f"{chapter}: {call}: {seen[0]['called'] if seen else 'it never happens'}"
    return ""


@check
def each_line_of_narration_has_its_own_words(browser, folder):
    for chapter in CHAPTERS:
        kinds = {}
        for moment, (log, _, _, call, what, _, _) in enumerate(read_logs(f"{folder}/{chapter}"), 1):
            kinds.setdefault((log > 0, call, re.sub(r"\d+", "0", what)), moment)
        for language in ("en", "ko"):
            browser.open(f"{folder}/{chapter}/replay.html")
            if language == "ko":
                browser.click("#language")
            for shown in browser.run(WALK, list(kinds.values())):
                plain = " ".join(shown["narrated"].split()[:-1])
                if shown["words"].endswith(": " + plain):
                    return f"{chapter}, {language}: no sentence for {plain}"
                if "undefined" in shown["words"] + shown["states"] or "{" in shown["words"] or "$" in shown["words"]:
                    return f"{chapter}, {language}: {shown['words']} / {shown['states']}"
    return ""


@check
def each_key(browser, folder):
    browser.open(f"{folder}/ch23_iocp/replay.html")
    last = int(browser.run("return document.getElementById('slider').max"))
    for key, expected in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", last), ("ArrowRight", last),
                          ("ArrowLeft", last - 1), ("Home", 1), ("ArrowLeft", 1)]:
        browser.press(key)
        if browser.moment() != expected:
            return f"{key}: moment {browser.moment()} and not {expected}"
    browser.press("Space")
    time.sleep(1.5)
    browser.press("Space")
    paused = browser.moment()
    time.sleep(1.2)
    if not 2 <= paused <= 4 or browser.moment() != paused:
        return f"space: moment {paused} after 1.5 seconds, {browser.moment()} later"
    browser.run("document.getElementById('next').focus()")
    browser.press("Space")
    if browser.moment() != paused + 1:
        return f"space on the button Next: moment {browser.moment()} and not {paused + 1}"
    return ""


@check
def each_control(browser, folder):
    browser.open(f"{folder}/ch23_iocp/replay.html")
    for selector, expected in [("#next", 2), ("#next", 3), ("#back", 2)]:
        browser.click(selector)
        if browser.moment() != expected:
            return f"{selector}: moment {browser.moment()} and not {expected}"
    browser.run("const speed = document.getElementById('speed'); speed.value = '5'; speed.dispatchEvent(new Event('change'))")
    browser.click("#play")
    playing = browser.run("return document.getElementById('play').textContent")
    time.sleep(1.5)
    browser.click("#play")
    if playing != "Pause" or not 6 <= browser.moment() <= 14:
        return f"play, five moments per second: '{playing}', moment {browser.moment()} after 1.5 seconds"
    browser.run("const slider = document.getElementById('slider'); slider.value = 50; slider.dispatchEvent(new Event('input'))")
    if "moment 50 of" not in browser.run("return document.getElementById('moment').textContent"):
        return "slider: " + browser.run("return document.getElementById('moment').textContent")
    if browser.run("return location.hash") != "#50":
        return "the address is " + browser.run("return location.hash")
    browser.run("location.hash = '#42'")
    time.sleep(0.2)
    if browser.moment() != 42:
        return f"a link to #42 leads to moment {browser.moment()}"
    browser.open(f"{folder}/ch23_iocp/replay.html", "#43")
    if browser.moment() != 43:
        return f"the address #43 opens moment {browser.moment()}"
    for source in (2, 1):
        browser.click(f"#tabs button:nth-of-type({source})")
        shown = browser.run("return document.querySelector('#tabs [aria-pressed=true]').textContent")
        if shown != ("server.c", "client.c")[source - 1]:
            return f"button {source} of the sources shows {shown}"
    for address, moment in [("#0", 1), ("#99999", None), ("#<b>", 1), ("#-3", 1)]:
        browser.open(f"{folder}/ch23_iocp/replay.html", address)
        moment = moment or int(browser.run("return document.getElementById('slider').max"))
        if browser.moment() != moment:
            return f"the address {address} opens moment {browser.moment()}"
    return ""


@check
def filters(browser, folder):
    log = read_logs(f"{folder}/ch23_iocp")
    thread = next(line[1] for line in log if line[3] == "GetQueuedCompletionStatus")
    for name, wanted in [(f"server: thread {thread}", lambda line: line[0] == 0 and line[1] == thread),
                         ("server: client 2", lambda line: line[0] == 0 and line[2] == 2),
                         ("client A: connection", lambda line: line[0] == 1)]:
        browser.open(f"{folder}/ch23_iocp/replay.html")
        found = browser.run("""const filter = document.getElementById("filter");
            const option = [...filter.options].find((option) => option.text === arguments[0]);
            if (!option) return [...filter.options].map((option) => option.text).join(", ");
            filter.value = option.value; filter.dispatchEvent(new Event("change")); return "";""", name)
        if found:
            return f"there is no '{name}' in: {found}"
        browser.press("Home")
        first = browser.moment()
        walked = browser.run("""const moments = [Number(document.getElementById("slider").value)];
            for (;;) {
                document.getElementById("next").click();
                const moment = Number(document.getElementById("slider").value);
                if (moment === moments[moments.length - 1]) return moments;
                moments.push(moment);
            }""")
        expected = [moment for moment, line in enumerate(log, 1) if wanted(line)]
        missing = [moment for moment in expected if moment not in walked]
        others = [moment for moment in walked if moment not in expected and "a packet of" not in log[moment - 1][4]]
        if missing or others or first != walked[0] or (name != "server: client 2" and walked != expected):
            return f"{name}: moments {walked}, expected {expected}"
        dim = browser.run("return document.querySelectorAll('#scroll g.dim').length")
        if dim == 0:
            return f"{name}: all lanes look the same"
    return ""


@check
def a_click_leads_to_the_moment(browser, folder):
    browser.open(f"{folder}/ch23_iocp/replay.html")
    log = read_logs(f"{folder}/ch23_iocp")
    line = next(line[6] for line in log if line[3] == "GetQueuedCompletionStatus" and line[5] == "server.c")
    runs = [moment for moment, other in enumerate(log, 1) if other[5] == "server.c" and other[6] == line]
    for expected in runs[:3]:
        browser.click(f"#source .line:nth-child({line}) button")
        if browser.moment() != expected:
            return f"a click on line {line} leads to moment {browser.moment()} and not {expected}"
    for moment in (5, 20, 60):
        browser.run("""const dot = document.querySelectorAll("#scroll .dot")[arguments[0] - 1].getBoundingClientRect();
            const click = {clientX: dot.left + dot.width / 2, clientY: dot.top + dot.height / 2, bubbles: true};
            document.querySelector("#scroll svg").dispatchEvent(new MouseEvent("click", click));""", moment)
        if browser.moment() != moment:
            return f"a click on the event of moment {moment} leads to {browser.moment()}"
    return ""


@check
def the_lesson_belongs_to_the_line(browser, folder):
    expected = {"listen ": "Step 1", "AcceptEx  a new": "Step 4", "WSAGetOverlappedResult ": "Step 5",
                "GetQueuedCompletionStatus  a packet of a client": "Step 5", "CancelIoEx ": "Step 8"}
    found = set()
    for shown in walk(browser, folder, "ch23_iocp"):
        for call, step in expected.items():
            if shown["narrated"].startswith(call) and shown["tab"] == "server.c":
                found.add(call)
                if f"{step}: " not in shown["lesson"]:
                    return f"{call}: {shown['lesson'][:60]}"
        if shown["narrated"].startswith("WSASend ") and shown["tab"] == "client.c" and "D: a send begins" not in shown["lesson"]:
            return "WSASend of the client: " + shown["lesson"][:60]
    return "" if found == set(expected) else f"these never happened: {set(expected) - found}"


@check
def the_questions_of_a_student(browser, folder):
    """Chapter 23: who took the packet of client 2's first receive, what was in progress at the shutdown, what began it?"""
    log = read_logs(f"{folder}/ch23_iocp")
    seen = walk(browser, folder, "ch23_iocp")
    result = next(moment for moment, line in enumerate(log) if line[2] == 2 and line[3] == "WSAGetOverlappedResult")
    packet = max(moment for moment, line in enumerate(log[:result])
                 if line[1] == log[result][1] and line[3] == "GetQueuedCompletionStatus")
    words = seen[packet]["words"]
    if f"Thread {log[result][1]} of the server, client 2: " not in words:
        return "the packet of client 2: " + words
    stop = next(moment for moment, line in enumerate(log) if "packet of the shutdown" in line[4])
    begun = max(moment for moment, line in enumerate(log[:stop]) if re.match(r"\d+ begun", line[4]))
    row = next((row for row in seen[stop]["states"].splitlines() if "accepts" in row), "")
    if f"#{begun + 1} server.c:" not in seen[stop]["states"] or not re.search(r"accepts\s+\d+", row):
        return "in progress at the shutdown: " + seen[stop]["states"]
    return ""


@check
def both_languages(browser, folder):
    browser.open(f"{folder}/ch21_event_select/replay.html", "#20")
    state = "return [document.documentElement.lang, document.querySelector('h2').textContent, document.getElementById('lesson').innerText]"
    english = browser.run(state)
    browser.click("#language")
    korean = browser.run(state)
    if english[0] != "en" or korean[0] != "ko" or english[1] == korean[1] or english[2] == korean[2]:
        return f"{english} {korean}"
    if not re.search("[가-힣]", korean[2]) or re.search("[가-힣]", english[2]):
        return "the lesson: " + korean[2][:60] + " / " + english[2][:60]
    if browser.moment() != 20:
        return f"the switch leads to moment {browser.moment()}"
    browser.click("#language")
    return "" if browser.run(state) == english else "back again it is another page"


@check
def light_dark_and_names(browser, folder):
    problems = []
    for scheme in ("light", "dark"):
        browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for chapter, moment in (("ch21_event_select", "#30"), ("ch23_iocp", "#40")):
            browser.open(f"{folder}/{chapter}/replay.html", moment)
            problems += [f"{scheme}: contrast {found}" for found in browser.run(CONTRAST)] + browser.run(NAMES)
        page = browser.run("return getComputedStyle(document.body).backgroundColor")
        if page != {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]:
            problems.append(f"{scheme}: the page is {page}")
    browser.command("Emulation.setEmulatedMedia", features=[])
    return "; ".join(problems)


@check
def at_1000_pixels_and_on_paper(browser, folder):
    browser.command("Emulation.setDeviceMetricsOverride", width=1000, height=760, deviceScaleFactor=1, mobile=False)
    browser.open(f"{folder}/ch23_iocp/replay.html", "#40")
    size = browser.run("""const source = document.getElementById("source"), right = document.getElementById("right");
        const slider = document.getElementById("slider");
        let beyond = 0;
        for (let moment = 5; moment < slider.max; moment += 10) {
            slider.value = moment;
            slider.dispatchEvent(new Event("input"));
            beyond = Math.max(beyond, right.scrollWidth - right.clientWidth);
        }
        return [document.documentElement.scrollWidth, document.documentElement.scrollHeight, source.clientHeight, beyond]""")
    browser.command("Emulation.clearDeviceMetricsOverride")
    if size[0] > 1000 or size[1] > 760 or size[2] < 200 or size[3] > 0:
        return f"1000 x 760: the page is {size[0]} x {size[1]}, the source is {size[2]} high, the state is {size[3]} too wide"
    browser.command("Emulation.setEmulatedMedia", media="print")
    print_state = browser.run("""const source = document.getElementById("source");
        const name = document.querySelector("#names div:last-child").getBoundingClientRect();
        const picture = document.querySelector("#scroll svg").getBoundingClientRect();
        return [getComputedStyle(document.getElementById("controls")).display, source.scrollHeight - source.clientHeight,
            Math.abs(name.bottom - picture.bottom) < 3, picture.right <= document.body.clientWidth]""")
    browser.command("Emulation.setEmulatedMedia", media="")
    return "" if print_state == ["none", 0, True, True] else (
        f"on paper: controls {print_state[0]}, {print_state[1]} pixels of source cut off, "
        f"lanes next to their names: {print_state[2]}, the timeline fits: {print_state[3]}")


@check
def nothing_is_loaded_and_no_error(browser, folder):
    for chapter in CHAPTERS + ["hostile"]:
        page = f"{folder}/{chapter}/replay.html"
        browser.open(page)
        loaded = browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        if [name for name in loaded if not name.startswith("data:")]:
            return f"{chapter}: it loads {loaded}"
        if os.path.getsize(page) >= 1000000:
            return f"{chapter}: {os.path.getsize(page)} bytes"
    found = browser.errors()
    return "; ".join(found[:3])


@check
def hostile_text_stays_text(browser, folder):
    browser.open(f"{folder}/hostile/replay.html")
    with open(f"{folder}/hostile/hostile.txt", encoding="utf-8", errors="replace") as file:
        lines = file.read().split("\n")[:-1]
    shown = browser.run("return [...document.querySelectorAll('#source .line code')].map((code) => code.textContent)")
    if shown != lines:
        return "the source: " + str([pair for pair in zip(shown, lines) if pair[0] != pair[1]][:2] or len(shown))
    for language in range(2):
        seen = browser.run(WALK)
        if not any("<img src=x onerror=" in moment["narrated"] for moment in seen):
            return "the log is not shown as it is: " + seen[0]["narrated"]
        browser.run("location.hash = '#1'")
        browser.click("#language")
        time.sleep(0.2)
    found = browser.run("return [window.hacked, document.images.length, document.scripts.length, document.querySelectorAll('iframe, b').length]")
    return "" if found == [None, 0, 3, 0] else f"script ran, images, scripts, other elements: {found}"


def accessible_by_axe(browser, folder, axe):
    with open(axe, encoding="utf-8") as file:
        source = file.read()
    for scheme in ("light", "dark"):
        browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(f"{folder}/ch23_iocp/replay.html", "#40")
        browser.run(source)
        found = browser.run_async("""const done = arguments[arguments.length - 1];
            axe.run().then((result) => done(result.violations.map((violation) =>
                `${violation.id}: ${violation.nodes.length}, ${violation.nodes[0].html.slice(0, 90)}`)));""")
        if found:
            return scheme + ": " + "; ".join(found)
    return ""


def report(name, problem):
    print(name.replace("_", " ") + "\t" + " ".join(str(problem).split()), flush=True)


def check_all(browser, folder, axe):
    for function in checks:
        try:
            report(function.__name__, function(browser, folder))
        except (RuntimeError, StopIteration, ValueError, OSError) as error:
            report(function.__name__, repr(error))
    for file in axe:
        report("axe-core finds nothing", accessible_by_axe(browser, folder, file))


def check_korean(browser, folder):
    browser.open(f"{folder}/ch23_iocp/replay.html")
    language = browser.run("return document.documentElement.lang")
    report("a Korean browser shows Korean first", "" if language == "ko" else language)


def main():
    folder, axe = sys.argv[1], sys.argv[2:]
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = next(match[1] for match in (re.search(r"successfully on port (\d+)", line) for line in driver.stdout) if match)
        for language, check_it in (("en-US,en", lambda browser: check_all(browser, folder, axe)),
                                   ("ko-KR,ko", lambda browser: check_korean(browser, folder))):
            browser = Browser("http://127.0.0.1:" + port, language)
            try:
                check_it(browser)
            finally:
                browser.close()  # otherwise chromium keeps running without its driver
    finally:
        driver.terminate()
        driver.wait()


main()
