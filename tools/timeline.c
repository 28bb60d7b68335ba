/*
 * timeline.c - draws a run: reads the narration of a server and of its clients, writes an SVG.
 *
 *     server.exe 9190 > server.log
 *     client.exe 127.0.0.1 9190 < lines.txt 2> client.log
 *     timeline.exe [--connected] server.log client.log > run.svg
 *
 * Time goes from left to right. Each thread has a lane with its waits, its work and its calls, and
 * each connection has one with its operations, from the call to the moment when the program learns
 * that it is complete. Whatever is open at the end of a log is drawn open.
 *
 * Lines that do not begin with a time are no narration (the address, the summary, echoes) and are
 * passed over. Exit status: 0, or 1 if a log cannot be read, is no narration, or is damaged behind
 * the time; the message names the line.
 */
#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have fopen_s, which not every compiler has */
#include "../common/common.h"
#include "utf8.h"

#include <stdlib.h>

enum {
    MAX_LOGS = 8,
    MAX_LINES = 20000, /* of all logs */
    DRAWN_LINES = 400, /* more would be unreadable, and are cut off */
    MAX_LANES = 64,
    MAX_SHAPES = 3 * MAX_LINES,
    LINE_SIZE = 1000,

    WIDTH = 1000,
    LEFT = 190, /* where time begins */
    RIGHT = 20,
    TOP = 64,
    LANE = 38,
    BAR = 14
};

/* ---- what was read ------------------------------------------------------------------------- */

/* A line of a narration. */
struct line {
    int order; /* as it was read: the times of two lines may be the same */
    int log;
    double ms; /* on the machine's counter, which is the same for all logs */
    long thread;
    int client; /* 0: none */
    char call[32];
    char what[120];
};

static struct line lines[MAX_LINES];
static int line_count;
static const char *log_names[MAX_LOGS];
static int log_count;

static NORETURN void bad_line(const char *file, int number, const char *reason)
{
    fail(0, "%s: line %d: %s", file, number, reason);
}

/* Whether the text begins like a line of a narration: a time with three decimals in ten columns. */
static bool begins_with_time(const char *text)
{
    size_t spaces = strspn(text, " ");
    size_t digits = strspn(text + spaces, "0123456789");
    const char *point = text + spaces + digits;
    return digits > 0 && digits <= 9 && *point == '.' && strspn(point + 1, "0123456789") == 3 &&
           spaces + digits + 4 >= 10 && strncmp(point + 4, "  ", 2) == 0;
}

/* Takes a word off the front of *text. Returns false if there is none that fits into word. */
static bool take_word(const char **text, char *word, size_t size)
{
    *text += strspn(*text, " ");
    size_t length = strcspn(*text, " ");
    if (length == 0 || length >= size)
        return false;
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length;
    return true;
}

static struct line parse_line(const char *text, const char *file, int number, int log)
{
    struct line line = {0};
    char word[32];
    char *end;

    line.log = log;
    line.ms = strtod(text, &end);
    text = end;
    if (!take_word(&text, word, sizeof word) || (line.thread = strtol(word, &end, 10)) <= 0 ||
        *end != '\0')
        bad_line(file, number, "the second column is not a thread");
    if (!take_word(&text, word, sizeof word))
        bad_line(file, number, "the third column, the client, is missing");
    if (strcmp(word, "-") != 0) {
        long client = strtol(word, &end, 10);
        if (client <= 0 || client > 999999999 || *end != '\0')
            bad_line(file, number, "the third column is not a client");
        line.client = (int)client;
    }
    if (!take_word(&text, line.call, sizeof line.call))
        bad_line(file, number, "the fourth column, the call, is missing");
    text += strspn(text, " ");
    snprintf(line.what, sizeof line.what, "%.*s", (int)strcspn(text, "\r\n"), text);
    return line;
}

/* The next line, or the beginning of a longer one, whose rest is passed over. */
static bool read_line(FILE *stream, char *text, int size)
{
    if (fgets(text, size, stream) == NULL)
        return false;
    if (strchr(text, '\n') == NULL) {
        int c;
        while ((c = getc(stream)) != '\n' && c != EOF)
            continue;
    }
    return true;
}

