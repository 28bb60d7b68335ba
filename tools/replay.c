/*
 * replay.c - shows a run next to its source: one HTML page that contains everything.
 *
 *     replay.exe [--cut] [--chapter CHAPTER] FOLDER SERVER_LOG [CLIENT_LOG ...] > replay.html
 *     replay.exe --find-chapter FOLDER
 *
 * Start it in the top folder. FOLDER has the server.c that ran, and perhaps a client.c. The text of
 * the lesson, and client.c if FOLDER has none, are those of CHAPTER. --cut says on the page that
 * the run did not end as it should. --find-chapter prints the chapter from which FOLDER was copied,
 * or nothing if that is not known.
 *
 * The page is tools\replay.html; the run is put into it as JSON. There it is data and nothing else:
 * no text of a log, a source or a lesson can end the element that it is in.
 *
 * Exit status: 0, or 1 if a log cannot be read, is no narration, or is damaged; the message names
 * the line.
 */
#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have fopen_s, which not every compiler has */
#include "operations.h"
#include "utf8.h"

#include <stdlib.h>

enum {
    MOST_EVENTS = 2000,                /* a page that is stepped through by hand */
    MOST_BYTES_OF_EVENTS = 350 * 1024, /* these limits keep the page below a megabyte */
    MOST_BYTES_OF_SOURCE = 100 * 1024,
    MOST_BYTES_OF_LESSON = 80 * 1024,
    MOST_BYTES_OF_LINE = 400,
    LINES_OF_A_CALL = 12 /* a call of narrate has fewer */
};

/* ---- files --------------------------------------------------------------------------------- */

/* A text file in memory. */
struct text {
    char *bytes;  /* NULL: there is no such file; otherwise followed by '\0' */
    char **lines; /* without their line ends */
    int count;
};

static struct text read_text(const char *folder, const char *name)
{
    struct text text = {0};
    char path[NAME_SIZE];
    snprintf(path, sizeof path, "%s\\%s", folder, name);
    FILE *file = open_file(path, "rb");
    if (file == NULL)
        return text;

    size_t length = 0, room = 64 * 1024, got;
    text.bytes = malloc(room + 1);
    while (text.bytes != NULL && (got = fread(text.bytes + length, 1, room - length, file)) > 0) {
        length += got;
        if (length == room) {
            char *larger = realloc(text.bytes, 2 * room + 1);
            if (larger == NULL)
                fail(WSA_NOT_ENOUGH_MEMORY, "memory for %s", path);
            text.bytes = larger;
            room *= 2;
        }
    }
    if (text.bytes == NULL || ferror(file))
        fail(0, "read %s", path);
    fclose(file);
    text.bytes[length] = '\0';

