/*
 * steps.c - prints and writes the steps in which a server grows.
 *
 *     steps.exe list CHAPTER              what each step is about
 *     steps.exe print CHAPTER STEP        the source of a step
 *     steps.exe diff CHAPTER STEP         what it changes in the step before
 *     steps.exe begin CHAPTER STEP FOLDER writes the source to FOLDER\server.c, shows what is new
 *
 * All steps of a chapter are in one file, course\steps\CHAPTER.c, with  #if STEP >= 3 ... #else
 * ... #endif  around the lines that not all of them have. Its first comment is not the server's: it
 * has a line " * Step 3: ..." for each step. The current folder must be the top of the repository.
 *
 * Exit status: 0; 1 if a file cannot be read or written, or has been changed and would be
 * overwritten; 2 for a wrong command line.
 */
#define _CRT_SECURE_NO_WARNINGS /* getenv */
#include "../common/common.h"
#include "utf8.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>

enum { MOST_STEPS = 8, MOST_LINES = 2000, MOST_NESTED = 8, AROUND = 2, PATH_SIZE = 400 };

/* A text, cut into lines; a line ends with '\n'. The lines are part of what read_file has read. */
struct text {
    const char *lines[MOST_LINES];
    int lengths[MOST_LINES];
    int count;
};

static char chapter_path[PATH_SIZE];
static struct text authored;
static char *titles[MOST_STEPS + 1]; /* titles[1] is that of step 1 */
static int step_count;
static int first_line; /* of the server in authored, after the first comment */

static int list_steps(const char *chapter);
static int print_step(int step);
static int print_diff(int step);
static int begin_step(const char *chapter, int step, const char *folder);
static void read_chapter(const char *chapter);
static void read_titles(void);
static void make_step(struct text *text, int step);
static bool is_condition(const char *line, int step, bool *met);
static void show_diff(const struct text *old, const struct text *new);
static void show_hunk(const struct text *old, const struct text *new, const char *script, int from,
                      int to);
static const char *function_before(const struct text *text, int line, int *length);
static bool same_line(const struct text *a, int i, const struct text *b, int j);
static bool is_unchanged(const char *path);
static char *read_file(const char *path);
static void cut_into_lines(struct text *text, const char *bytes);
static void write_text(FILE *file, const struct text *text);
static int usage(void);

int main(int argc, char **argv)
{
    use_utf8(&argc, &argv);
    snprintf(program_name, sizeof program_name, "steps");
    if (argc < 3)
        return usage();
    read_chapter(argv[2]);
    if (argc == 3 && strcmp(argv[1], "list") == 0)
        return list_steps(argv[2]);

    int step = argc > 3 && strlen(argv[3]) == 1 ? argv[3][0] - '0' : 0;
    if (argc < 4)
        return usage();
    if (step < 1 || step > step_count) {
        fprintf(stderr, "steps: %s has no step %s. It has:\n", argv[2], argv[3]);
        list_steps(argv[2]);
        return 2;
    }
    if (argc == 4 && strcmp(argv[1], "print") == 0)
        return print_step(step);
    if (argc == 4 && strcmp(argv[1], "diff") == 0)
        return print_diff(step);
    if (argc == 5 && strcmp(argv[1], "begin") == 0)
        return begin_step(argv[2], step, argv[4]);
    return usage();
}

static int list_steps(const char *chapter)
{
    static struct text text;

    printf("%s, step by step:\n", chapter);
    for (int step = 1; step <= step_count; step++) {
        make_step(&text, step);
        printf("    Step %d: %s (%d lines)\n", step, titles[step], text.count);
    }
    return 0;
}

static int print_step(int step)
{
    static struct text text;

    make_step(&text, step);
    write_text(stdout, &text);
    return 0;
}

static int print_diff(int step)
{
    static struct text old, new;

    make_step(&new, step);
    if (step > 1)
        make_step(&old, step - 1);
    show_diff(&old, &new);
    return 0;
}

static int begin_step(const char *chapter, int step, const char *folder)
{
    static struct text text;
    const char *build = getenv("BUILD_COMMAND"); /* set by build.sh */
    char path[PATH_SIZE];
    wchar_t wide[PATH_SIZE];

    if (build == NULL)
        build = "build.bat";
    snprintf(path, sizeof path, "%s\\server.c", folder);
    if (GetFileAttributesW(wide_text(path, wide, PATH_SIZE)) != INVALID_FILE_ATTRIBUTES &&
        !is_unchanged(path)) {
        fprintf(stderr,
                "steps: %s has been changed, and is not overwritten. Another folder, for example:\n"
                "    %s step %s %d %s_new\n",
                path, build, chapter, step, folder);
        return 1;
    }
    CreateDirectoryW(wide_text(folder, wide, PATH_SIZE), NULL); /* it may already exist */
    FILE *file = open_file(path, "wb");
    if (file == NULL)
        fail((int)GetLastError(), "write %s", path);
    make_step(&text, step);
    write_text(file, &text);
    if (fclose(file) != 0)
        fail(0, "write %s: the disk is full", path);

    printf("%s, step %d of %d: %s\n\n", chapter, step, step_count, titles[step]);
    print_diff(step);
    printf("\n%s has been written. Try it:\n    %s run %s server\n    %s run %s client\n", path,
           build, folder, build, chapter);
    if (step < step_count)
        printf("The next step:\n    %s step %s %d\n", build, chapter, step + 1);
    return 0;
}

