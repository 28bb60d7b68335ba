/* log.c - reads narrations. See log.h. */
#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have fopen_s, which not every compiler has */
#include "log.h"
#include "utf8.h"

#include <stdlib.h>

enum { LINE_SIZE = 1000 };

struct line lines[MAX_LINES];
int line_count;

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

/* Takes "\tserver.c:120" off the end of the text, if it is there. */
static void take_place(char *text, struct line *line)
{
    char *place = strrchr(text, '\t');
    char *colon = place == NULL ? NULL : strrchr(place, ':');
    char *end;

    if (colon == NULL || colon == place + 1)
        return;
    long number = strtol(colon + 1, &end, 10);
    if (number <= 0 || number > 999999 || *end != '\0')
        return;
    line->number = (int)number;
    snprintf(line->file, sizeof line->file, "%.*s", (int)(colon - place - 1), place + 1);
    *place = '\0';
}

static struct line parse_line(char *narrated, const char *file, int number, int log)
{
    struct line line = {0};
    char word[32];
    char *end;

    line.log = log;
    take_place(narrated, &line);
    line.ms = strtod(narrated, &end);
    const char *text = end;
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
    snprintf(line.what, sizeof line.what, "%s", text);
    return line;
}

/* Reads the next line, or the beginning of a longer one, whose rest is skipped. */
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

bool read_log(const char *file, int log, int log_count, enum long_log long_log)
{
    char text[LINE_SIZE];
    double zero = -1; /* of this log, on the machine's counter */
    int number = 0;
    int most = line_count + (MAX_LINES - line_count) / (log_count - log);
    bool complete = true;
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
        if (line_count == (long_log == CUT_LONG_LOG ? most : MAX_LINES)) {
            if (long_log == REFUSE_LONG_LOG)
                bad_line(file, number, "this run is too long to be drawn");
            complete = false;
            break;
        }
        line.order = line_count;
        lines[line_count++] = line;
    }
    if (ferror(stream))
        fail(0, "read %s: it could not be read to its end", file);
    fclose(stream);
    if (zero < 0)
        bad_line(file, number == 0 ? 1 : number, "up to here there is no narration");
    return complete;
}

static int compare_times(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return a->order - b->order;
}

void sort_lines(void)
{
    qsort(lines, (size_t)line_count, sizeof lines[0], compare_times);
}
