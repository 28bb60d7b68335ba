/*
 * check.c - checks the behaviour of the servers and clients.
 *
 *     check.exe [--only WORD] [--program NAME] [--options WORDS] [--storm SECONDS] FOLDER ...
 *     check.exe --exercise NAME [--stop-at-failure] FOLDER
 *     check.exe --hint NAME NUMBER FOLDER
 *     check.exe --list
 *
 * FOLDER holds the programs of a chapter (build\ch21_event_select). Each of them is started as a
 * child process on a free port. Several programs are checked side by side. One line a check:
 *
 *     ok       the program behaves
 *     FAIL     it does not: what was expected, what came, where to look
 *     TIMEOUT  it did not do in time what it should: which wait never ended
 *     ENV      the machine is in the way, not the program
 *     skip     cannot be checked here, with the reason
 *
 * The last line is "N passed, N failed, N skipped", for an exercise the score: 3/5. Exit status: 0 if
 * none failed, 1 if one did, 2 for a wrong command line. All of it is also written to a report in
 * FOLDER, together with --compiler NAME. Only checks whose name contains WORD are run with --only; --options
 * are more arguments for the servers; --storm makes the mixed storm longer:
 *
 *     check.exe --only storm --storm 300 --options "--threads 4" build\ch23_iocp
 */
#include "homework.h"

#include <stdarg.h>
#include <stdlib.h>

char program_path[300];
const char *server_options = "";
int storm_seconds = DEFAULT_STORM_SECONDS;
int patience_ms = 10000;

/* ---- one check ----------------------------------------------------------------------------- */

static CRITICAL_SECTION noting;
static enum verdict verdict_noted;
static char what_noted[600];
static const char *hint_noted;

void trouble(enum verdict verdict, const char *hint, const char *what, ...)
{
    EnterCriticalSection(&noting);
    if (verdict_noted == PASSED) {
        va_list arguments;
        va_start(arguments, what);
        vsnprintf(what_noted, sizeof what_noted, what, arguments);
        va_end(arguments);
        hint_noted = hint;
        verdict_noted = verdict;
    }
    LeaveCriticalSection(&noting);
}

bool in_trouble(void)
{
    EnterCriticalSection(&noting);
    bool noted = verdict_noted != PASSED;
    LeaveCriticalSection(&noting);
    return noted;
}

static int passed, failed, skipped;
static bool stop_at_failure;
static const char *compiler = "unknown";

static void talk_to_server(const struct check *check)
{
    struct process server;
    int port;

    if (!start_server(&server, check->options, &port))
        return;
    check->talk(&server, port);
    stop_server(&server);
}

static void run_check(const struct check *check, const char *chapter, const char *program)
{
    static const char *const words[] = {"ok", "FAIL", "TIMEOUT", "ENV", "skip"};
    double begun = now_ms();

    verdict_noted = PASSED;
    if (check->run != NULL)
        check->run();
    else
        talk_to_server(check);
    say("%-7s  %s %s: %s", words[verdict_noted], chapter, program, check->name);
    if (verdict_noted == PASSED)
        say(" (%.1f s)\n", (now_ms() - begun) / 1000);
    else if (verdict_noted == SKIPPED)
        say(": %s\n", what_noted);
    else
        say("\n         %s\n         look at: %s\n", what_noted, hint_noted);
    passed += verdict_noted == PASSED;
    skipped += verdict_noted == SKIPPED;
    failed += verdict_noted != PASSED && verdict_noted != SKIPPED;
}

/* ---- the program under test ---------------------------------------------------------------- */