/* "0.000 ms is 1234.567 ms on this machine's counter": the second of the numbers, or -1. */
static double counter_of(const char *what)
{
    const char *words = strstr(what, "ms is ");
    char *end;
    if (words == NULL)
        return -1;
    double ms = strtod(words + strlen("ms is "), &end);
    return strncmp(end, " ms", 3) == 0 && ms >= 0 && ms < 1e12 ? ms : -1;
}

/* Reads a log; the times become those of the machine's counter. */
static void read_log(const char *file, int log)
{
    char text[LINE_SIZE];
    double zero = -1; /* of this log, on the machine's counter */
    int number = 0;
    FILE *stream = open_file(file, "r");

    if (stream == NULL)
        fail((int)GetLastError(), "read %s", file);
    while (read_line(stream, text, sizeof text)) {
        number++;
        if (number == 1 && strncmp(text, "\xff\xfe", 2) == 0)
            bad_line(file, number, "this is UTF-16; PowerShell's > writes that, cmd's does not");
        if (!begins_with_time(text))
            continue;
        text[strcspn(text, "\r\n")] = '\0';
        struct line line = parse_line(text, file, number, log);
        if (strcmp(line.call, "QueryPerformanceCounter") == 0) {
            zero = counter_of(line.what);
            if (zero < 0)
                bad_line(file, number, "the machine's counter is not a number of milliseconds");
            continue;
        }
        if (zero < 0)
            bad_line(file, number, "the line of QueryPerformanceCounter must come before this one");
        line.ms += zero;
        if (line_count == MAX_LINES)
            bad_line(file, number, "this run is too long to be drawn");
        line.order = line_count;
        lines[line_count++] = line;
    }
    if (ferror(stream))
        fail(0, "read %s: it could not be read to its end", file);
    fclose(stream);
    if (zero < 0)
        bad_line(file, number == 0 ? 1 : number, "up to here there is no narration");
}

static int compare_times(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return a->order - b->order;
}

/* ---- what is drawn ------------------------------------------------------------------------- */

enum kind { WAIT, WORK, CALL, RECEIVE, SEND, TOLD };
static const char *const kind_names[] = {"wait", "work", "call", "receive", "send", "told"};

/* A bar on a lane from one moment to another, or with TOLD a mark at a moment. */
struct shape {
    enum kind kind;
    int lane;
    double from, to;
    bool open; /* the log ends before it does */
    char text[100];
};

struct lane {
    int log;
    long thread; /* 0: the lane of a connection */
    int client;
    struct shape *wait, *receive, *send; /* what is in progress */
    bool early_receive, early_send;      /* another thread has told the result before the call */
    double last_ms;                      /* of the last line of this thread; 0: there was none */
};

static struct shape shapes[MAX_SHAPES];
static int shape_count;
static struct lane lanes[MAX_LANES];
static int lane_count;
static bool lanes_left_out;

/* The lane of a thread (client 0), or of a connection (thread 0). NULL if there are too many. */
static struct lane *lane_of(int log, long thread, int client)
{
    for (int i = 0; i < lane_count; i++) {
        if (lanes[i].log == log && lanes[i].thread == thread && lanes[i].client == client)
            return &lanes[i];
    }
    if (lane_count == MAX_LANES) {
        lanes_left_out = true;
        return NULL;
    }
    struct lane *lane = &lanes[lane_count++];
    lane->log = log;
    lane->thread = thread;
    lane->client = client;
    return lane;
}

static struct shape *add_shape(enum kind kind, const struct lane *lane, double from, double to,
                               const char *text)
{
    if (shape_count == MAX_SHAPES)
        fail(0, "too many things to draw");
    struct shape *shape = &shapes[shape_count++];
    shape->kind = kind;
    shape->lane = (int)(lane - lanes);
    shape->from = from;
    shape->to = to;
    snprintf(shape->text, sizeof shape->text, "%s", text);
    return shape;
}

static struct shape *begin_shape(enum kind kind, const struct lane *lane, double from,
                                 const char *text)
{
    struct shape *shape = add_shape(kind, lane, from, from, text);
    shape->open = true;
    return shape;
}

