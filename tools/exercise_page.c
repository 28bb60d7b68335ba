/* exercise_page.c - what the page of an exercise says. See exercise_page.h. */
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

/* The first line from text on with this beginning. NULL: there is none. */
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

/* The line before the hint with this number: <details><summary>Hint 1</summary>. NULL: there is
 * none. *word is what comes before the number, of *word_length bytes. */
static const char *find_summary(const char *text, int number, const char **word, int *word_length)
{
    static const char beginning[] = "<details><summary>";
    char end_of_line[40];
    int end_length = snprintf(end_of_line, sizeof end_of_line, " %d</summary>\n", number);

    while ((text = find_line(text, beginning)) != NULL) {
        *word = text + strlen(beginning);
        *word_length = (int)strcspn(*word, "\n") + 1 - end_length;
        if (*word_length > 0 && strncmp(*word + *word_length, end_of_line, (size_t)end_length) == 0)
            return text;
        text = *word;
    }
    return NULL;
}

const char *hint_text(const struct statement *statement, int number, size_t *length)
{
    const char *word;
    int word_length;
    const char *text = find_summary(statement->text, number, &word, &word_length);

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

/* Counts the hints. False: one of them has no end. */
static bool read_hints(struct statement *statement)
{
    const char *word;
    int word_length;
    size_t length;

    statement->hints = 0;
    while (hint_text(statement, statement->hints + 1, &length) != NULL)
        statement->hints++;
    if (statement->hints == 0 ||
        find_summary(statement->text, statement->hints + 1, &word, &word_length) != NULL)
        return false;
    find_summary(statement->text, 1, &word, &word_length);
    snprintf(statement->hint_word, sizeof statement->hint_word, "%.*s", word_length, word);
    return true;
}

/* Reads the page into text. */
static bool read_page(struct statement *statement, const char *path)
{
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
        return give_up(statement, path, "there is not enough memory to read it");
    return true;
}

static bool no_hint(struct statement *statement, const char *path)
{
    return give_up(statement, path,
                   "it has no \"<details><summary>Hint %d</summary>\" with its own \"</details>\"",
                   statement->hints + 1);
}

bool read_statement(struct statement *statement, const char *name)
{
    char path[300];

    memset(statement, 0, sizeof *statement);
    snprintf(path, sizeof path, "course\\homework\\%s\\README.md", name);
    if (!read_page(statement, path))
        return false;
    if (!read_heading(statement) || _stricmp(statement->name, name) != 0)
        return give_up(statement, path, "it has no heading \"# %s: ...\"", name);
    if (!read_level(statement))
        return give_up(statement, path,
                       "it has no line \"Level \", one to %d stars (U+2605), \", a change of "
                       "[CHAPTER]\"",
                       MOST_STARS);
    return read_hints(statement) || no_hint(statement, path);
}

bool use_korean_page(struct statement *statement)
{
    struct statement korean = *statement;
    char path[300];

    snprintf(path, sizeof path, "course\\homework\\%s\\README.ko.md", statement->name);
    bool done = read_page(&korean, path);
    if (done && (!read_heading(&korean) || strcmp(korean.name, statement->name) != 0))
        done = give_up(&korean, path, "it has no heading \"# %s: ...\"", statement->name);
    if (done && (!read_hints(&korean) || korean.hints != statement->hints))
        done = no_hint(&korean, path);
    if (done) {
        free_statement(statement);
        *statement = korean;
    } else {
        memcpy(statement->reason, korean.reason, sizeof statement->reason);
        if (korean.text != statement->text)
            free_statement(&korean);
    }
    return done;
}

bool windows_is_korean(void)
{
    return PRIMARYLANGID(GetUserDefaultUILanguage()) == LANG_KOREAN;
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
