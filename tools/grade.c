/*
 * grade.c - checks the homework of a class.
 *
 *     grade.exe [--seconds N] [--at-once N] [--verify SEEDS] COMPILER OUTPUT FOLDER [EXERCISE ...]
 *
 * Each folder in FOLDER is a submission; its server.c may be in a folder further down. Without
 * EXERCISE the submission itself names its exercises: in a file exercise.txt, or as a word in the
 * name of one of its folders, or of FOLDER.
 *
 * Not every compiler accepts names in any letters. So the sources are copied to
 * build\grading\copy; build\grading\compile.bat, which build.bat writes, compiles them there; and
 * the program is copied to OUTPUT\NAME, where check.exe leaves its reports. Compilations run one
 * after the other, checks side by side. A submission that fails at most half of its checks, or none
 * before its time is over, is checked once more at the end, alone, because a busy machine may be
 * the reason. The processes that a submission starts end with its check. The current folder must be
 * the top of the repository.
 *
 * OUTPUT\NAME\EXERCISE.grade records the result of a check and the sources that it was made of: a
 * check that would be the same is not repeated. The table is printed, and written to OUTPUT.csv.
 *
 * Exit status: 0 if all were graded, whatever their scores; 1 if one could not be; 2 for a wrong
 * command line.
 */
#define _CRT_SECURE_NO_WARNINGS /* sscanf */
#include "../common/common.h"
#include "utf8.h"
#include "exercise_page.h"

#include <stdlib.h>

enum {
    MOST_SUBMISSIONS = 500,
    MOST_RESULTS = 2000,
    MOST_EXERCISES = 100,
    MOST_AT_ONCE = 16,
    MOST_SOURCES = 10, /* folders with a server.c in one submission */
    DEEPEST = 3,
    LONGEST_NAME = 150, /* bytes in the path of a program under test */
    TEXT_SIZE = 800,
    COMPILER_SECONDS = 120
};

struct submission {
    char name[NAME_SIZE];
    char source[NAME_SIZE]; /* the folder with its server.c */
    char output[NAME_SIZE]; /* OUTPUT\NAME */
    char problem[TEXT_SIZE];
    bool named[MOST_EXERCISES];
    bool compiler_was_run;
    bool compiled;
    char first_error[TEXT_SIZE];
    unsigned long long checksum; /* of its sources, and of all that decides the result */
};

struct result {
    struct submission *submission;
    const char *exercise;
    char score[60];
    char failure[TEXT_SIZE]; /* the first one */
    bool graded;
    bool again;               /* it is, or was, to be checked once more */
    char at_first[TEXT_SIZE]; /* its failure the first time */
};

/* A program that was started, and all that it starts. */
struct run {
    HANDLE process;
    HANDLE job;
    double begun;
    struct result *result;
};

static int seconds = 600, at_once, seeds;
static const char *compiler, *output, *folder;

static char exercises[MOST_EXERCISES][40];
static int exercise_count;
static bool asked_for[MOST_EXERCISES]; /* on the command line */
static struct submission submissions[MOST_SUBMISSIONS];
static int submission_count;
static struct result results[MOST_RESULTS];
static int result_count, results_settled;
static struct run running[MOST_AT_ONCE];
static int running_count;

static const char copies[] = "build\\grading\\copy";
static const char compile_file[] = "build\\grading\\compile.bat";

/* ---- files --------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    wchar_t wide[NAME_SIZE];
    return GetFileAttributesW(wide_text(path, wide, NAME_SIZE)) != INVALID_FILE_ATTRIBUTES;
}

static void make_folder(const char *path)
{
    wchar_t wide[NAME_SIZE];
    CreateDirectoryW(wide_text(path, wide, NAME_SIZE), NULL); /* it may already exist */
}

static void remove_file(const char *path)
{
    wchar_t wide[NAME_SIZE];
    DeleteFileW(wide_text(path, wide, NAME_SIZE));
}

/* A virus scanner may hold a program that has just been linked for a moment. The copy of a
 * read-only file can be deleted like any other. On failure GetLastError gives the reason. */
static bool copy_file(const char *from, const char *to)
{
    enum { ATTEMPTS = 10, PAUSE_MS = 200 };
    wchar_t wide_from[NAME_SIZE], wide_to[NAME_SIZE];

    wide_text(from, wide_from, NAME_SIZE);
    wide_text(to, wide_to, NAME_SIZE);
    for (int attempt = 1;; attempt++) {
        if (CopyFileW(wide_from, wide_to, FALSE)) {
            SetFileAttributesW(wide_to, FILE_ATTRIBUTE_NORMAL);
            return true;
        }
        DWORD error = GetLastError();
        bool held = error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED;
        if (!held || attempt == ATTEMPTS) {
            SetLastError(error);
            return false;
        }
        Sleep(PAUSE_MS);
    }
}