static void end_shape(struct shape **shape, double to, const char *text)
{
    if (*shape == NULL)
        return;
    (*shape)->to = to;
    (*shape)->open = false;
    if (text != NULL)
        snprintf((*shape)->text, sizeof(*shape)->text, "%s", text);
    *shape = NULL;
}

static bool is_one_of(const char *call, const char *names)
{
    const char *place = strstr(names, call);
    size_t length = strlen(call);
    return place != NULL && (place == names || place[-1] == ' ') &&
           (place[length] == ' ' || place[length] == '\0');
}

static bool begins_with(const char *text, const char *words)
{
    return strncmp(text, words, strlen(words)) == 0;
}

/* Waits and work of the thread. Returns true if there is nothing more in the line. */
static bool draw_on_thread(const struct line *line, struct lane *thread)
{
    if (is_one_of(line->call, "WSAWaitForMultipleEvents GetQueuedCompletionStatus select")) {
        if (begins_with(line->what, "wait for")) {
            thread->wait = begin_shape(WAIT, thread, line->ms, line->call);
        } else {
            end_shape(&thread->wait, line->ms, NULL);
            add_shape(TOLD, thread, line->ms, line->ms, line->what);
        }
        return true;
    }
    if (strcmp(line->call, "work") == 0) {
        if (strstr(line->what, "meanwhile") != NULL)
            add_shape(WORK, thread, thread->last_ms, line->ms, line->what);
        return true;
    }
    if (is_one_of(line->call, "receive_completed send_completed")) /* called inside the wait */
        add_shape(CALL, thread, line->ms, line->ms, line->call);
    if (line->client == 0 && strcmp(line->call, "listen") == 0)
        add_shape(CALL, thread, line->ms, line->ms, line->call);
    return false;
}

/* Begins an operation. With several workers the one that takes the packet may be faster with its
 * line than the one that made the call: then it has ended already. */
static struct shape *begin_operation(enum kind kind, const struct lane *lane, double ms,
                                     const char *text, bool *early)
{
    struct shape *shape = begin_shape(kind, lane, ms, text);
    if (!*early)
        return shape;
    *early = false;
    end_shape(&shape, ms, NULL);
    return NULL;
}

/* What happened on a connection. */
static void draw_on_connection(const struct line *line, struct lane *connection)
{
    char text[160];
    bool is_result =
        is_one_of(line->call, "WSAGetOverlappedResult receive_completed send_completed");
    snprintf(text, sizeof text, "%s %s", line->call, line->what);

    if (strcmp(line->call, "WSARecv") == 0 && !begins_with(line->what, "failed")) {
        connection->receive =
            begin_operation(RECEIVE, connection, line->ms, text, &connection->early_receive);
    } else if (strcmp(line->call, "WSASend") == 0 && !begins_with(line->what, "failed")) {
        connection->send =
            begin_operation(SEND, connection, line->ms, text, &connection->early_send);
    } else if (is_result) {
        bool was_send = strcmp(line->call, "send_completed") == 0 ||
                        strstr(line->what, " sent") != NULL ||
                        (connection->receive == NULL && connection->send != NULL);
        struct shape **shape = was_send ? &connection->send : &connection->receive;
        if (*shape == NULL)
            *(was_send ? &connection->early_send : &connection->early_receive) = true;
        end_shape(shape, line->ms, line->what);
        add_shape(TOLD, connection, line->ms, line->ms, line->what);
    } else if (is_one_of(line->call, "recv send")) {
        add_shape(line->call[0] == 'r' ? RECEIVE : SEND, connection, line->ms, line->ms, text);
    } else if (strcmp(line->call, "WSAEnumNetworkEvents") == 0) {
        add_shape(TOLD, connection, line->ms, line->ms, line->what);
    } else if (is_one_of(line->call, "accept AcceptEx connect closesocket shutdown")) {
        add_shape(CALL, connection, line->ms, line->ms, line->call);
    }
}

