/*
 * homework.c - the exercises, the progress on each, and hints.
 *
 *     homework.exe list [ko|en]
 *     homework.exe hint NAME NUMBER FOLDER [ko|en]
 *
 * The exercises are the folders of course\homework, and the progress is in the reports that
 * check.exe writes into build, so the current folder must be the top of the repository. FOLDER is
 * where the student works; it is part of the command for the next hint. Goals and hints are in the
 * language that the last word names; without it, in Korean where Windows is in Korean.
 *
 * Exit status: 0; 1 if a statement cannot be read; 2 for a wrong command line.
 */
#include "../common/common.h"
#include "utf8.h"
#include "exercise_page.h"

#include <stdlib.h>

/* ---- the exercises ------------------------------------------------------------------------- */

enum { MOST_EXERCISES = 100 };
static struct statement exercises[MOST_EXERCISES];
static int exercise_count;
static bool korean;
static const char *asked_language = ""; /* ko or en, if it was asked for */

/* The order of the lessons, by the names of their folders: by number; of two with the same number,
 * the one about events comes first. */
static int compare_chapters(const char *a, const char *b)
{
    int number_a = atoi(a + strcspn(a, "0123456789"));
    int number_b = atoi(b + strcspn(b, "0123456789"));
    bool events_a = strstr(a, "event") != NULL, events_b = strstr(b, "event") != NULL;

    if (number_a != number_b)
        return number_a < number_b ? -1 : 1;
    if (events_a != events_b)
        return events_a ? -1 : 1;
    return strcmp(a, b);
}

/* For qsort: by chapter, then by level, then by name. */
static int compare_exercises(const void *left, const void *right)
{
    const struct statement *a = left, *b = right;
    int order = compare_chapters(a->chapter, b->chapter);

    if (order == 0)
        order = a->level - b->level;
    return order != 0 ? order : strcmp(a->name, b->name);
}