/* Calls it for each file and each folder in path. False: path cannot be read. */
static bool for_each_entry(const char *path, void *context,
                           void (*call)(void *context, const char *name, bool is_folder))
{
    WIN32_FIND_DATAW entry;
    char pattern[NAME_SIZE], name[NAME_SIZE];
    wchar_t wide[NAME_SIZE];

    snprintf(pattern, sizeof pattern, "%s\\*", path);
    HANDLE search = FindFirstFileW(wide_text(pattern, wide, NAME_SIZE), &entry);
    if (search == INVALID_HANDLE_VALUE)
        return false;
    do {
        if (entry.cFileName[0] != L'.')
            call(context, narrow_name(entry.cFileName, name),
                 (entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0);
    } while (FindNextFileW(search, &entry));
    FindClose(search);
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && _stricmp(text + length - end_length, end) == 0;
}

static bool is_source(const char *name)
{
    return ends_with(name, ".c") || ends_with(name, ".h");
}

/* FNV-1a. */
static void add_bytes(unsigned long long *checksum, const void *bytes, size_t length)
{
    const unsigned char *next = bytes;
    for (size_t i = 0; i < length; i++)
        *checksum = (*checksum ^ next[i]) * 0x100000001b3ULL;
}

static void add_file(unsigned long long *checksum, const char *path)
{
    static char bytes[64 * 1024];
    size_t length;
    FILE *file = open_file(path, "rb");

    if (file == NULL)
        return;
    while ((length = fread(bytes, 1, sizeof bytes, file)) > 0)
        add_bytes(checksum, bytes, length);
    fclose(file);
}

/* ---- texts --------------------------------------------------------------------------------- */

/* Copies a line as valid UTF-8 with at most this number of characters. Compilers write UTF-8 or the
 * code page of the machine. */
static void clean_text(char *text, const char *line, size_t length, int characters)
{
    wchar_t wide[TEXT_SIZE];
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, line, (int)min(length, 600),
                                    wide, TEXT_SIZE);
    if (count == 0)
        count = MultiByteToWideChar(CP_ACP, 0, line, (int)min(length, 600), wide, TEXT_SIZE);
    if (count > characters) {
        count = characters;
        memcpy(wide + count - 3, L"...", 3 * sizeof wide[0]);
    }
    for (int i = 0; i < count; i++) {
        if (wide[i] < L' ')
            wide[i] = L' ';
    }
    int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, count, text, TEXT_SIZE - 1, NULL, NULL);
    text[bytes] = '\0';
}

/* How many columns of a console it takes: two for a Korean, Chinese or Japanese character. */
static int columns(const char *text)
{
    wchar_t wide[NAME_SIZE];
    int count = 0;

    for (const wchar_t *c = wide_text(text, wide, NAME_SIZE); *c != L'\0'; c++)
        count += (*c >= 0x1100 && *c <= 0x115f) || (*c >= 0x2e80 && *c <= 0xd7a3) ||
                         (*c >= 0xf900 && *c <= 0xfaff) || (*c >= 0xff00 && *c <= 0xff60)
                     ? 2
                     : 1;
    return count;
}

static void print_padded(const char *text, int width)
{
    print_utf8(stdout, "%s%*s", text, max(width - columns(text), 0) + 2, "");
}

/* ---- exercises ----------------------------------------------------------------------------- */

static void add_exercise(void *context, const char *name, bool is_folder)
{
    (void)context;
    if (is_folder && exercise_count < MOST_EXERCISES)
        snprintf(exercises[exercise_count++], sizeof exercises[0], "%.39s", name);
}

/* Marks the exercises that are words of the text. Returns whether there is one. */
static bool find_words(const char *text, bool *named)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool found = false;

    while (*text != '\0') {
        size_t length = strspn(text, letters);
        for (int i = 0; i < exercise_count; i++) {
            if (length > 0 && length == strlen(exercises[i]) &&
                _strnicmp(text, exercises[i], length) == 0)
                named[i] = found = true;
        }
        text += length + (text[length] != '\0');
    }
    return found;
}

static bool find_words_in_file(const char *path, bool *named)
{
    char text[1000];
    FILE *file = open_file(path, "rb");

    if (file == NULL)
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return find_words(text, named);
}

static const char *last_part(const char *path)
{
    const char *last = path;
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '\\' || *c == '/' || *c == ':')
            last = c + 1;
    }
    return last;
}

static void choose_exercises(struct submission *submission)
{
    char path[NAME_SIZE];
    bool chosen = false;

    for (int i = 0; i < exercise_count; i++) {
        submission->named[i] = asked_for[i];
        chosen = chosen || asked_for[i];
    }
    snprintf(path, sizeof path, "%.900s\\%s", submission->source, "exercise.txt");
    chosen = chosen || find_words_in_file(path, submission->named);
    snprintf(path, sizeof path, "%.500s\\%.400s\\%s", folder, submission->name, "exercise.txt");
    chosen = chosen || find_words_in_file(path, submission->named);
    chosen = chosen || find_words(submission->source + strlen(folder), submission->named);
    chosen = chosen || find_words(last_part(folder), submission->named);
    if (!chosen && submission->problem[0] == '\0')
        snprintf(submission->problem, sizeof submission->problem,
                 "which exercise? Name it in the command, in exercise.txt or in the folder's name");
}

/* ---- submissions --------------------------------------------------------------------------- */