/* ---- the file of a chapter ----------------------------------------------------------------- */

static void read_chapter(const char *chapter)
{
    wchar_t wide[PATH_SIZE];

    snprintf(chapter_path, sizeof chapter_path, "course\\steps\\%s.c", chapter);
    if (GetFileAttributesW(wide_text(chapter_path, wide, PATH_SIZE)) == INVALID_FILE_ATTRIBUTES) {
        fprintf(stderr, "steps: %s has no steps: there is no %s\n", chapter, chapter_path);
        exit(2);
    }
    cut_into_lines(&authored, read_file(chapter_path));
    read_titles();
}

static void read_titles(void)
{
    while (first_line < authored.count) {
        const char *line = authored.lines[first_line++];
        int step = 0, length = 0;
        if (sscanf(line, " * Step %d: %n", &step, &length) == 1 && length > 0) {
            if (step != step_count + 1 || step > MOST_STEPS)
                fail(0, "%s: line %d: expected step %d", chapter_path, first_line, step_count + 1);
            int title_length = (int)strcspn(line + length, "\n");
            titles[step] = calloc(1, (size_t)title_length + 1);
            if (titles[step] == NULL)
                fail(WSA_NOT_ENOUGH_MEMORY, "memory for a title");
            memcpy(titles[step], line + length, (size_t)title_length);
            step_count = step;
        }
        if (strncmp(line, " */", 3) == 0)
            break;
    }
    if (step_count == 0)
        fail(0, "%s: its first comment names no step", chapter_path);
}

/* What the preprocessor would leave of the server with  -DSTEP=step. */
static void make_step(struct text *text, int step)
{
    struct {
        bool shown; /* the lines at this place */
        bool ended; /* one of the branches has been shown */
    } nested[MOST_NESTED] = {{.shown = true}};
    int depth = 0;

    text->count = 0;
    for (int i = first_line; i < authored.count; i++) {
        const char *line = authored.lines[i];
        bool met;
        if (strncmp(line, "#if ", 4) == 0 && is_condition(line + 4, step, &met)) {
            if (++depth == MOST_NESTED)
                fail(0, "%s: line %d: the #if are nested too deeply", chapter_path, i + 1);
            nested[depth].shown = nested[depth - 1].shown && met;
            nested[depth].ended = met;
        } else if (depth > 0 && strncmp(line, "#elif ", 6) == 0 &&
                   is_condition(line + 6, step, &met)) {
            nested[depth].shown = nested[depth - 1].shown && met && !nested[depth].ended;
            nested[depth].ended = nested[depth].ended || met;
        } else if (depth > 0 && strncmp(line, "#else", 5) == 0) {
            nested[depth].shown = nested[depth - 1].shown && !nested[depth].ended;
        } else if (depth > 0 && strncmp(line, "#endif", 6) == 0) {
            depth--;
        } else if (nested[depth].shown) {
            text->lines[text->count] = line;
            text->lengths[text->count++] = authored.lengths[i];
        }
    }
    if (depth != 0)
        fail(0, "%s: an #if has no #endif", chapter_path);
}

/* A condition is STEP >= 3, also with ==, < or <=, or two of these with && between them. Returns
 * whether line is one; *met is whether it is met. */
static bool is_condition(const char *line, int step, bool *met)
{
    char comparison[3];
    int number, length;

    if (sscanf(line, "STEP %2[<>=] %d%n", comparison, &number, &length) != 2)
        return false;
    *met = strcmp(comparison, ">=") == 0   ? step >= number
           : strcmp(comparison, "<=") == 0 ? step <= number
           : strcmp(comparison, "<") == 0  ? step < number
                                           : step == number;
    bool others_met = true;
    if (strncmp(line + length, " && ", 4) == 0 &&
        !is_condition(line + length + 4, step, &others_met))
        return false;
    *met = *met && others_met;
    return true;
}

/* ---- what is new --------------------------------------------------------------------------- */

/* The longest common subsequence of lines, as in textbooks; script gets a sign for each line of the
 * result: '=' in both, '-' only in old, '+' only in new. Removed lines come first. */