/* In a client's narration the connection is client 0. */
static bool is_about_connection(const struct line *line)
{
    return line->client != 0 ||
           (line->log > 0 && !is_one_of(line->call, "WSAEventSelect CreateIoCompletionPort"));
}

static void draw_lines(double end)
{
    for (int i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        struct lane *thread = lane_of(line->log, line->thread, 0);
        if (thread != NULL && thread->last_ms == 0)
            thread->last_ms = line->ms;
        bool done = thread != NULL && draw_on_thread(line, thread);
        if (!done && is_about_connection(line)) {
            struct lane *connection = lane_of(line->log, 0, line->client);
            if (connection != NULL)
                draw_on_connection(line, connection);
        }
        if (thread != NULL)
            thread->last_ms = line->ms;
    }
    for (int i = 0; i < shape_count; i++) {
        if (shapes[i].open)
            shapes[i].to = end;
    }
}

/* ---- the picture --------------------------------------------------------------------------- */

/* A page of its own: a browser shows text for the dark on white otherwise. */
static const char style[] =
    ".page { fill: #ffffff }\n"
    "text { font: 12px system-ui, 'Segoe UI', 'Malgun Gothic', sans-serif; fill: #1f2328 }\n"
    ".title { font-weight: 600; font-size: 15px }\n"
    ".label { font-size: 10px }\n"
    ".line { stroke: #818b98; stroke-opacity: 0.5; fill: none }\n"
    ".wait { fill: #0969da; fill-opacity: 0.12; stroke: #0969da; stroke-dasharray: 4 3 }\n"
    ".work { fill: #9a6700; fill-opacity: 0.5 }\n"
    ".call { fill: #57606a }\n"
    ".receive { fill: #1a7f37 }\n"
    ".send { fill: #8250df }\n"
    ".told { fill: #cf222e }\n"
    ".open { stroke: #cf222e }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  .page { fill: #0d1117 }\n"
    "  text { fill: #f0f6fc }\n"
    "  .line { stroke: #9198a1 }\n"
    "  .wait { fill: #4493f8; stroke: #4493f8 }\n"
    "  .work { fill: #d29922 }\n"
    "  .call { fill: #9198a1 }\n"
    "  .receive { fill: #3fb950 }\n"
    "  .send { fill: #ab7df8 }\n"
    "  .told { fill: #f85149 }\n"
    "  .open { stroke: #f85149 }\n"
    "}\n";

static const double LONGEST_MS = 24 * 60 * 60 * 1000.0;
static double first_ms, last_ms;
static bool cut_off;

static bool is_about_a_client(const struct line *line)
{
    return line->client != 0 || line->log > 0;
}

static bool is_connect(const struct line *line)
{
    return strcmp(line->call, "accept") == 0 ||
           (strcmp(line->call, "AcceptEx") == 0 && line->client != 0);
}

/* From the first line that is about a client (from the last connect, if that is wanted) to the last
 * one: before and after it the server only waits. */
static void choose_time(bool from_last_connect)
{
    int first = 0, last = line_count - 1;
    while (first < last && !is_about_a_client(&lines[first]))
        first++;
    for (int i = first; i < last && from_last_connect; i++) {
        if (is_connect(&lines[i]))
            first = i;
    }
    while (last > first && !is_about_a_client(&lines[last]))
        last--;
    double margin = (lines[last].ms - lines[first].ms) / 50 + 0.1;
    first_ms = lines[first].ms - margin;
    last_ms = lines[last].ms + margin;
    if (last_ms - first_ms > LONGEST_MS)
        fail(0, "%s: the lines lie more than a day apart: are the logs of one run?", log_names[0]);
}

/* More lines than can be read are cut off. */
static void cut_off_the_rest(void)
{
    int inside = 0;
    for (int i = 0; i < line_count; i++) {
        if (lines[i].ms < first_ms || lines[i].ms > last_ms || ++inside <= DRAWN_LINES)
            continue;
        last_ms = lines[i - 1].ms;
        cut_off = true;
        return;
    }
}

/* What is outside of that time is drawn at its edge. */
static double x_of(double ms)
{
    double inside = ms < first_ms ? first_ms : ms > last_ms ? last_ms : ms;
    return LEFT + (WIDTH - LEFT - RIGHT) * (inside - first_ms) / (last_ms - first_ms);
}