static const char still_a_zip[] = "a ZIP file: unpack it first";

struct search {
    char path[NAME_SIZE];
    int depth;
    int *count;
    char (*found)[NAME_SIZE];
    bool *has_zip;
};

static void look_at(void *context, const char *name, bool is_folder)
{
    struct search *search = context;

    if (!is_folder && _stricmp(name, "server.c") == 0 && *search->count < MOST_SOURCES)
        snprintf(search->found[(*search->count)++], NAME_SIZE, "%s", search->path);
    if (!is_folder && ends_with(name, ".zip"))
        *search->has_zip = true;
    if (!is_folder || search->depth == DEEPEST || _stricmp(name, "__MACOSX") == 0)
        return;
    struct search inside = *search;
    inside.depth++;
    int length = snprintf(inside.path, sizeof inside.path, "%s\\%s", search->path, name);
    if (length < NAME_SIZE)
        for_each_entry(inside.path, &inside, look_at);
}

/* Of several folders with a server.c, takes the only one whose name contains an exercise that was
 * asked for: a student who hands in a whole repository has changed my_upper, not
 * ch21_event_select. */
static void find_source(struct submission *submission)
{
    static char found[MOST_SOURCES][NAME_SIZE];
    struct search search = {.depth = 0, .found = found};
    char text[ERROR_TEXT_SIZE];
    bool asked = false, has_zip = false;
    int count = 0, chosen = 0, suitable = 0;

    search.count = &count;
    search.has_zip = &has_zip;
    snprintf(search.path, sizeof search.path, "%.500s\\%.500s", folder, submission->name);
    snprintf(submission->source, sizeof submission->source, "%s", search.path);
    if (!for_each_entry(search.path, &search, look_at))
        snprintf(submission->problem, sizeof submission->problem, "the folder cannot be read: %s",
                 error_text((int)GetLastError(), text));
    else if (count == 0)
        snprintf(submission->problem, sizeof submission->problem, "%s",
                 has_zip ? still_a_zip : "there is no server.c");
    for (int i = 0; i < exercise_count; i++)
        asked = asked || asked_for[i];
    for (int i = 0; i < count && count > 1; i++) {
        bool named[MOST_EXERCISES] = {false}, suits = false;
        find_words(last_part(found[i]), named);
        for (int j = 0; j < exercise_count; j++)
            suits = suits || (named[j] && (asked_for[j] || !asked));
        if (suits)
            chosen = i;
        suitable += suits;
    }
    if (count > 1 && suitable != 1)
        snprintf(submission->problem, sizeof submission->problem,
                 "there are several folders with a server.c: which one is it?");
    else if (count > 0)
        snprintf(submission->source, sizeof submission->source, "%s", found[chosen]);
}

static struct submission *add_submission(const char *name)
{
    struct submission *submission = &submissions[submission_count];

    if (submission_count == MOST_SUBMISSIONS)
        fail(0, "there are more than %d submissions", MOST_SUBMISSIONS);
    submission_count++;
    snprintf(submission->name, sizeof submission->name, "%s", name);
    return submission;
}

static void add_folder_or_zip(void *context, const char *name, bool is_folder)
{
    char unpacked[NAME_SIZE];

    (void)context;
    if (is_folder && _stricmp(name, "__MACOSX") != 0)
        find_source(add_submission(name));
    if (is_folder || !ends_with(name, ".zip"))
        return;
    int length = (int)(strlen(name) - strlen(".zip"));
    snprintf(unpacked, sizeof unpacked, "%.500s\\%.*s", folder, min(length, 500), name);
    if (!exists(unpacked)) {
        struct submission *submission = add_submission(name);
        snprintf(submission->source, sizeof submission->source, "%s", unpacked);
        snprintf(submission->problem, sizeof submission->problem, "%s", still_a_zip);
    }
}

/* A long name is cut, and its checksum keeps it apart from others. */
static void choose_output(struct submission *submission)
{
    wchar_t wide[NAME_SIZE];
    char name[NAME_SIZE];
    unsigned long long checksum = 0;
    int count;

    snprintf(name, sizeof name, "%s", submission->name);
    for (count = (int)wcslen(wide_text(name, wide, NAME_SIZE)); strlen(name) > LONGEST_NAME;
         count--) {
        wide[count] = L'\0';
        add_bytes(&checksum, submission->name, strlen(submission->name));
        snprintf(name + strlen(narrow_name(wide, name)), 20, "~%08lx",
                 (unsigned long)(checksum & 0xffffffff));
        checksum = 0;
    }
    snprintf(submission->output, sizeof submission->output, "%.200s\\%.800s", output, name);
}

struct sum {
    const char *path;
    unsigned long long value;
};

/* The order in which a folder lists its files does not matter. */
static void add_source_to_sum(void *context, const char *name, bool is_folder)
{
    struct sum *sum = context;
    char path[NAME_SIZE];
    unsigned long long checksum = 0xcbf29ce484222325ULL;

    if (is_folder || !is_source(name))
        return;
    snprintf(path, sizeof path, "%.700s\\%.300s", sum->path, name);
    add_bytes(&checksum, name, strlen(name));
    add_file(&checksum, path);
    sum->value += checksum;
}