bool start_server(struct process *server, const char *options, int *port)
{
    for (int attempt = 1;; attempt++) {
        char command[500];

        *port = free_port();
        snprintf(command, sizeof command, "\"%s\" %s %s %d", program_path, server_options, options,
                 *port);
        if (!start_process(server, command, NULL, NULL)) {
            char text[ERROR_TEXT_SIZE];
            if (attempt < 3) { /* a busy Wine fails now and then with ERROR_INTERNAL_ERROR */
                Sleep(200);
                continue;
            }
            trouble(NO_CHANCE, "is it built?", "%s cannot be started: %s", program_path,
                    error_text((int)GetLastError(), text));
            return false;
        }
        int listening = listening_port(server, patience_ms);
        if (listening == *port)
            return true;
        bool taken = strstr(server->error.bytes, "WSAEADDRINUSE") != NULL;
        if (taken && attempt == 3)
            trouble(NO_CHANCE, "run it again", "other programs take the free ports");
        else if (!taken)
            trouble(listening == 0 ? TIMED_OUT : FAILED, "listen_at, and the flush after it",
                    "expected \"listening on 127.0.0.1:%d\", found \"%.200s\" and on standard "
                    "error \"%.200s\"",
                    *port, server->output.bytes, server->error.bytes);
        end_process(server);
        if (in_trouble())
            return false;
    }
}