    size_t most = 1;
    for (size_t i = 0; i < length; i++)
        most += text.bytes[i] == '\n';
    text.lines = calloc(most, sizeof *text.lines);
    if (text.lines == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for %s", path);
    char *next = text.bytes;
    while (*next != '\0') { /* a file with a zero byte ends there */
        text.lines[text.count++] = next;
        size_t line_length = strcspn(next, "\r\n");
        char *end = next + line_length;
        next = end + strspn(end, "\r");
        next += *next == '\n';
        *end = '\0';
    }
    return text;
}

/* ---- which chapter a folder comes from ----------------------------------------------------- */

/* The first comment of a server names its chapter, and a copy keeps it. */
static bool have_same_title(const struct text *one, const struct text *other)
{
    return one->count > 1 && other->count > 1 && strlen(one->lines[1]) > 10 &&
           strcmp(one->lines[1], other->lines[1]) == 0;
}

/* Whether the folder is called my_ and then the beginning of the chapter's name, as
 * build.bat step does, perhaps with the number of a step. */
static bool has_name_of(const char *folder, const char *chapter)
{
    if (strncmp(folder, "my_", 3) != 0)
        return false;
    size_t length = strlen(folder + 3);
    while (length > 0 && strchr("0123456789", folder[3 + length - 1]) != NULL)
        length--;
    if (length > 0 && folder[3 + length - 1] == '_')
        length--;
    else
        length = strlen(folder + 3);
    return length >= 4 && strncmp(folder + 3, chapter, length) == 0;
}

static void print_chapter_of(const char *folder)
{
    struct text server = read_text(folder, "server.c");
    char by_title[NAME_SIZE] = "", by_name[NAME_SIZE] = "", chapter[NAME_SIZE];
    int titles = 0, names = 0;
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(L"ch*", &found);

    for (bool more = search != INVALID_HANDLE_VALUE; more;
         more = FindNextFileW(search, &found) != 0) {
        narrow_name(found.cFileName, chapter);
        struct text lesson = read_text(chapter, "README.md");
        struct text original = read_text(chapter, "server.c");
        if (lesson.bytes == NULL || original.bytes == NULL)
            continue;
        if (strcmp(folder, chapter) == 0) {
            printf("%s\n", chapter);
            return;
        }
        if (have_same_title(&server, &original) && ++titles == 1)
            snprintf(by_title, sizeof by_title, "%s", chapter);
        if (has_name_of(folder, chapter) && ++names == 1)
            snprintf(by_name, sizeof by_name, "%s", chapter);
    }
    if (titles == 1)
        printf("%s\n", by_title);
    else if (names == 1)
        printf("%s\n", by_name);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static long long bytes_written;

static void put_bytes(const char *bytes, size_t length)
{
    fwrite(bytes, 1, length, stdout);
    bytes_written += (long long)length;
}

static void put(const char *text)
{
    put_bytes(text, strlen(text));
}

static void put_number(long long number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", number);
    put(text);
}

/* How many bytes the character at c has in UTF-8; 0 if this is not UTF-8. */
static size_t length_of_character(const char *c)
{
    const unsigned char *byte = (const unsigned char *)c;
    size_t length = byte[0] < 0x80                      ? 1
                    : byte[0] >= 0xc2 && byte[0] < 0xe0 ? 2
                    : byte[0] >= 0xe0 && byte[0] < 0xf0 ? 3
                    : byte[0] >= 0xf0 && byte[0] < 0xf5 ? 4
                                                        : 0;
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
        (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f))
        return 0;
    return length;
}

/* Without < no tag and no comment can begin or end inside the string. */
static void put_string(const char *text)
{
    put("\"");
    while (*text != '\0') {
        size_t length = length_of_character(text);
        char escaped[8];
        if (length == 0)
            put("\xef\xbf\xbd"); /* not UTF-8: U+FFFD stands for such a byte */
        else if (*text == '"' || *text == '\\')
            put(*text == '"' ? "\\\"" : "\\\\");
        else if ((unsigned char)*text < ' ' || *text == '<' || *text == '\x7f') {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*text);
            put(escaped);
        } else
            put_bytes(text, length);
        text += length == 0 ? 1 : length;
    }
    put("\"");
}

static void put_key(const char *name)
{
    put(",\n");
    put_string(name);
    put(": ");
}

/* ---- the run ------------------------------------------------------------------------------- */

enum { SERVER_C, CLIENT_C, SOURCES };
static const char *const source_names[SOURCES] = {"server.c", "client.c"};
static struct text sources[SOURCES];
static bool was_cut; /* the page does not show everything */

/* The line on which the call of narrate begins; 0: it is in neither source. Some compilers take the
 * last line of a call for its __LINE__, others the first. */
static int line_of(const struct line *event, int *source)
{
    for (*source = 0; *source < SOURCES; ++*source) {
        const struct text *text = &sources[*source];
        if (strcmp(event->file, source_names[*source]) != 0 || event->number > text->count)
            continue;
        for (int i = event->number; i > 0 && i > event->number - LINES_OF_A_CALL; i--) {
            if (strstr(text->lines[i - 1], "narrate") != NULL)
                return i;
        }
        return event->number;
    }
    return 0;
}

/* ---- what the source says about a line ----------------------------------------------------- */

/* Line numbers begin with 1. */
static const char *line_at(const struct text *source, int number)
{
    return source->lines[number - 1];
}