static void sum_up(struct submission *submission)
{
    static unsigned long long tools;
    struct sum sum = {submission->source, 0};

    if (tools == 0) {
        tools = 0xcbf29ce484222325ULL;
        add_file(&tools, compile_file);
        add_file(&tools, "build\\tests\\check.exe");
        add_bytes(&tools, &seeds, sizeof seeds);
    }
    for_each_entry(submission->source, &sum, add_source_to_sum);
    submission->checksum = tools ^ sum.value;
}

static int compare_submissions(const void *left, const void *right)
{
    wchar_t a[NAME_SIZE], b[NAME_SIZE];

    wide_text(((const struct submission *)left)->name, a, NAME_SIZE);
    wide_text(((const struct submission *)right)->name, b, NAME_SIZE);
    return _wcsicmp(a, b);
}

static void add_result(struct submission *submission, const char *exercise)
{
    if (result_count == MOST_RESULTS)
        fail(0, "there are more than %d results", MOST_RESULTS);
    results[result_count++] = (struct result){.submission = submission, .exercise = exercise};
}

static void find_submissions(void)
{
    if (!for_each_entry(folder, NULL, add_folder_or_zip))
        fail((int)GetLastError(), "read the folder %s", folder);
    if (submission_count == 0)
        fail(0, "%s has no folder in it: each submission must be in its own folder", folder);
    qsort(submissions, (size_t)submission_count, sizeof submissions[0], compare_submissions);
    for (int i = 0; i < submission_count; i++) {
        struct submission *submission = &submissions[i];
        int before = result_count;
        choose_exercises(submission);
        choose_output(submission);
        sum_up(submission);
        for (int j = 0; j < exercise_count; j++) {
            if (submission->named[j])
                add_result(submission, exercises[j]);
        }
        if (result_count == before)
            add_result(submission, "-");
    }
}

/* ---- programs ------------------------------------------------------------------------------ */

/* So that a submission that starts processes without end does not stop the machine. */
enum { MOST_PROCESSES = 100 };

static HANDLE make_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    HANDLE job = CreateJobObjectA(NULL, NULL);

    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
    limits.BasicLimitInformation.ActiveProcessLimit = MOST_PROCESSES;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return job;
}

static HANDLE open_inherited(const char *path, DWORD access, DWORD disposition)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    wchar_t wide[NAME_SIZE];

    return CreateFileW(wide_text(path, wide, NAME_SIZE), access,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherited,
                       disposition, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* Starts it with its output in a file: a program that keeps a file open, unlike a pipe, cannot
 * delay us. It begins to run only in its job, so that the job has all its children. On failure
 * GetLastError gives the reason. */
static bool start(struct run *run, const char *command, const char *output_path)
{
    enum { ATTEMPTS = 5, PAUSE_MS = 200 };
    STARTUPINFOW startup;
    PROCESS_INFORMATION started;
    wchar_t wide[2 * NAME_SIZE];
    bool done = false;

    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = open_inherited("NUL", GENERIC_READ, OPEN_EXISTING);
    startup.hStdOutput = open_inherited(output_path, GENERIC_WRITE, CREATE_ALWAYS);
    startup.hStdError = startup.hStdOutput;
    if (startup.hStdOutput == INVALID_HANDLE_VALUE) {
        DWORD error = GetLastError();
        CloseHandle(startup.hStdInput);
        SetLastError(error);
        return false;
    }
    for (int attempt = 1; !done && attempt <= ATTEMPTS; attempt++) {
        if (attempt > 1)
            Sleep(PAUSE_MS); /* Wine fails now and then when it is busy */
        wide_text(command, wide, 2 * NAME_SIZE);
        done = CreateProcessW(NULL, wide, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &startup,
                              &started) != 0;
    }
    DWORD error = GetLastError();
    CloseHandle(startup.hStdInput);
    CloseHandle(startup.hStdOutput);
    if (!done) {
        SetLastError(error);
        return false;
    }
    run->process = started.hProcess;
    run->job = make_job();
    run->begun = now_ms();
    AssignProcessToJobObject(run->job, started.hProcess);
    ResumeThread(started.hThread);
    CloseHandle(started.hThread);
    return true;
}

/* Also ends the processes that the program has left behind. */
static void end(struct run *run)
{
    TerminateJobObject(run->job, 99);
    TerminateProcess(run->process, 99);
    WaitForSingleObject(run->process, 5000);
    CloseHandle(run->process);
    CloseHandle(run->job);
}

/* ---- compiling ----------------------------------------------------------------------------- */

static void remove_copy(void *context, const char *name, bool is_folder)
{
    char path[NAME_SIZE];

    (void)context;
    snprintf(path, sizeof path, "%s\\%.900s", copies, name);
    if (!is_folder)
        remove_file(path);
}

/* On Linux the name of the file may be Server.c. */
static void copy_source(void *context, const char *name, bool is_folder)
{
    struct submission *submission = context;
    char from[NAME_SIZE], to[NAME_SIZE];

    if (is_folder || !is_source(name))
        return;
    snprintf(from, sizeof from, "%.700s\\%.300s", submission->source, name);
    snprintf(to, sizeof to, "%s\\%.900s", copies,
             _stricmp(name, "server.c") == 0 ? "server.c" : name);
    if (!copy_file(from, to) && submission->problem[0] == '\0') {
        char text[ERROR_TEXT_SIZE];
        snprintf(submission->problem, sizeof submission->problem, "%.300s cannot be copied: %s",
                 name, error_text((int)GetLastError(), text));
    }
}

/* build\grading\copy\server.c:7:1: error: ... begins with the name of the file. */
static const char *after_our_folder(const char *line, size_t *length)
{
    for (size_t i = 0; i + sizeof copies < *length; i++) {
        size_t same = 0; /* the compiler may have changed the slashes */
        while (same < sizeof copies - 1 &&
               (line[i + same] == copies[same] || (copies[same] == '\\' && line[i + same] == '/')))
            same++;
        if (same == sizeof copies - 1) {
            *length -= i + sizeof copies;
            return line + i + sizeof copies;
        }
    }
    return line;
}

/* The first line that reports an error, in the words of cl, gcc and their linkers. */
static void find_first_error(char *error, const char *path)
{
    static const char *const words[] = {
        "error:", "error C", "error LNK", "error D", "undefined reference", ""};
    char line[2000];

    snprintf(error, TEXT_SIZE, "the compiler made no program, and printed no reason");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        FILE *file = open_file(path, "r");
        bool found = false;
        for (int n = 0; n < 5000 && !found && file != NULL && fgets(line, sizeof line, file); n++) {
            size_t length = strcspn(line, "\r\n");
            found = length > 0 && strstr(line, words[i]) != NULL;
            if (found) {
                const char *text = after_our_folder(line, &length);
                clean_text(error, text, length, 300);
            }
        }
        if (file != NULL)
            fclose(file);
        if (found)
            return;
    }
}