static void print_escaped(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '<')
            printf("&lt;");
        else if (*c == '>')
            printf("&gt;");
        else if (*c == '&')
            printf("&amp;");
        else
            putchar(*c >= ' ' && *c <= '~' ? *c : '?');
    }
}

static void print_text(double x, double y, const char *class_name, const char *text)
{
    printf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class_name);
    print_escaped(text);
    printf("</text>\n");
}

/* Lanes in the order of the logs; in each log threads first. */
static int compare_lanes(const void *left, const void *right)
{
    const struct lane *a = &lanes[*(const int *)left], *b = &lanes[*(const int *)right];
    if (a->log != b->log)
        return a->log - b->log;
    if ((a->thread == 0) != (b->thread == 0))
        return a->thread == 0 ? 1 : -1;
    return a->client != b->client ? a->client - b->client : (int)(a - b);
}

/* Whether something is drawn on the lane: many a thread only starts the others. */
static bool lane_is_used(int lane)
{
    for (int i = 0; i < shape_count; i++) {
        if (shapes[i].lane == lane && shapes[i].to >= first_ms && shapes[i].from <= last_ms)
            return true;
    }
    return false;
}

static void print_lane(const struct lane *lane, double y)
{
    char name[60];
    const char *who = lane->log == 0 ? "server" : "client";
    char letter[] = {' ', (char)('A' + lane->log - 1), '\0'};
    if (lane->log == 0)
        letter[0] = '\0';
    if (lane->thread != 0)
        snprintf(name, sizeof name, "%s%s: thread %ld", who, letter, lane->thread);
    else if (lane->log == 0)
        snprintf(name, sizeof name, "server: client %d", lane->client);
    else
        snprintf(name, sizeof name, "client%s: connection", letter);
    print_text(10, y + BAR - 2, "lane", name);
    printf("<path class=\"line\" d=\"M%d %.1fH%d\"/>\n", LEFT, y + BAR / 2.0, WIDTH - RIGHT);
}

static void print_shape(const struct shape *shape, double y)
{
    double x = x_of(shape->from), width = x_of(shape->to) - x;
    const char *name = kind_names[shape->kind];
    /* A receive lies above a send, because both may be in progress at the same time. */
    double top = shape->kind == SEND ? y + BAR / 2.0 : y;
    double height = shape->kind == SEND || shape->kind == RECEIVE ? BAR / 2.0 : BAR;
    if (shape->to < first_ms || shape->from > last_ms)
        return;
    if (shape->kind == TOLD)
        printf("<path class=\"told\" d=\"M%.1f %.1fl-4 -7h8z\">", x, y - 1);
    else
        printf("<rect class=\"%s%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", name,
               shape->open ? " open" : "", x, top, width < 3 ? 3 : width, height);
    printf("<title>%.3f", shape->from - first_ms);
    if (shape->to > shape->from)
        printf(" to %.3f", shape->to - first_ms);
    printf(" ms: ");
    print_escaped(shape->text);
    printf("%s</title></%s>\n", shape->open ? " (open)" : "",
           shape->kind == TOLD ? "path" : "rect");
}

/* Text under the bars of a lane, as long as there is room for it. */
static void print_labels(int lane, double y)
{
    double free_from = 0;
    for (int i = 0; i < shape_count; i++) {
        const struct shape *shape = &shapes[i];
        double x = x_of(shape->from);
        if (shape->lane != lane || shape->kind == WAIT || x < free_from || shape->from < first_ms ||
            shape->from > last_ms)
            continue;
        double width = 5.2 * (double)strlen(shape->text);
        if (x + width > WIDTH)
            continue;
        print_text(x, y + BAR + 10, "label", shape->text);
        free_from = x + width + 8;
    }
}

