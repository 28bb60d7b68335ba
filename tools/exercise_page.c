/* exercise_page.c - what the README.md of an exercise says. See exercise_page.h. */
#define _CRT_SECURE_NO_WARNINGS /* getenv */
#include "../common/common.h"
#include "utf8.h"
#include "exercise_page.h"

#include <stdarg.h>
#include <stdlib.h>

enum { MOST_STARS = 3 };
static const char star[] = "\xe2\x98\x85";

/* ---- the file ------------------------------------------------------------------------------ */

/* Notes why the statement cannot be read, after the name of its file. Returns false. */
static bool give_up(struct statement *statement, const char *path, const char *what, ...)
{
    char text[300];
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    snprintf(statement->reason, sizeof statement->reason, "%s: %s", path, text);
    return false;
}

/* Reads to the end, and leaves out what Windows puts before a line feed. NULL: no memory. */
static char *read_all(FILE *file)
{
    size_t length = 0, size = 16 * 1024;
    char *text = malloc(size);
    int c;

    while (text != NULL && (c = getc(file)) != EOF) {
        if (c == '\r')
            continue;
        text[length++] = (char)c;
        if (length == size) {
            char *longer = realloc(text, size *= 2);
            if (longer == NULL)
                free(text);
            text = longer;
        }
    }
    if (text != NULL)
        text[length] = '\0';
    return text;
}

/* The first line from text on that begins so. NULL: there is none. */
static const char *find_line(const char *text, const char *beginning)
{
    size_t length = strlen(beginning);

    while (text != NULL && strncmp(text, beginning, length) != 0) {
        text = strchr(text, '\n');
        if (text != NULL)
            text++;
    }
    return text;
}

/* ---- its parts ----------------------------------------------------------------------------- */

/* # UPPER: the echo in capital letters */
static bool read_heading(struct statement *statement)
{
    const char *line = find_line(statement->text, "# ");
    if (line == NULL)
        return false;
    const char *name = line + strlen("# ");
    int name_length = (int)strcspn(name, ":\n");
    if (strncmp(name + name_length, ": ", 2) != 0)
        return false;
    const char *goal = name + name_length + 2;
    snprintf(statement->name, sizeof statement->name, "%.*s", name_length, name);
    snprintf(statement->goal, sizeof statement->goal, "%.*s", (int)strcspn(goal, "\n"), goal);
    return statement->goal[0] != '\0';
}

/* Level *, a change of [ch21_event_select](../../../ch21_event_select/README.md). */
static bool read_level(struct statement *statement)
{
    static const char words[] = ", a change of [";
    const char *place = find_line(statement->text, "Level ");
    if (place == NULL)
        return false;
    place += strlen("Level ");
    while (strncmp(place, star, strlen(star)) == 0) {
        place += strlen(star);
        statement->level++;
    }
    if (statement->level < 1 || statement->level > MOST_STARS ||
        strncmp(place, words, strlen(words)) != 0)
        return false;
    place += strlen(words);
    int length = (int)strcspn(place, "]\n");
    snprintf(statement->chapter, sizeof statement->chapter, "%.*s", length, place);
    return length > 0 && place[length] == ']';
}

enum { SUMMARY_SIZE = 60 };

/* The line before a hint. */
static const char *summary_line(char *text, int number)
{
    snprintf(text, SUMMARY_SIZE, "<details><summary>Hint %d</summary>", number);
    return text;
}

const char *hint_text(const struct statement *statement, int number, size_t *length)
{
    char summary[SUMMARY_SIZE];
    const char *text = find_line(statement->text, summary_line(summary, number));

    if (text == NULL)
        return NULL;
    text += strcspn(text, "\n");
    const char *end = find_line(text, "</details>"), *next = find_line(text, "<details>");
    if (end == NULL || (next != NULL && next < end))
        return NULL;
    while (*text == '\n')
        text++;
    while (end > text && end[-1] == '\n')
        end--;
    *length = (size_t)(end - text);
    return text;
}

bool read_statement(struct statement *statement, const char *name)
{
    char path[300], summary[SUMMARY_SIZE];
    size_t length;

    memset(statement, 0, sizeof *statement);
    snprintf(path, sizeof path, "course\\homework\\%s\\README.md", name);
    SetLastError(0);
    FILE *file = open_file(path, "rb");
    if (file == NULL) {
        int error = (int)GetLastError();
        char text[ERROR_TEXT_SIZE];
        return give_up(statement, path, "%s", error_text(error, text));
    }
    statement->text = read_all(file);
    fclose(file);
    if (statement->text == NULL)
        return give_up(statement, path, "there is no memory for it");
    if (!read_heading(statement) || _stricmp(statement->name, name) != 0)
        return give_up(statement, path, "it has no heading \"# %s: ...\"", name);
    if (!read_level(statement))
        return give_up(statement, path,
                       "it has no line \"Level \", one to %d stars (U+2605), \", a change of "
                       "[CHAPTER]\"",
                       MOST_STARS);
    while (hint_text(statement, statement->hints + 1, &length) != NULL)
        statement->hints++;
    summary_line(summary, statement->hints + 1);
    if (statement->hints == 0 || find_line(statement->text, summary) != NULL)
        return give_up(statement, path, "it has no \"%s\" with a \"</details>\" of its own",
                       summary);
    return true;
}

void free_statement(struct statement *statement)
{
    free(statement->text);
    statement->text = NULL;
}

/* ---- commands ------------------------------------------------------------------------------ */

const char *build_command(void)
{
    const char *command = getenv("BUILD_COMMAND"); /* set by build.sh */
    return command != NULL ? command : "build.bat";
}

const char *hint_command(char *text, const char *folder, const char *name, int number)
{
    static const char plain[] = "0123456789_-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *quote = folder[strspn(folder, plain)] == '\0' ? "" : "\"";

    snprintf(text, COMMAND_SIZE, "%s hint %s%s%s %s %d", build_command(), quote, folder, quote,
             name, number);
    return text;
}