static void compile(struct submission *submission)
{
    char exe[NAME_SIZE], path[NAME_SIZE], text[ERROR_TEXT_SIZE];
    struct run run;

    submission->compiler_was_run = true;
    for_each_entry(copies, NULL, remove_copy);
    for_each_entry(submission->source, submission, copy_source);
    snprintf(path, sizeof path, "%.900s\\server.exe", submission->output);
    remove_file(path);
    snprintf(path, sizeof path, "%.900s\\compiler.txt", submission->output);
    if (submission->problem[0] != '\0')
        return;
    char command[100];
    snprintf(command, sizeof command, "cmd /d /c %s", compile_file);
    if (!start(&run, command, path)) {
        snprintf(submission->problem, sizeof submission->problem,
                 "the compiler cannot be started: %s", error_text((int)GetLastError(), text));
        return;
    }
    bool ended = WaitForSingleObject(run.process, COMPILER_SECONDS * 1000) == WAIT_OBJECT_0;
    end(&run);
    snprintf(exe, sizeof exe, "%s\\server.exe", copies);
    submission->compiled = ended && exists(exe);
    if (submission->compiled) {
        snprintf(path, sizeof path, "%.900s\\server.exe", submission->output);
        if (!copy_file(exe, path))
            snprintf(submission->problem, sizeof submission->problem, "%s cannot be copied: %s",
                     exe, error_text((int)GetLastError(), text));
        /* The source that was checked stays with its reports. */
        snprintf(exe, sizeof exe, "%s\\server.c", copies);
        snprintf(path, sizeof path, "%.900s\\server.c", submission->output);
        copy_file(exe, path);
    } else if (ended) {
        find_first_error(submission->first_error, path);
    } else {
        snprintf(submission->first_error, sizeof submission->first_error,
                 "the compiler did not end within %d s", COMPILER_SECONDS);
    }
}

/* ---- what is known ------------------------------------------------------------------------- */

static const char *result_path(char *path, const struct result *result, const char *end_of_name)
{
    snprintf(path, NAME_SIZE, "%.900s\\%s%s", result->submission->output, result->exercise,
             end_of_name);
    return path;
}

static void keep(const struct result *result)
{
    char path[NAME_SIZE];
    FILE *file = open_file(result_path(path, result, ".grade"), "wb");

    if (file == NULL)
        return; /* it will be checked again */
    fprintf(file, "%016llx %d\n%s\n%s\n", result->submission->checksum, seconds, result->score,
            result->failure);
    fclose(file);
}

static bool read_line(char *line, int size, FILE *file)
{
    bool read = fgets(line, size, file) != NULL;
    if (read)
        line[strcspn(line, "\r\n")] = '\0';
    return read;
}

/* False: it has not been checked, or its sources or our checks have changed since, or it ran out of
 * a shorter time than it may now take. */