static void print_legend(double y)
{
    static const char *const words[] = {"waits",   "other work", "a call",
                                        "receive", "send",       "the program is told"};
    double x = LEFT;
    for (int i = WAIT; i <= TOLD; i++) {
        if (i == TOLD)
            printf("<path class=\"told\" d=\"M%.1f %.1fl-4 -7h8z\"/>\n", x + 8, y + 10);
        else
            printf("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"10\"/>\n",
                   kind_names[i], x, y);
        print_text(x + 22, y + 9, "label", words[i]);
        x += 40 + 6.0 * (double)strlen(words[i]);
    }
}

static void print_axis(double bottom)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1,    2,    5,    10,    20,   50,
                                   100, 200, 500, 1000, 2000, 5000, 10000, 60000};
    double step = steps[0];
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        step = steps[i];
        if ((last_ms - first_ms) / step <= 12)
            break;
    }
    while ((last_ms - first_ms) / step > 12)
        step *= 2;
    for (double ms = 0; ms <= last_ms - first_ms; ms += step) {
        char text[32];
        snprintf(text, sizeof text, "%g ms", ms);
        printf("<path class=\"line\" d=\"M%.1f %dV%.1f\"/>\n", x_of(first_ms + ms), TOP - 8,
               bottom);
        if (x_of(first_ms + ms) + 6.0 * (double)strlen(text) < WIDTH)
            print_text(x_of(first_ms + ms) + 2, TOP - 10, "label", text);
    }
}

static void print_picture(void)
{
    int order[MAX_LANES] = {0}, used = 0;
    for (int i = 0; i < lane_count; i++) {
        if (lane_is_used(i))
            order[used++] = i;
    }
    qsort(order, (size_t)used, sizeof order[0], compare_lanes);
    double bottom = TOP + LANE * used;
    double height = bottom + 34 + 18 * (cut_off + lanes_left_out);

    printf(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\">\n<style>\n%s</style>\n",
        WIDTH, height, style);
    printf("<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n");
    print_text(10, 24, "title", "A run on a time line");
    print_axis(bottom);
    for (int i = 0; i < used; i++) {
        double y = TOP + LANE * i + 10;
        print_lane(&lanes[order[i]], y);
        for (int j = 0; j < shape_count; j++) { /* marks lie over bars */
            if (shapes[j].lane == order[i] && shapes[j].kind != TOLD)
                print_shape(&shapes[j], y);
        }
        for (int j = 0; j < shape_count; j++) {
            if (shapes[j].lane == order[i] && shapes[j].kind == TOLD)
                print_shape(&shapes[j], y);
        }
        print_labels(order[i], y);
    }
    print_legend(bottom + 14);
    if (cut_off) {
        char text[80];
        snprintf(text, sizeof text, "Cut off after %d lines, at %.1f ms: the run was longer.",
                 DRAWN_LINES, last_ms - first_ms);
        print_text(LEFT, bottom + 42, "label", text);
    }
    if (lanes_left_out)
        print_text(LEFT, height - 10, "label",
                   "Some threads or connections are left out: too many.");
    printf("</svg>\n");
}

int main(int argc, char **argv)
{
    snprintf(program_name, sizeof program_name, "timeline");
    use_utf8(&argc, &argv);
    bool from_last_connect = argc > 1 && strcmp(argv[1], "--connected") == 0;
    int first_log = from_last_connect ? 2 : 1;
    if (argc <= first_log || argc > first_log + MAX_LOGS || argv[first_log][0] == '-') {
        fprintf(stderr, "usage: timeline [--connected] SERVER_LOG [CLIENT_LOG ...] > run.svg\n"
                        "  --connected  begins when the last client has connected\n");
        return 2;
    }
    for (int i = first_log; i < argc; i++) {
        log_names[log_count] = argv[i];
        read_log(argv[i], log_count++);
    }
    if (line_count == 0)
        fail(0, "%s: nothing happened in it", argv[first_log]);
    qsort(lines, (size_t)line_count, sizeof lines[0], compare_times);
    choose_time(from_last_connect);
    cut_off_the_rest();
    double end = lines[line_count - 1].ms;
    draw_lines(end > last_ms ? end : last_ms);
    print_picture();
    if (fflush(stdout) != 0 || ferror(stdout))
        fail(0, "write the picture to standard output");
    return 0;
}