static void show_diff(const struct text *old, const struct text *new)
{
    static unsigned short common[MOST_LINES + 1][MOST_LINES + 1];
    static char script[2 * MOST_LINES + 1];
    int i, j, length = 0;

    for (i = old->count; i >= 0; i--) {
        for (j = new->count; j >= 0; j--) {
            if (i == old->count || j == new->count)
                common[i][j] = 0;
            else if (same_line(old, i, new, j))
                common[i][j] = (unsigned short)(common[i + 1][j + 1] + 1);
            else
                common[i][j] = max(common[i + 1][j], common[i][j + 1]);
        }
    }
    for (i = j = 0; i < old->count || j < new->count; length++) {
        if (i < old->count && j < new->count &&same_line(old, i, new, j))
            script[length] = '=', i++, j++;
        else if (i < old->count && (j == new->count || common[i + 1][j] >= common[i][j + 1]))
            script[length] = '-', i++;
        else
            script[length] = '+', j++;
    }
    script[length] = '\0';

    for (int from = 0, to; from < length; from = to) {
        if (script[from] == '=') {
            to = from + 1;
            continue;
        }
        /* As far as the next change is not farther than both contexts. */
        int same = 0;
        for (to = from; to < length && same <= 2 * AROUND; to++)
            same = script[to] == '=' ? same + 1 : 0;
        to -= same;
        show_hunk(old, new, script, max(from - AROUND, 0), min(to + AROUND, length));
    }
}

static void show_hunk(const struct text *old, const struct text *new, const char *script, int from,
                      int to)
{
    int i = 0, j = 0, length;

    for (int k = 0; k < from; k++) {
        i += script[k] != '+';
        j += script[k] != '-';
    }
    const char *function = function_before(new, j, &length);
    printf("@@ %.*s\n", length, function);
    for (int k = from; k < to; k++) {
        const struct text *text = script[k] == '-' ? old : new;
        int line = script[k] == '-' ? i : j;
        printf("%c%.*s", script[k] == '=' ? ' ' : script[k], text->lengths[line],
               text->lines[line]);
        i += script[k] != '+';
        j += script[k] != '-';
    }
}

/* The first line of the function, or of the type, that the line is in or follows. */
static const char *function_before(const struct text *text, int line, int *length)
{
    while (line-- > 0) {
        const char *start = text->lines[line];
        bool begins = (*start >= 'a' && *start <= 'z') || (*start >= 'A' && *start <= 'Z');
        if (begins && memchr(start, ';', (size_t)text->lengths[line]) == NULL) {
            *length = text->lengths[line] - 1;
            return start;
        }
    }
    *length = 0;
    return "";
}

static bool same_line(const struct text *a, int i, const struct text *b, int j)
{
    return a->lengths[i] == b->lengths[j] &&
           memcmp(a->lines[i], b->lines[j], (size_t)a->lengths[i]) == 0;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Whether the file is a step of this chapter, as it was written. */
static bool is_unchanged(const char *path)
{
    static struct text text, made;

    cut_into_lines(&text, read_file(path));
    for (int step = 1; step <= step_count; step++) {
        int i = 0;
        make_step(&made, step);
        while (i < made.count && i < text.count && same_line(&made, i, &text, i))
            i++;
        if (i == made.count && i == text.count)
            return true;
    }
    return false;
}

/* The whole file, without carriage returns, followed by '\0'. It lives until the program ends. */
static char *read_file(const char *path)
{
    enum { MOST_BYTES = 200 * 1024 };
    FILE *file = open_file(path, "rb");
    if (file == NULL)
        fail((int)GetLastError(), "read %s", path);
    char *bytes = malloc(MOST_BYTES);
    if (bytes == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for %s", path);
    size_t length = fread(bytes, 1, MOST_BYTES - 1, file), kept = 0;
    fclose(file);
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\r')
            bytes[kept++] = bytes[i];
    }
    bytes[kept] = '\0';
    return bytes;
}

static void cut_into_lines(struct text *text, const char *bytes)
{
    text->count = 0;
    while (*bytes != '\0' && text->count < MOST_LINES) {
        int length = (int)strcspn(bytes, "\n");
        length += bytes[length] == '\n';
        text->lines[text->count] = bytes;
        text->lengths[text->count++] = length;
        bytes += length;
    }
}

static void write_text(FILE *file, const struct text *text)
{
    if (file == stdout)
        _setmode(_fileno(stdout), _O_BINARY);
    for (int i = 0; i < text->count; i++)
        fwrite(text->lines[i], 1, (size_t)text->lengths[i], file);
}

static int usage(void)
{
    fprintf(stderr, "usage: steps list CHAPTER\n"
                    "       steps print CHAPTER STEP\n"
                    "       steps diff CHAPTER STEP\n"
                    "       steps begin CHAPTER STEP FOLDER\n");
    return 2;
}