static bool was_kept(struct result *result)
{
    char path[NAME_SIZE], line[100];
    unsigned long long checksum = 0;
    int limit = 0;
    FILE *file;

    if (!exists(result_path(path, result, ".txt")))
        return false;
    file = open_file(result_path(path, result, ".grade"), "rb");
    if (file == NULL)
        return false;
    bool same = read_line(line, sizeof line, file) &&
                sscanf(line, "%llx %d", &checksum, &limit) == 2 &&
                checksum == result->submission->checksum &&
                read_line(result->score, sizeof result->score, file) &&
                read_line(result->failure, sizeof result->failure, file);
    fclose(file);
    if (same && strcmp(result->score, "TIMEOUT") == 0)
        same = limit >= seconds;
    return same;
}

/* ---- checking ------------------------------------------------------------------------------ */

static void settle(struct result *result, const char *remark)
{
    print_utf8(stdout, "[%d/%d] %s: %s %s%s%s%s\n", ++results_settled, result_count,
               result->submission->name, result->exercise, result->score,
               result->failure[0] != '\0' ? ", " : "", result->failure, remark);
    fflush(stdout);
}

static void could_not_grade(struct result *result, const char *reason)
{
    snprintf(result->score, sizeof result->score, "NOT GRADED");
    snprintf(result->failure, sizeof result->failure, "%.700s", reason);
    settle(result, "");
}

static void could_not_start_check(struct result *result)
{
    char text[ERROR_TEXT_SIZE], reason[TEXT_SIZE];

    snprintf(reason, sizeof reason, "build\\tests\\check.exe cannot be started: %s",
             error_text((int)GetLastError(), text));
    could_not_grade(result, reason);
}

static bool start_check(struct result *result)
{
    char command[2 * NAME_SIZE], path[NAME_SIZE], with_seeds[30] = "";
    struct run *run = &running[running_count];

    if (seeds > 0)
        snprintf(with_seeds, sizeof with_seeds, " --verify %d", seeds);
    snprintf(command, sizeof command,
             "build\\tests\\check.exe --compiler %s%s --exercise %s \"%s\"", compiler, with_seeds,
             result->exercise, result->submission->output);
    remove_file(result_path(path, result, ".grade"));
    remove_file(result_path(path, result, ".txt"));
    if (!start(run, command, result_path(path, result, ".running")))
        return false;
    run->result = result;
    running_count++;
    return true;
}

static void begin(struct result *result)
{
    struct submission *submission = result->submission;

    if (submission->problem[0] == '\0' && was_kept(result)) {
        result->graded = true;
        settle(result, " (unchanged: not checked again)");
        return;
    }
    result->score[0] = result->failure[0] = '\0';
    if (submission->problem[0] == '\0' && !submission->compiler_was_run) {
        make_folder(submission->output);
        compile(submission);
    }
    if (submission->problem[0] != '\0') {
        could_not_grade(result, submission->problem);
    } else if (!submission->compiled) {
        snprintf(result->score, sizeof result->score, "NOT COMPILED");
        snprintf(result->failure, sizeof result->failure, "%s", submission->first_error);
        result->graded = true;
        settle(result, "");
    } else if (!start_check(result)) {
        could_not_start_check(result);
    }
}

/* FAIL, or another word for what went wrong, in front of the name of the check. */
static bool is_verdict(const char *line)
{
    size_t length = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return length > 1 && line[length] == ' ';
}

/* "FAIL     NAME server: one byte" and, in the next line, "         expected ..." */
static void note_failure(struct result *result, const char *line, const char *next)
{
    char what[TEXT_SIZE], place[NAME_SIZE];
    int verdict = (int)strcspn(line, " ");
    const char *text = line + verdict;

    text += strspn(text, " ");
    snprintf(place, sizeof place, "%.900s server: ", last_part(result->submission->output));
    if (strncmp(text, place, strlen(place)) == 0)
        text += strlen(place);
    next += strspn(next, " ");
    clean_text(what, next, strlen(next), 300);
    snprintf(result->failure, sizeof result->failure, "%.*s: %.200s%s%.500s", verdict, line, text,
             what[0] != '\0' ? ": " : "", what);
    clean_text(result->failure, result->failure, strlen(result->failure), 400);
}

/* Reads what check.exe has printed: the score is its last line. False: there is none. */
static bool read_output(struct result *result, const char *path, bool *machine_in_the_way)
{
    char line[2000], verdict[2000] = "", last[2000] = "";
    int most, got, end_of_score = 0;
    FILE *file = open_file(path, "r");

    *machine_in_the_way = false;
    if (file == NULL)
        return false;
    while (read_line(line, sizeof line, file)) {
        if (verdict[0] != '\0' && result->failure[0] == '\0')
            note_failure(result, verdict, line[0] == ' ' ? line : "");
        if (is_verdict(line)) {
            bool in_the_way = !*machine_in_the_way && strncmp(line, "ENV ", 4) == 0;
            if (in_the_way)
                *machine_in_the_way = true;
            if (in_the_way)
                result->failure[0] = '\0'; /* it decides, whatever failed before */
            if (in_the_way || verdict[0] == '\0')
                snprintf(verdict, sizeof verdict, "%s", line);
        }
        snprintf(last, sizeof last, "%s", line);
    }
    fclose(file);
    if (sscanf(last, "%d/%d%n", &got, &most, &end_of_score) != 2 || last[end_of_score] != '\0')
        return false;
    snprintf(result->score, sizeof result->score, "%d/%d", got, most);
    return true;
}