/* Reads all statements. One that cannot be read has a name and a reason, and is sorted first. */
static void read_exercises(void)
{
    WIN32_FIND_DATAW entry;
    char name[NAME_SIZE];
    HANDLE search = FindFirstFileW(L"course\\homework\\*", &entry);

    if (search == INVALID_HANDLE_VALUE)
        fail((int)GetLastError(), "read the folder course\\homework");
    do {
        bool folder = (entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
        if (!folder || entry.cFileName[0] == L'.')
            continue;
        if (exercise_count == MOST_EXERCISES)
            fail(0, "there are more than %d exercises in course\\homework", MOST_EXERCISES);
        struct statement *exercise = &exercises[exercise_count++];
        bool done = read_statement(exercise, narrow_name(entry.cFileName, name));
        if (done && korean)
            use_korean_page(exercise); /* a failure leaves its reason, which is printed */
        if (!done) {
            snprintf(exercise->name, sizeof exercise->name, "%.30s", name);
            exercise->chapter[0] = '\0';
        }
    } while (FindNextFileW(search, &entry));
    FindClose(search);
    qsort(exercises, (size_t)exercise_count, sizeof exercises[0], compare_exercises);
}

/* ---- the list ------------------------------------------------------------------------------ */

enum { REPORT_LINE_SIZE = 1000 };

/* The last line of a report that was finished: 3/5, or 20 passed, 0 failed, 1 skipped. */
static bool is_score(const char *line)
{
    char *rest;

    if (strtol(line, &rest, 10) < 0 || rest == line)
        return false;
    if (strncmp(rest, " passed, ", 9) == 0)
        return true;
    if (*rest != '/')
        return false;
    const char *all = rest + 1;
    strtol(all, &rest, 10);
    return rest != all && *rest == '\0';
}

/* What the report in this folder of build says: the score, and where and when it was made. Both are
 * arrays of REPORT_LINE_SIZE characters. False: there is no report. */
static bool read_report(const char *folder, const char *name, char *score, char *origin)
{
    char path[400], line[REPORT_LINE_SIZE] = "", first[REPORT_LINE_SIZE - 300] = "";

    snprintf(path, sizeof path, "build\\%s\\%s.txt", folder, name);
    FILE *file = open_file(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (first[0] == '\0')
            snprintf(first, sizeof first, "%.*s", (int)strcspn(line, "\r\n"), line);
    }
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    snprintf(score, REPORT_LINE_SIZE, "%s", is_score(line) ? line : "not finished");
    const char *when = strstr(first, ", ");
    snprintf(origin, REPORT_LINE_SIZE, "(%s%s)", folder, when != NULL ? when : "");
    return true;
}

/* One line for each folder with a report on the exercise, or one without. */
static void print_exercise(const struct statement *exercise)
{
    static const char columns[] = "    %-9s %-4.*s %-5s  %s %s\n";
    char score[REPORT_LINE_SIZE], origin[REPORT_LINE_SIZE];
    bool found = false;
    WIN32_FIND_DATAW entry;
    char folder[NAME_SIZE];
    HANDLE search = FindFirstFileW(L"build\\*", &entry);

    if (search != INVALID_HANDLE_VALUE) {
        do {
            if (entry.cFileName[0] == L'.' ||
                !read_report(narrow_name(entry.cFileName, folder), exercise->name, score, origin))
                continue;
            print_utf8(stdout, columns, exercise->name, exercise->level, "***", score,
                       exercise->goal, origin);
            found = true;
        } while (FindNextFileW(search, &entry));
        FindClose(search);
    }
    if (!found)
        print_utf8(stdout, columns, exercise->name, exercise->level, "***", "-", exercise->goal,
                   "");
}

static int print_list(void)
{
    const char *chapter = "";
    int status = 0;

    read_exercises();
    for (int i = 0; i < exercise_count; i++) {
        if (exercises[i].reason[0] != '\0') {
            print_utf8(stderr, "homework: %s\n", exercises[i].reason);
            status = 1;
            continue;
        }
        if (strcmp(chapter, exercises[i].chapter) != 0) {
            char score[REPORT_LINE_SIZE] = "not checked", origin[REPORT_LINE_SIZE] = "";
            chapter = exercises[i].chapter;
            read_report(chapter, "checks", score, origin);
            print_utf8(stdout, "%s: %s %s\n", chapter, score, origin);
        }
        print_exercise(&exercises[i]);
    }
    print_utf8(stdout, "\nOne exercise, on a folder with your server.c: %s check FOLDER EXERCISE\n",
               build_command());
    return status;
}

/* ---- a hint -------------------------------------------------------------------------------- */

static int print_hint(const struct statement *exercise, const char *word, const char *folder)
{
    size_t digits = strspn(word, "0123456789");
    int number = digits > 0 && digits < 4 && word[digits] == '\0' ? atoi(word) : 0;
    size_t length = 0;

    if (exercise->reason[0] != '\0') {
        print_utf8(stderr, "homework: %s\n", exercise->reason);
        return 1;
    }
    if (number < 1 || number > exercise->hints) {
        print_utf8(stderr, "%s has %d hints, and no hint %s\n", exercise->name, exercise->hints,
                   word);
        return 2;
    }
    const char *text = hint_text(exercise, number, &length);
    char command[COMMAND_SIZE] = "";
    if (number < exercise->hints)
        hint_command(command, folder, exercise->name, number + 1);
    /* In Korean only words of the page are printed, because our own are in English. */
    if (korean)
        print_utf8(stdout, "%s, %s %d/%d\n\n", exercise->name, exercise->hint_word, number,
                   exercise->hints);
    else
        print_utf8(stdout, "%s, hint %d of %d\n\n", exercise->name, number, exercise->hints);
    print_utf8(stdout, "%.*s\n", (int)length, text);
    if (command[0] != '\0' && korean)
        print_utf8(stdout, "\n%s %d: ", exercise->hint_word, number + 1);
    else if (command[0] != '\0')
        print_utf8(stdout, "\nThe next one: ");
    if (command[0] != '\0')
        print_utf8(stdout, "%s%s%s\n", command, asked_language[0] != '\0' ? " " : "",
                   asked_language);
    return 0;
}

static int find_hint(const char *name, const char *number, const char *folder)
{
    read_exercises();
    for (int i = 0; i < exercise_count; i++) {
        if (_stricmp(exercises[i].name, name) == 0)
            return print_hint(&exercises[i], number, folder);
    }
    print_utf8(stderr, "homework: there is no exercise %s. There are:\n", name);
    for (int i = 0; i < exercise_count; i++)
        print_utf8(stderr, "    %-9s %s\n", exercises[i].name, exercises[i].goal);
    return 2;
}

int main(int argc, char **argv)
{
    snprintf(program_name, sizeof program_name, "homework"); /* for fail */
    read_utf8_arguments(&argc, &argv);
    korean = windows_is_korean();
    if (argc > 2 && (strcmp(argv[argc - 1], "ko") == 0 || strcmp(argv[argc - 1], "en") == 0)) {
        asked_language = argv[--argc];
        korean = strcmp(asked_language, "ko") == 0;
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return print_list();
    if (argc == 5 && strcmp(argv[1], "hint") == 0)
        return find_hint(argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: homework list [ko|en]\n"
                    "       homework hint NAME NUMBER FOLDER [ko|en]\n");
    return 2;
}
