/*
 * timeline.c - draws a run: reads the narration of a server and its clients, writes an SVG.
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
 * skipped. Exit status: 0, or 1 if a log cannot be read, is no narration, or is damaged behind the
 * time; the message names the line.
 */
#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have fopen_s, which not every compiler has */
#include "operations.h"
#include "utf8.h"

#include <stdlib.h>

enum {
    DRAWN_LINES = 400, /* more would be unreadable: they are cut off */

    WIDTH = 1000,
    LEFT = 190, /* where time begins */
    RIGHT = 20,
    TOP = 64,
    LANE = 38,
    BAR = 14
};

/* ---- the picture --------------------------------------------------------------------------- */

/* It has a background: otherwise a browser shows the light text of the dark scheme on white. */
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
static const char *first_log_name;

static bool is_about_a_client(const struct line *line)
{
    return line->client != 0 || line->log > 0;
}

static bool is_connect(const struct line *line)
{
    return strcmp(line->call, "accept") == 0 ||
           (strcmp(line->call, "AcceptEx") == 0 && line->client != 0);
}

/* From the first line that is about a client (with --connected, from the last connect) to the last
 * one: before and after them the server only waits. */
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
        fail(0, "%s: its lines are more than a day apart: are the logs from one run?",
             first_log_name);
}

/* A longer run is cut off: it could not be read in the picture. */
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

/* What is outside that time is drawn at its edge. */
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

/* Whether something is drawn on the lane: some threads only start the others. */
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
    /* A receive is above a send, because both may be in progress at the same time. */
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
                                        "receive", "send",       "the program is notified"};
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
        for (int j = 0; j < shape_count; j++) { /* marks are drawn over bars */
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
    first_log_name = argv[first_log];
    for (int i = first_log; i < argc; i++)
        read_log(argv[i], i - first_log, argc - first_log, REFUSE_LONG_LOG);
    if (line_count == 0)
        fail(0, "%s: nothing happened in this run", argv[first_log]);
    sort_lines();
    choose_time(from_last_connect);
    cut_off_the_rest();
    double end = lines[line_count - 1].ms;
    find_operations(end > last_ms ? end : last_ms);
    print_picture();
    if (fflush(stdout) != 0 || ferror(stdout))
        fail(0, "write the picture to standard output");
    return 0;
}