/* The first line of the function in which a line is, or of the comment before that function. */
static int begin_of_function(const struct text *source, int number)
{
    while (number > 1 && strcmp(line_at(source, number), "{") != 0)
        number--;
    while (number > 1 && line_at(source, number - 1)[0] != '\0' &&
           line_at(source, number - 1)[0] != '}')
        number--;
    return number;
}

static bool is_of_name(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Compares a name in the source with the name of a function of the system: accept_ex is AcceptEx,
 * and WSASocketW is WSASocket. */
static bool is_name_of(const char *name, size_t length, const char *call)
{
    size_t i = 0;
    for (; i < length && *call != '\0'; i++) {
        if (name[i] == '_')
            continue;
        if (*call == '_')
            call++;
        if ((name[i] | 32) != (*call++ | 32)) /* a letter, large or small */
            return false;
    }
    return *call == '\0' && (i == length || (i + 1 == length && name[i] == 'W'));
}

/* Whether the function is called in this line of code. */
static bool calls(const char *code, const char *call)
{
    if (code[0] != ' ' || code[1] == '*') /* a definition, or a comment */
        return false;
    for (const char *c = code; *c != '\0'; c++) {
        if (c[0] == '/' && c[1] == '*')
            return false;
        if (!is_of_name(*c))
            continue;
        size_t length = 0;
        while (is_of_name(c[length]))
            length++;
        if (c[length] == '(' && is_name_of(c, length, call))
            return true;
        c += length - 1;
    }
    return false;
}

/* The line with the call that a line narrates: in the same function, or else the only one in the
 * source. 0: none. */
static int line_of_call(const struct text *source, int number, const char *call)
{
    int found = 0;
    for (int i = number; i >= begin_of_function(source, number); i--) {
        if (calls(line_at(source, i), call))
            return i;
    }
    for (int i = 1; i <= source->count; i++) {
        if (!calls(line_at(source, i), call))
            continue;
        if (found != 0)
            return 0;
        found = i;
    }
    return found;
}

/* Finds the next "Step 3:" in a comment of the server, or "B:" at the beginning of one of the
 * client. Returns what comes after it, or NULL; name is an array of 20 characters. */
static const char *next_place(const char *text, int source, char *name)
{
    if (source == CLIENT_C) {
        text += strspn(text, " ");
        text += strncmp(text, "/*", 2) == 0 ? 2 : strncmp(text, "*", 1) == 0 ? 1 : 0;
        text += *text == ' ';
        if (*text < 'A' || *text > 'Z' || strncmp(text + 1, ": ", 2) != 0)
            return NULL;
        snprintf(name, 20, "%c", *text);
        return text + 2;
    }
    for (text = strstr(text, "Step "); text != NULL; text = strstr(text, "Step ")) {
        size_t digits = strspn(text + 5, "0123456789");
        const char *after = text + 5 + digits;
        if (digits > 0 && digits < 4 && *after == ':') {
            snprintf(name, 20, "%.*s", (int)(after - text), text);
            return after;
        }
        text = after;
    }
    return NULL;
}

/* The nearest line above that names a place of the lesson, not above first. 0: none. */
static int line_of_place(int source, int number, int first)
{
    char name[20];
    while (number >= first) {
        if (next_place(line_at(&sources[source], number), source, name) != NULL)
            return number;
        number--;
    }
    return 0;
}

/* A comment of several lines may name several steps. */
static int begin_of_comment(const struct text *source, int number)
{
    int begin = number;
    while (begin > 1 && strstr(line_at(source, begin), "/*") == NULL)
        begin--;
    return number - begin < LINES_OF_A_CALL ? begin : number;
}

/* Writes the names of the steps, or of the place, to which the line belongs: that of its function;
 * or that of the call's function, because a function that only looks at the outcome may have none;
 * or else, in a server, the nearest one above, and then marked as near. */
static void put_places(int source, int number, int call)
{
    const struct text *text = &sources[source];
    char name[20];
    int place = line_of_place(source, number, begin_of_function(text, number));
    if (place == 0 && call != 0)
        place = line_of_place(source, call, begin_of_function(text, call));
    bool is_near = place == 0;
    if (is_near && source == SERVER_C)
        place = line_of_place(source, number, 1);

    put(is_near ? "true,[" : "false,[");
    bool is_first = true;
    for (int i = begin_of_comment(text, place); place != 0 && i <= place; i++) {
        const char *next = line_at(text, i);
        while ((next = next_place(next, source, name)) != NULL) {
            put(is_first ? "" : ",");
            put_string(name);
            is_first = false;
            if (source == CLIENT_C)
                break;
        }
    }
    put("]");
}

static void put_event(const struct line *event)
{
    char ms[40];
    int source = 0, number = line_of(event, &source);
    snprintf(ms, sizeof ms, "[%.3f,", event->ms - lines[0].ms);
    put(ms);
    put_number(event->log);
    put(",");
    put_number(event->thread);
    put(",");
    put_number(event->client);
    put(",");
    put_string(event->call);
    put(",");
    put_string(event->what);
    put(",");
    if (number == 0) {
        put("-1,0,0,false,[]]");
        return;
    }
    int call = line_of_call(&sources[source], number, event->call);
    put_number(source);
    put(",");
    put_number(number);
    put(",");
    put_number(call);
    put(",");
    put_places(source, number, call);
    put("]");
}

/* Returns how many of the lines are on the page. */
static int put_events(double end)
{
    int count = 0;
    long long limit = bytes_written + MOST_BYTES_OF_EVENTS;
    put_key("events");
    put("[");
    while (count < line_count && count < MOST_EVENTS && lines[count].ms <= end &&
           bytes_written < limit) {
        put(count == 0 ? "\n" : ",\n");
        put_event(&lines[count++]);
    }
    put("]");
    if (count < line_count)
        was_cut = true;
    return count;
}

static void put_shapes(int event_count)
{
    bool is_first = true;
    put_key("lanes");
    put("[");
    for (int i = 0; i < lane_count; i++) {
        put(i == 0 ? "[" : ",[");
        put_number(lanes[i].log);
        put(",");
        put_number(lanes[i].thread);
        put(",");
        put_number(lanes[i].client);
        put("]");
    }
    put("]");
    put_key("shapes");
    put("[");
    for (int i = 0; i < shape_count; i++) {
        const struct shape *shape = &shapes[i];
        if (shape->first >= event_count)
            continue;
        put(is_first ? "\n[" : ",\n[");
        is_first = false;
        put_string(kind_names[shape->kind]);
        put(",");
        put_number(shape->lane);
        put(",");
        put_number(shape->first);
        put(",");
        put_number(shape->last < event_count ? shape->last : event_count);
        put("]");
    }
    put("]");
}

static void put_sources(void)
{
    put_key("sources");
    put("[");
    for (int i = 0; i < SOURCES; i++) {
        long long limit = bytes_written + MOST_BYTES_OF_SOURCE;
        put(i == 0 ? "\n[" : ",\n[");
        for (int line = 0; line < sources[i].count && bytes_written < limit; line++) {
            put(line == 0 ? "\n" : ",\n");
            if (strlen(sources[i].lines[line]) > MOST_BYTES_OF_LINE)
                sources[i].lines[line][MOST_BYTES_OF_LINE] = '\0';
            put_string(sources[i].lines[line]);
        }
        put("]");
    }
    put("]");
}

static void put_logs(int count, char **names)
{
    put_key("logs");
    put("[");
    for (int i = 0; i < count; i++) {
        put(i == 0 ? "" : ",");
        put_string(names[i]);
    }
    put("]");
}

/* ---- the lesson ---------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *words)
{
    return strncmp(text, words, strlen(words)) == 0;
}

/* Writes the steps of the server and the places of the client: "Step 1" or "A", the title, and the
 * text without listings and pictures. */
static void put_lesson(const char *chapter, const char *file)
{
    struct text lesson = {0};
    bool inside = false, in_block = false, is_first = true;
    long long limit = bytes_written + MOST_BYTES_OF_LESSON;

    if (chapter != NULL)
        lesson = read_text(chapter, file);
    put("{");
    for (int i = 0; i < lesson.count && bytes_written < limit; i++) {
        const char *line = lesson.lines[i];
        if (begins_with(line, "```"))
            in_block = !in_block;
        if (in_block || begins_with(line, "```") || begins_with(line, "!["))
            continue;
        if (line[0] == '#') {
            if (inside)
                put("]]");
            bool is_step = begins_with(line, "### Step "),
                 is_place = begins_with(line, "### Place ");
            const char *colon = strchr(line, ':');
            inside = (is_step || is_place) && colon != NULL && colon - line < 20;
            if (!inside)
                continue;
            char name[20];
            const char *from = line + strlen(is_step ? "### " : "### Place ");
            snprintf(name, sizeof name, "%.*s", (int)(colon - from), from);
            put(is_first ? "\n" : ",\n");
            is_first = false;
            put_string(name);
            put(": [");
            put_string(colon + 1 + strspn(colon + 1, " "));
            put(",[\"\"");
        } else if (inside) {
            put(",\n");
            put_string(line);
        }
    }
    put(inside ? "]]}" : "}");
}

static void put_run(const char *folder, const char *chapter, bool failed, double end, int log_count,
                    char **logs)
{
    put("{\"folder\": ");
    put_string(folder);
    put_key("failed");
    put(failed ? "true" : "false");
    put_logs(log_count, logs);
    put_sources();
    put_key("lessons");
    put("{\"en\": ");
    put_lesson(chapter, "README.md");
    put(",\n\"ko\": ");
    put_lesson(chapter, "README.ko.md");
    put("}");
    int event_count = put_events(end);
    put_shapes(event_count);
    put_key("cut");
    put(was_cut ? "true" : "false");
    put("}");
}

/* ---- the page ------------------------------------------------------------------------------ */

static const char marker[] = "REPLAY_DATA"; /* a line of the page: the run takes its place */

static double read_logs(int count, char **names)
{
    double end = 1e300; /* no log is known to go on after it */
    for (int i = 0; i < count; i++) {
        if (read_log(names[i], i, count, CUT_LONG_LOG))
            continue;
        was_cut = true;
        if (lines[line_count - 1].ms < end)
            end = lines[line_count - 1].ms;
    }
    if (line_count == 0)
        fail(0, "%s: nothing happened in this run", names[0]);
    sort_lines();
    return end;
}

int main(int argc, char **argv)
{
    bool failed = false;
    const char *chapter = NULL;
    int next = 1;

    snprintf(program_name, sizeof program_name, "replay");
    use_utf8(&argc, &argv);
    if (argc == 3 && strcmp(argv[1], "--find-chapter") == 0) {
        print_chapter_of(argv[2]);
        return 0;
    }
    if (next < argc && strcmp(argv[next], "--cut") == 0) {
        failed = true;
        next++;
    }
    if (next + 1 < argc && strcmp(argv[next], "--chapter") == 0) {
        chapter = argv[next + 1];
        next += 2;
    }
    int log_count = argc - next - 1;
    if (log_count < 1 || log_count > MAX_LOGS || argv[next][0] == '-') {
        fprintf(stderr, "usage: replay [--cut] [--chapter CHAPTER] FOLDER SERVER_LOG "
                        "[CLIENT_LOG ...] > replay.html\n"
                        "       replay --find-chapter FOLDER\n");
        return 2;
    }

    const char *folder = argv[next];
    struct text page = read_text("tools", "replay.html");
    if (page.bytes == NULL)
        fail(0, "read tools\\replay.html: is this the top folder?");
    for (int i = 0; i < SOURCES; i++) {
        sources[i] = read_text(folder, source_names[i]);
        if (sources[i].bytes == NULL && i == CLIENT_C && chapter != NULL)
            sources[i] = read_text(chapter, source_names[i]);
    }
    double end = read_logs(log_count, argv + next + 1);
    find_operations(lines[line_count - 1].ms);
    for (int i = 0; i < page.count; i++) {
        if (strcmp(page.lines[i], marker) == 0)
            put_run(folder, chapter, failed, end, log_count, argv + next + 1);
        else
            put(page.lines[i]);
        put("\n");
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        fail(0, "write the page to standard output");
    return 0;
}