/* A check that was ended left its own report unfinished: what it printed becomes the report. */
static void write_report(struct result *result, const char *path)
{
    char report[NAME_SIZE];
    FILE *file;

    if (!copy_file(path, result_path(report, result, ".txt")) ||
        (file = open_file(report, "a")) == NULL)
        return;
    fprintf(file, "%s: %s\n", result->score, result->failure);
    fclose(file);
}

/* Whether few checks have failed, or none before the time was over, and this was the first time.
 * The time may be over because others are checked meanwhile. */
static bool deserves_another(const struct result *result, bool has_failed)
{
    int got, most;

    if (result->again)
        return false;
    if (strcmp(result->score, "TIMEOUT") == 0)
        return !has_failed && result_count > 1 && at_once > 1;
    return sscanf(result->score, "%d/%d", &got, &most) == 2 && got < most && 2 * got >= most;
}

static void put_off(struct result *result)
{
    result->again = true;
    print_utf8(stdout, "%s: %s %s, %s: once more at the end\n", result->submission->name,
               result->exercise, result->score, result->failure);
    fflush(stdout);
    memcpy(result->at_first, result->failure, sizeof result->at_first);
    result->score[0] = result->failure[0] = '\0';
}

static void finish(struct run *run, bool in_time)
{
    struct result *result = run->result;
    char path[NAME_SIZE], remark[60], first[TEXT_SIZE];
    bool machine_in_the_way;
    DWORD status = 0;
    double took = (now_ms() - run->begun) / 1000;

    GetExitCodeProcess(run->process, &status);
    end(run);
    bool scored = read_output(result, result_path(path, result, ".running"), &machine_in_the_way);
    snprintf(remark, sizeof remark, " (%.1f s)", took);
    snprintf(first, sizeof first, "%s", result->failure);
    if (!in_time) {
        snprintf(result->score, sizeof result->score, "TIMEOUT");
        snprintf(result->failure, sizeof result->failure,
                 "the checks did not end within %d s%s%.700s", seconds,
                 first[0] != '\0' ? "; the first failure was " : "", first);
        write_report(result, path);
    } else if (machine_in_the_way) {
        snprintf(result->score, sizeof result->score, "NOT GRADED");
    } else if (!scored) {
        snprintf(result->score, sizeof result->score, "NOT GRADED");
        snprintf(result->failure, sizeof result->failure,
                 "check.exe ended with status %lu and printed no score", status);
        write_report(result, path);
    }
    remove_file(path);
    *run = running[--running_count];
    if (!machine_in_the_way && deserves_another(result, first[0] != '\0')) {
        put_off(result);
        return;
    }
    if (result->again && scored && result->failure[0] == '\0')
        snprintf(result->failure, sizeof result->failure,
                 "passed when it was checked alone; together with others: %.700s",
                 result->at_first);
    result->graded = !in_time || (scored && !machine_in_the_way);
    if (result->graded)
        keep(result);
    settle(result, remark);
}

/* Waits for the end of a check, or until one has had its time. */
static void wait_for_one(void)
{
    HANDLE processes[MOST_AT_ONCE];
    double left = 1000.0 * seconds;

    for (int i = 0; i < running_count; i++) {
        processes[i] = running[i].process;
        left = min(left, running[i].begun + 1000.0 * seconds - now_ms());
    }
    WaitForMultipleObjects((DWORD)running_count, processes, FALSE, left > 0 ? (DWORD)left + 1 : 0);
    for (int i = running_count - 1; i >= 0; i--) {
        if (WaitForSingleObject(running[i].process, 0) == WAIT_OBJECT_0)
            finish(&running[i], true);
        else if (now_ms() - running[i].begun >= 1000.0 * seconds)
            finish(&running[i], false);
    }
}

static void grade_all(void)
{
    int next = 0;

    while (next < result_count || running_count > 0) {
        if (next < result_count && running_count < at_once)
            begin(&results[next++]);
        else
            wait_for_one();
    }
    for (int i = 0; i < result_count; i++) {
        if (!results[i].again)
            continue;
        if (!start_check(&results[i]))
            could_not_start_check(&results[i]);
        while (running_count > 0)
            wait_for_one();
    }
}

/* ---- the table ----------------------------------------------------------------------------- */

static void print_table(void)
{
    int name_width = 4, exercise_width = 8, score_width = 5;

    for (int i = 0; i < result_count; i++) {
        name_width = max(name_width, columns(results[i].submission->name));
        exercise_width = max(exercise_width, columns(results[i].exercise));
        score_width = max(score_width, columns(results[i].score));
    }
    print_utf8(stdout, "\n");
    print_padded("name", name_width);
    print_padded("exercise", exercise_width);
    print_padded("score", score_width);
    print_utf8(stdout, "first failure\n");
    for (int i = 0; i < result_count; i++) {
        char failure[TEXT_SIZE];
        clean_text(failure, results[i].failure, strlen(results[i].failure), 100);
        print_padded(results[i].submission->name, name_width);
        print_padded(results[i].exercise, exercise_width);
        print_padded(results[i].score, score_width);
        print_utf8(stdout, "%s\n", failure);
    }
}

