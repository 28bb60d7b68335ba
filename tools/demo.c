/*
 * demo.c - lets the server and the client of a chapter talk, and shows what both of them print.
 *
 *     demo.exe FOLDER        for example build\ch21_event_select
 *
 * The lines of both sides are put in order on one clock, which begins with the server. Only the
 * beginning of the long line's exchange is shown. Exit status: 0 if the server and the client did
 * what they should, and ended as they should, otherwise 1.
 */
#include "process.h"
#include "utf8.h"

#include <stdlib.h>

enum { LONG_LINE = 150000, LONGEST_SHOWN = 160, MOST_SHOWN = 56, PATIENCE_MS = 10000 };

/* A line that one of the programs has printed, and when; it lives in the program's capture. */
struct line {
    double ms;
    const char *label;
    const char *text;
    int length;
};

/* What the client types. */
enum { HELLO, LONG_ONE, TYPED_LINES };

static struct process server, client;
static size_t echoed;                 /* bytes that have come back so far */
static double echoed_at[TYPED_LINES]; /* when each line had come back */

static struct line *lines;
static int line_count;
static double server_began; /* on the counter of this machine */

static void talk(const char *folder);
static void start_server(const char *folder, const char *port);
static void type_line(int number, const char *line, size_t length);
static void show_all(void);
static bool is_last_of_long_line(int number);
static void add_narration(const char *label, const struct capture *capture);
static void add_echoes(void);
static void add_line(double ms, const char *label, const char *text, int length);
static int by_time(const void *first, const void *second);
static int length_of_line(const struct capture *capture, const char *text);
static NORETURN void give_up(const char *what);

int main(int argc, char **argv)
{
    use_utf8(&argc, &argv);
    snprintf(program_name, sizeof program_name, "demo"); /* for fail */
    if (argc != 2) {
        fprintf(stderr, "usage: demo FOLDER\n");
        return 2;
    }
    start_winsock();
    printf("---- %s: a server, and a client that types two lines and Q ----\n", argv[1]);
    fflush(stdout);
    talk(argv[1]);
    show_all();
    end_process(&client);
    end_process(&server);
    stop_winsock();
    return 0;
}