void stop_server(struct process *server)
{
    DWORD status = 0;

    if (server->handle == NULL)
        return;
    double begun = now_ms();
    if (!press_ctrl_c(server)) {
        trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
    } else if (!wait_for_exit(server, patience_ms, &status)) {
        trouble(TIMED_OUT, "the stop event in the wait; what stop_serving waits for",
                "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
    } else if (status != 0) {
        trouble(FAILED, "the end of main",
                "expected exit status 0 after Ctrl+C, found %lu (%.200s)", status,
                server->error.bytes);
    } else if (now_ms() - begun > 2000) {
        trouble(FAILED, "what stop_serving waits for",
                "expected the end within 2 s after Ctrl+C, found %.1f s",
                (now_ms() - begun) / 1000);
    } else if (strstr(server->output.bytes, "summary: ") == NULL ||
               strstr(server->output.bytes, ", 0 operations pending") == NULL) {
        trouble(FAILED, "print_summary",
                "expected \"summary: ... 0 operations pending\", found \"%.200s\"",
                server->output.bytes);
    }
    end_process(server);
}

/* ---- the run ------------------------------------------------------------------------------- */

static bool exists(const char *folder, const char *program)
{
    snprintf(program_path, sizeof program_path, "%s\\%s.exe", folder, program);
    return GetFileAttributesA(program_path) != INVALID_FILE_ATTRIBUTES;
}

/* ch21_event_select of build\ch21_event_select */
static const char *last_part(const char *folder)
{
    const char *last = folder;
    for (const char *c = folder; *c != '\0'; c++) {
        if ((*c == '\\' || *c == '/') && c[1] != '\0')
            last = c + 1;
    }
    return last;
}

static void run_checks(const struct check *checks, const char *folder, const char *program,
                       const char *only)
{
    for (const struct check *check = checks; check->name != NULL; check++) {
        if (stop_at_failure && failed > 0)
            return;
        if (only == NULL || strstr(check->name, only) != NULL)
            run_check(check, last_part(folder), program);
    }
}

/* Any program that is no client is a server. */
static void check_program(const char *folder, const char *program, const char *only)
{
    if (!exists(folder, program)) {
        say("ENV      %s: no program to check: is it built?\n", folder);
        failed++;
    } else if (strcmp(program, "client") != 0) {
        run_checks(server_checks, folder, program, only);
    } else {
        run_checks(client_checks, folder, program, only);
        if (client_makes_load())
            run_checks(load_checks, folder, program, only);
    }
}

/* The checks of the exercise itself, then those of the chapter that must still hold. */
static void check_exercise(const char *folder, const struct exercise *exercise)
{
    const char *name = last_part(folder);

    patience_ms = 3000;
    server_options = exercise->options;
    if (!stop_at_failure)
        begin_report(folder, exercise->name, compiler);
    say("%s: %s\n", exercise->name, exercise->goal);
    if (!exists(folder, "server")) {
        say("ENV      %s: no server to check: is it built?\n", name);
        failed++;
    } else {
        run_checks(exercise->checks, folder, "server", NULL);
        for (int i = 0; i < MOST_REUSED && exercise->reused[i] != NULL; i++)
            run_checks(server_checks, folder, "server", exercise->reused[i]);
        if (failed > 0)
            say("For a hint: %s hint %s %s 1\n", build_command(), name, exercise->name);
    }
    printf("%d/%d\n", passed, passed + failed);
    end_report("%d/%d\n", passed, passed + failed);
}

static int wrong_exercise(const char *name)
{
    fprintf(stderr, "check: there is no exercise %s. There are:\n", name);
    for (const struct exercise *exercise = exercises; exercise->name != NULL; exercise++)
        fprintf(stderr, "    %-9s %s\n", exercise->name, exercise->goal);
    return 2;
}

/* ---- side by side -------------------------------------------------------------------------- */

enum { SIDE_BY_SIDE = 5, MAX_FOLDERS = 64, MAX_TASKS = 3 * MAX_FOLDERS };

/* The checks of one program, by another check.exe. */
struct task {
    const char *folder;
    const char *program;
    struct process process;
};

static struct task tasks[MAX_TASKS];
static int task_count, tasks_started;

static bool start_task(struct task *task, const char *only)
{
    char command[600];

    /* Without a path: the system looks in the folder of this program first. Its full path may have
     * letters that the code page lacks. */
    snprintf(command, sizeof command,
             "check --program \"%s\" --options \"%s\" --storm %d%s%s%s \"%s\"", task->program,
             server_options, storm_seconds, only != NULL ? " --only \"" : "",
             only != NULL ? only : "", only != NULL ? "\"" : "", task->folder);
    return start_process(&task->process, command, NULL, "");
}

/* Keeps SIDE_BY_SIDE tasks running while there are so many. */
static void start_more_tasks(const char *only)
{
    int running = 0;
    for (int i = 0; i < tasks_started; i++) {
        HANDLE process = tasks[i].process.handle; /* NULL: it has ended, and has been said */
        running += process != NULL && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    }
    for (; tasks_started < task_count && running < SIDE_BY_SIDE; tasks_started++, running++) {
        if (!start_task(&tasks[tasks_started], only))
            fail((int)GetLastError(), "start the checks of %s", tasks[tasks_started].folder);
    }
}

/* "N passed, N failed, N skipped": adds the numbers to ours. */
static bool is_closing_line(const char *line)
{
    char *rest;
    int more_passed = (int)strtol(line, &rest, 10);
    if (rest == line || strncmp(rest, " passed, ", 9) != 0)
        return false;
    passed += more_passed;
    failed += (int)strtol(rest + 9, &rest, 10);
    skipped += (int)strtol(rest + strlen(" failed, "), NULL, 10);
    return true;
}

/* Says what a task says, as it comes. False if the closing line is missing. */
static bool say_and_count(struct task *task, const char *only)
{
    struct capture *output = &task->process.output;
    size_t said = 0;
    bool ended = false, counted = false;

    while (!ended) {
        start_more_tasks(only);
        wait_for_length(output, said + 1, 1000);
        EnterCriticalSection(&output->lock);
        ended = output->ended;
        const char *end;
        while ((end = strchr(output->bytes + said, '\n')) != NULL) {
            const char *line = output->bytes + said;
            said = (size_t)(end + 1 - output->bytes);
            if (is_closing_line(line))
                counted = true;
            else
                say("%.*s\n", (int)strcspn(line, "\r\n"), line);
        }
        LeaveCriticalSection(&output->lock);
    }
    return counted;
}

/* Fills tasks with the programs of the folders, or with this program of each. */
static void find_tasks(const char *const *folders, int count, const char *program)
{
    static const char *const programs[] = {"server", "select_server", "client"};

    for (int i = 0; i < count; i++) {
        int before = task_count;
        for (int j = 0; j < (program != NULL ? 1 : 3); j++) {
            const char *name = program != NULL ? program : programs[j];
            if (exists(folders[i], name)) {
                tasks[task_count].folder = folders[i];
                tasks[task_count++].program = name;
            }
        }
        if (task_count == before) {
            say("ENV      %s: no program to check: is it built?\n", folders[i]);
            failed++;
        }
    }
}

/* The checks mostly wait, so that those of several programs take little longer than those of one.
 * A report is about all checks of a folder, or there is none. */
static void check_side_by_side(const char *const *folders, int count, const char *program,
                               const char *only)
{
    int passed_before = 0, failed_before = 0, skipped_before = 0;

    find_tasks(folders, count, program);
    for (int i = 0; i < task_count; i++) {
        struct task *task = &tasks[i];
        if (i == 0 || task->folder != task[-1].folder) {
            passed_before = passed;
            failed_before = failed;
            skipped_before = skipped;
            if (program == NULL && only == NULL)
                begin_report(task->folder, "checks", compiler);
        }
        if (!say_and_count(task, only)) {
            say("ENV      %s: its checks ended without their closing line\n", task->folder);
            failed++;
        }
        end_process(&task->process);
        if (i + 1 == task_count || task->folder != task[1].folder)
            end_report("%d passed, %d failed, %d skipped\n", passed - passed_before,
                       failed - failed_before, skipped - skipped_before);
    }
    if (passed + failed + skipped == 0) {
        say("ENV      no check has a name with \"%s\"\n", only);
        failed++;
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: check [--only WORD] [--program NAME] [--options WORDS] "
                    "[--storm SECONDS] FOLDER ...\n"
                    "       check --exercise NAME [--stop-at-failure] FOLDER\n"
                    "       check --hint NAME NUMBER FOLDER\n"
                    "       check --list\n");
    return 2;
}

/* The last line of defence: whatever hangs, the run ends. */
static DWORD WINAPI end_after_a_while(void *nothing)
{
    (void)nothing;
    Sleep((15 * 60 + (DWORD)storm_seconds) * 1000);
    printf("TIMEOUT  the checks did not end within 15 minutes\n%d passed, %d failed, %d skipped\n",
           passed, failed + 1, skipped);
    fflush(stdout);
    TerminateProcess(GetCurrentProcess(), 1);
    return 0;
}

int main(int argc, char **argv)
{
    const char *only = NULL, *program = NULL, *name = NULL, *hint = NULL, *folders[MAX_FOLDERS];
    int count = 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        print_exercises();
        return 0;
    }

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--program") == 0 && i + 1 < argc)
            program = argv[++i];
        else if (strcmp(argv[i], "--options") == 0 && i + 1 < argc)
            server_options = argv[++i];
        else if (strcmp(argv[i], "--storm") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0)
            storm_seconds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--compiler") == 0 && i + 1 < argc)
            compiler = argv[++i];
        else if (strcmp(argv[i], "--stop-at-failure") == 0)
            stop_at_failure = true;
        else if (strcmp(argv[i], "--exercise") == 0 && i + 1 < argc)
            name = argv[++i];
        else if (strcmp(argv[i], "--hint") == 0 && i + 2 < argc) {
            name = argv[++i];
            hint = argv[++i];
        } else if (argv[i][0] != '-' && count < MAX_FOLDERS)
            folders[count++] = argv[i];
        else
            return usage();
    }
    if (count == 0 || (name != NULL && count > 1))
        return usage();
    const struct exercise *exercise = name != NULL ? find_exercise(name) : NULL;
    if (name != NULL && exercise == NULL)
        return wrong_exercise(name);
    if (hint != NULL)
        return print_hint(exercise, atoi(hint), folders[0]) ? 0 : 2;

    InitializeCriticalSection(&noting);
    start_winsock();
    CloseHandle(CreateThread(NULL, 0, end_after_a_while, NULL, 0, NULL));
    fill_pattern();
    if (exercise != NULL)
        check_exercise(folders[0], exercise);
    else if (count == 1 && program != NULL)
        check_program(folders[0], program, only);
    else
        check_side_by_side(folders, count, program, only);
    if (exercise == NULL)
        printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    stop_winsock();
    return failed == 0 ? 0 : 1;
}