/* Always in quotes. What a spreadsheet would take for a formula gets an apostrophe in front. */
static void write_cell(FILE *file, const char *text, const char *separator)
{
    fprintf(file, "\"%s", strchr("=+-@\t", text[0]) != NULL && text[0] != '\0' ? "'" : "");
    for (; *text != '\0'; text++)
        fprintf(file, *text == '"' ? "\"\"" : "%c", *text);
    fprintf(file, "\"%s", separator);
}

/* With a byte order mark, without which Excel takes it for text in the code page of the machine;
 * "3 of 4", because it takes 3/4 for a day of April. */
static bool write_csv(const char *path)
{
    FILE *file = open_file(path, "wb");

    if (file == NULL)
        return false;
    fprintf(file, "\xef\xbb\xbf\"name\",\"exercise\",\"score\",\"first failure\"\r\n");
    for (int i = 0; i < result_count; i++) {
        char score[80];
        const char *slash = strchr(results[i].score, '/');
        snprintf(score, sizeof score, "%s", results[i].score);
        if (slash != NULL)
            snprintf(score, sizeof score, "%.*s of %s", (int)(slash - results[i].score),
                     results[i].score, slash + 1);
        write_cell(file, results[i].submission->name, ",");
        write_cell(file, results[i].exercise, ",");
        write_cell(file, score, ",");
        write_cell(file, results[i].failure, "\r\n");
    }
    return fclose(file) == 0;
}

static bool has_full_score(const struct result *result)
{
    int got, most;
    return sscanf(result->score, "%d/%d", &got, &most) == 2 && got == most && most > 0;
}

static int count_results(void)
{
    int full = 0, missing = 0;

    for (int i = 0; i < result_count; i++) {
        full += results[i].graded && has_full_score(&results[i]);
        missing += !results[i].graded;
    }
    print_utf8(stdout, "\n%d submissions, %d results: %d with all checks passed, %d not graded\n",
               submission_count, result_count, full, missing);
    return missing;
}

/* ---- the command line ---------------------------------------------------------------------- */

static int usage(void)
{
    fprintf(stderr, "usage: grade [--seconds N] [--at-once N] [--verify SEEDS] COMPILER OUTPUT "
                    "FOLDER [EXERCISE ...]\n");
    return 2;
}

/* C:\class\. and class\ are the same folders as without what is at their end. */
static const char *without_end(char *path)
{
    size_t length = strlen(path);

    if (length > 1 && path[length - 1] == '.' && strchr("\\/", path[length - 2]) != NULL)
        path[--length] = '\0';
    while (length > 1 && strchr("\\/", path[length - 1]) != NULL)
        path[--length] = '\0';
    return path;
}

/* Two at the same time would compile in the same folder. The system closes the file when we end,
 * however we end. */
static void take_the_place(void)
{
    wchar_t wide[NAME_SIZE];
    HANDLE lock =
        CreateFileW(wide_text("build\\grading\\lock", wide, NAME_SIZE), GENERIC_WRITE, 0, NULL,
                    CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (lock == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION)
        fail(0, "another build.bat grade is running");
}

int main(int argc, char **argv)
{
    char csv[NAME_SIZE];
    SYSTEM_INFO system;
    int i = 1;

    snprintf(program_name, sizeof program_name, "grade"); /* for fail */
    read_utf8_arguments(&argc, &argv);
    GetSystemInfo(&system);
    at_once = min(max((int)system.dwNumberOfProcessors / 2, 2), 4);
    for_each_entry("course\\homework", NULL, add_exercise);
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        int number = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--seconds") == 0 && number > 0)
            seconds = number;
        else if (strcmp(argv[i], "--at-once") == 0 && number > 0 && number <= MOST_AT_ONCE)
            at_once = number;
        else if (strcmp(argv[i], "--verify") == 0 && number > 0)
            seeds = number;
        else
            return usage();
    }
    if (argc - i < 3)
        return usage();
    compiler = argv[i];
    output = argv[i + 1];
    folder = without_end(argv[i + 2]);
    for (i += 3; i < argc; i++) {
        if (!find_words(argv[i], asked_for)) {
            fprintf(stderr, "grade: there is no exercise %s in course\\homework\n", argv[i]);
            return 2;
        }
    }
    make_folder("build\\grading");
    make_folder(copies);
    take_the_place();
    find_submissions();
    make_folder(output);
    snprintf(csv, sizeof csv, "%.900s.csv", output);
    FILE *file = open_file(csv, "ab");
    if (file == NULL)
        fail((int)GetLastError(), "write %s: is it open in another program?", csv);
    fclose(file);
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    grade_all();
    print_table();
    int missing = count_results();
    if (!write_csv(csv))
        fail((int)GetLastError(), "write %s: is it open in another program?", csv);
    print_utf8(stdout, "The table is in %s, and the reports are in %s.\n", csv, output);
    return missing == 0 ? 0 : 1;
}