static void talk(const char *folder)
{
    char command[500], port[16], text[ERROR_TEXT_SIZE];
    DWORD status = 1;

    snprintf(port, sizeof port, "%d", free_port());
    start_server(folder, port);
    snprintf(command, sizeof command, "\"%s\\client.exe\" 127.0.0.1 %s", folder, port);
    if (!start_process(&client, command, NULL, NULL)) {
        fprintf(stderr, "demo: start %s\\client.exe: %s\n", folder,
                error_text((int)GetLastError(), text));
        give_up("the client cannot be started");
    }
    type_line(HELLO, "hello\n", 6);

    char *line = malloc(LONG_LINE);
    if (line == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a long line");
    memset(line, 'a', LONG_LINE);
    line[LONG_LINE - 1] = '\n';
    type_line(LONG_ONE, line, LONG_LINE);
    free(line);

    write_input(&client, "Q\n", 2);
    if (!wait_for_exit(&client, PATIENCE_MS, &status) || status != 0)
        give_up("the client did not end as it should");
    if (!press_ctrl_c(&server) || !wait_for_exit(&server, PATIENCE_MS, &status) || status != 0)
        give_up("the server did not stop as it should");
}

static void start_server(const char *folder, const char *port)
{
    char command[500];

    snprintf(command, sizeof command, "\"%s\\server.exe\" %s", folder, port);
    if (!start_process(&server, command, NULL, NULL))
        fail((int)GetLastError(), "start %s\\server.exe", folder);
    if (listening_port(&server, 0, PATIENCE_MS) == 0)
        give_up("the server does not listen");
}

/* Types a line and waits until all of it has come back. */
static void type_line(int number, const char *line, size_t length)
{
    echoed += length;
    if (!write_input(&client, line, length) ||
        !wait_for_length(&client.output, echoed, PATIENCE_MS))
        give_up(number == LONG_ONE ? "the long line did not come back"
                                   : "the first line did not come back");
    echoed_at[number] = now_ms();
}

static void show_all(void)
{
    size_t most = 0;
    const struct capture *captures[] = {&server.output, &server.error, &client.output,
                                        &client.error};
    for (int i = 0; i < 4; i++)
        most += captures[i]->length; /* a line has one byte at least */
    lines = calloc(most + 1, sizeof *lines);
    if (lines == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for the lines");

    add_narration("server | ", &server.output);
    add_narration("server ! ", &server.error);
    add_narration("client | ", &client.error);
    add_echoes();
    qsort(lines, (size_t)line_count, sizeof *lines, by_time);
    printf("         %10s  thread  client  call                      what happened\n", "ms");
    int left_out = line_count > MOST_SHOWN ? line_count - MOST_SHOWN : 0;
    for (int i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        if (left_out > 0 && is_last_of_long_line(i + left_out)) {
            printf("       ... %d lines are left out\n", left_out);
            i += left_out - 1;
            left_out = 0;
            continue;
        }
        if (line->length > LONGEST_SHOWN)
            printf("%s%.40s... (%d characters)\n", line->label, line->text, line->length);
        else
            printf("%s%.*s\n", line->label, line->length, line->text);
    }
    fflush(stdout);
    free(lines);
}

/* From the end of the long line's echo on, lines are shown again. */
static bool is_last_of_long_line(int number)
{
    return number < line_count && lines[number].ms == echoed_at[LONG_ONE] - server_began;
}

/* A line of the narration begins with the milliseconds since its program began. Which moment that
 * was is in the first of them: "0.000 ms is 123.456 ms on this machine's counter". Any other line,
 * such as "listening on", belongs to the moment of the line before. */
static void add_narration(const char *label, const struct capture *capture)
{
    static const char clock_line[] = "0.000 ms is ", heading[] = "        ms  thread";
    double began = 0, ms = 0;
    int length;

    if (capture->bytes == NULL)
        return; /* it has not been started */
    for (const char *text = capture->bytes; *text != '\0';
         text += length + (text[length] == '\n')) {
        length = length_of_line(capture, text);
        char *after_number;
        double number = strtod(text, &after_number);
        const char *clock = strstr(text, clock_line);
        if (clock != NULL && clock < text + length) {
            began = strtod(clock + strlen(clock_line), NULL);
            if (server_began == 0)
                server_began = began;
            ms = began - server_began;
        } else if (after_number == text + 10) {
            ms = began + number - server_began;
            char *column = (char *)text; /* the capture is ours: its clock is corrected in place */
            char time[32];
            snprintf(time, sizeof time, "%10.3f", ms);
            if (strlen(time) == 10)
                memcpy(column, time, 10);
            add_line(ms, label, text, length);
        } else if (strncmp(text, heading, strlen(heading)) != 0) {
            add_line(ms, label, text, length);
        }
    }
}

static void add_echoes(void)
{
    const char *text = client.output.bytes; /* NULL: it has not been started */
    for (int i = 0; i < TYPED_LINES && text != NULL && *text != '\0'; i++) {
        int length = length_of_line(&client.output, text);
        add_line(echoed_at[i] - server_began, "echo   > ", text, length);
        text += length + (text[length] == '\n');
    }
}

static void add_line(double ms, const char *label, const char *text, int length)
{
    if (length > 0 && text[length - 1] == '\r')
        length--;
    struct line line = {ms, label, text, length};
    lines[line_count++] = line;
}

/* For qsort, which is not stable: lines of the same moment keep the order of their places. */
static int by_time(const void *first, const void *second)
{
    const struct line *a = first, *b = second;
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return a->text < b->text ? -1 : a->text > b->text;
}

static int length_of_line(const struct capture *capture, const char *text)
{
    const char *end = memchr(text, '\n', (size_t)(capture->bytes + capture->length - text));
    return (int)((end != NULL ? end : capture->bytes + capture->length) - text);
}

static NORETURN void give_up(const char *what)
{
    show_all();
    fprintf(stderr, "demo: %s\n", what);
    end_process(&client);
    end_process(&server);
    exit(1);
}
