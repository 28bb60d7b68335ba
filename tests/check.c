/*
 * check.c - checks the behaviour of the servers and clients.
 *
 *     check.exe [--only WORD] [--program NAME] [--options WORDS] [--storm SECONDS] [--kill]
 *               [--verify SEEDS | --seed N] FOLDER ...
 *     check.exe --exercise NAME [--only WORD] [--stop-at-failure] [--report FOLDER]
 *               [--verified FOLDER | --verify SEEDS | --seed N] FOLDER
 *
 * FOLDER holds the programs of a chapter (build\ch21_event_select). Each of them is started as a
 * child process on a free port. Several programs are checked side by side. One line per check:
 *
 *     ok       the program behaves as it should
 *     FAIL     it does not: what was expected, what was found, where to look
 *     TIMEOUT  it did not do in time what it should: which wait never ended
 *     CRASH    it crashed: with which status, what that means, and when
 *     RULE     it broke a rule of Winsock: which rule, which call, which line
 *     ENV      the machine, not the program, prevented the check
 *     skip     cannot be checked here: the reason
 *
 * The last line is "N passed, N failed, N skipped"; for an exercise it is the score: 3/5. Exit
 * status: 0 if none failed, 1 if one did, 2 for a wrong command line. All of it is also written to
 * a report in FOLDER, or in that of --report, together with --compiler NAME. With --only, only
 * checks whose name contains WORD are run; --options are more arguments for the servers; --kill
 * ends them by force instead of with Ctrl+C, for a server that is not finished; --verify 3 is for
 * programs with the verifier, and runs all checks with the seeds 1, 2 and 3; --seed runs them with
 * one seed (0: the rules alone). --verified names the folder of the same program with the verifier:
 * a check of an exercise must hold for both, for this one with seed 1. --storm makes the mixed
 * storm longer:
 *
 *     check.exe --only storm --storm 300 --options "--threads 4" build\ch23_iocp
 *
 * The goal of an exercise is read from course\homework, so start it in the top folder.
 */
#include "check.h"
#include "client_checks.h"
#include "exercise_checks.h"
#include "load_client_checks.h"
#include "peers.h"
#include "server_checks.h"
#include "../tools/utf8.h"
#include "../tools/exercise_page.h"

#include <stdlib.h>

/* ---- the exercises ------------------------------------------------------------------------- */

/* build.bat writes exercises.h: one line EXERCISE(NAME) for each folder of course\homework. */
#define EXERCISE(name) extern const struct exercise name;
#include "../build/tests/exercises.h"
#undef EXERCISE

#define EXERCISE(name) &name,
static const struct exercise *const exercises[] = {
#include "../build/tests/exercises.h"
};
#undef EXERCISE

enum { EXERCISE_COUNT = sizeof exercises / sizeof exercises[0] };

/* NULL: there is none with that name. */
static const struct exercise *find_exercise(const char *name)
{
    for (int i = 0; i < EXERCISE_COUNT; i++) {
        if (_stricmp(name, exercises[i]->name) == 0)
            return exercises[i];
    }
    return NULL;
}

/* Prints which exercises there are. Returns the exit status. */
static int wrong_exercise(const char *name)
{
    fprintf(stderr, "check: there is no exercise %s. There are:\n", name);
    for (int i = 0; i < EXERCISE_COUNT; i++) {
        struct statement statement;
        bool known = read_statement(&statement, exercises[i]->name);
        fprintf(stderr, "    %-9s %s\n", exercises[i]->name, known ? statement.goal : "");
        free_statement(&statement);
    }
    return 2;
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

/* ---- one check ----------------------------------------------------------------------------- */

static int passed, failed, skipped;
static bool stop_at_failure;
static const char *compiler = "unknown";
static const struct exercise *exercise; /* NULL: the checks of a chapter */
static const char *only;                /* part of the names of the checks to run; NULL: all */
static int seed;                        /* of the verifier, if the program has it */
static int seeds;                       /* not 0: the checks are run with each from 1 to it */
static const char *report_folder;       /* NULL: that of the program */

/* ---- the second run ------------------------------------------------------------------------ */

/* The checks of an exercise are run on two programs: this check.exe runs them on the plain one, and
 * a second check.exe meanwhile on the one with the verifier. The second one reports its findings to
 * this one: one line per check. */
enum { SECOND_SEED = 1, TOLD_SIZE = 1400 };
static struct process second; /* empty: there is none */
static size_t second_heard;   /* this much of its output has been read */
static bool is_second;        /* this is the second one */

static bool is_failure(enum verdict verdict)
{
    return verdict != PASSED && verdict != SKIPPED;
}

static void begin_second(const char *folder)
{
    char command[600];

    snprintf(command, sizeof command, "check --exercise %s --second --seed %d%s%s%s%s \"%s\"",
             exercise->name, SECOND_SEED, stop_at_failure ? " --stop-at-failure" : "",
             only != NULL ? " --only \"" : "", only != NULL ? only : "", only != NULL ? "\"" : "",
             folder);
    if (!start_process(&second, command, NULL, ""))
        fail((int)GetLastError(), "start the checks of %s", folder);
}

static void tell_first(const struct noted *noted)
{
    printf("%d\t%s\t%s\n", (int)noted->verdict, noted->what, noted->hint ? noted->hint : "");
    fflush(stdout);
}

/* The next line of the second one, without its end. False: there is none, and it has ended. */
static bool hear_second(char *line)
{
    struct capture *output = &second.output;
    bool heard = false, ended = false;

    while (!heard && !ended) {
        wait_for_length(output, second_heard + 1, 1000);
        EnterCriticalSection(&output->lock);
        ended = output->ended;
        const char *begin = output->bytes + second_heard, *end = strchr(begin, '\n');
        heard = end != NULL;
        if (heard) {
            snprintf(line, TOLD_SIZE, "%.*s", (int)strcspn(begin, "\r\n"), begin);
            second_heard = (size_t)(end + 1 - output->bytes);
        }
        LeaveCriticalSection(&output->lock);
    }
    return heard;
}

/* What the second one has found in the same check replaces *noted if that is no failure, or is not
 * the cause. Then the result is true. */
static bool ask_second(struct noted *noted)
{
    static char line[TOLD_SIZE]; /* the hint stays in it */
    char *what, *hint;

    bool heard = hear_second(line);
    enum verdict verdict = (enum verdict)strtol(line, &what, 10);
    if (!heard || *what != '\t') {
        snprintf(line, sizeof line, "\tthe checks with the verifier ended too early\trun it again");
        verdict = NO_CHANCE;
        what = line;
    }
    if (!is_failure(verdict) || (is_failure(noted->verdict) && verdict != RULE_BROKEN))
        return false;
    hint = strchr(what + 1, '\t');
    *noted = (struct noted){.verdict = verdict, .hint = hint != NULL ? hint + 1 : ""};
    snprintf(noted->what, sizeof noted->what, "%.*s", (int)strcspn(what + 1, "\t"), what + 1);
    return true;
}

/* ---- running a check ----------------------------------------------------------------------- */

static void talk_to_server(const struct check *check)
{
    struct server server;

    if (!start_server(&server, check->options))
        return;
    check->talk(&server);
    stop_server(&server);
}

/* Prints the command that shows the same trouble again. */
static void say_again(const struct check *check, const char *folder, const char *program)
{
    say("         again: build\\tests\\check.exe --seed %d ", seed);
    if (exercise != NULL)
        say("--exercise %s \"%s\"\n", exercise->name, folder);
    else
        say("--program %s --only \"%s\" \"%s\"\n", program, check->name, folder);
}

static void find_trouble(const struct check *check)
{
    forget_trouble();
    if (verified && check->plain_only)
        trouble(SKIPPED, "", "what this check counts is different under the verifier");
    else if (check->run != NULL)
        check->run();
    else
        talk_to_server(check);
}

static void run_check(const struct check *check, const char *folder, const char *program)
{
    static const char *const words[] = {"ok",   "FAIL", "TIMEOUT", "ENV",
                                        "skip", "FAIL", "CRASH",   "RULE"};
    double begun = now_ms();

    find_trouble(check);
    struct noted noted = *noted_trouble();
    if (is_second) {
        failed += is_failure(noted.verdict);
        tell_first(&noted);
        return;
    }
    bool in_second = second.handle != NULL && ask_second(&noted);
    say("%-7s  %s %s: %s", words[noted.verdict], last_part(folder), program, check->name);
    if (in_second)
        say(", under the verifier with seed %d", SECOND_SEED);
    else if (verified)
        say(", seed %d", seed);
    if (noted.verdict == PASSED)
        say(" (%.1f s)\n", (now_ms() - begun) / 1000);
    else if (noted.verdict == SKIPPED)
        say(": %s\n", noted.what);
    else
        say("\n         %s\n         look at: %s\n", noted.what, noted.hint);
    if (verified && is_failure(noted.verdict))
        say_again(check, folder, program);
    passed += noted.verdict == PASSED;
    skipped += noted.verdict == SKIPPED;
    failed += is_failure(noted.verdict);
}

/* ---- the run ------------------------------------------------------------------------------- */

static bool has_file(const char *folder, const char *name, const char *ending)
{
    char path[sizeof program_path];
    wchar_t wide[sizeof program_path];

    snprintf(path, sizeof path, "%s\\%s.%s", folder, name, ending);
    return GetFileAttributesW(wide_text(path, wide, sizeof path)) != INVALID_FILE_ATTRIBUTES;
}

/* From now on this program is the one under test. */
static void choose_program(const char *folder, const char *program)
{
    snprintf(program_path, sizeof program_path, "%s\\%s.exe", folder, program);
}

static bool contains(const char *name, const char *part)
{
    return part == NULL || strstr(name, part) != NULL;
}

/* Only those whose name contains the part; NULL: all. */
static void run_checks(const struct check *checks, const char *folder, const char *program,
                       const char *part)
{
    for (const struct check *check = checks; check->name != NULL; check++) {
        if (stop_at_failure && failed > 0)
            return;
        if (contains(check->name, part) && contains(check->name, only))
            run_check(check, folder, program);
    }
}

/* Any program that is not a client is a server. */
static const struct check *checks_of(const char *program)
{
    if (strcmp(program, "client") == 0)
        return client_checks;
    if (strcmp(program, "load_client") == 0)
        return load_client_checks;
    return server_checks;
}

static void no_program(const char *folder)
{
    say("ENV      %s: there is no program to check: has it been built?\n", folder);
    failed++;
}

static void check_program(const char *folder, const char *program)
{
    if (has_file(folder, program, "exe")) {
        choose_program(folder, program);
        run_checks(checks_of(program), folder, program, NULL);
    } else {
        no_program(folder);
    }
}

/* The programs that are started from now on inherit this. */
static void choose_seed(int number)
{
    char text[20];

    seed = number;
    verified = true;
    snprintf(text, sizeof text, "%d", number);
    SetEnvironmentVariableA("VERIFIER_SEED", text);
}

/* The checks of the exercise itself, then those of the chapter that must still hold. */
static void run_exercise_checks(const char *folder)
{
    if (exercise->prepare != NULL)
        exercise->prepare();
    run_checks(exercise->checks, folder, "server", NULL);
    if (exercise->more != NULL)
        run_checks(exercise->more, folder, "server", NULL);
    for (int i = 0; i < MOST_REUSED && exercise->reused[i] != NULL; i++)
        run_checks(server_checks, folder, "server", exercise->reused[i]);
}

static void run_exercise(const char *folder, const char *verified_folder)
{
    choose_program(folder, "server");
    if (verified_folder != NULL)
        begin_second(verified_folder);
    if (seeds == 0)
        run_exercise_checks(folder);
    for (int i = 1; i <= seeds; i++) {
        choose_seed(i);
        run_exercise_checks(folder);
    }
    end_process(&second);
    if (failed > 0 && !is_second && has_file(last_part(folder), "server", "c")) {
        char command[COMMAND_SIZE];
        say("For a hint: %s\n", hint_command(command, last_part(folder), exercise->name, 1));
    }
}

static void no_server(const char *folder)
{
    say("ENV      %s: there is no server to check: has it been built?\n", last_part(folder));
    failed++;
}

static void report_exercise(const char *folder, const char *verified_folder)
{
    struct statement statement;

    if (!stop_at_failure)
        begin_report(report_folder != NULL ? report_folder : folder, exercise->name, compiler,
                     last_part(folder));
    if (!read_statement(&statement, exercise->name)) {
        say("ENV      %s: %s\n", exercise->name, statement.reason);
        failed++;
    } else {
        say("%s: %s\n", exercise->name, statement.goal);
        if (!has_file(folder, "server", "exe"))
            no_server(folder);
        else if (verified_folder != NULL && !has_file(verified_folder, "server", "exe"))
            no_server(verified_folder);
        else
            run_exercise(folder, verified_folder);
    }
    free_statement(&statement);
    printf("%d/%d\n", passed, passed + failed);
    end_report("%d/%d\n", passed, passed + failed);
}

static void check_exercise(const char *folder, const char *verified_folder)
{
    set_patience(verified ? 6000 : 3000);
    most_check_ms = verified ? 120000 : 90000;
    server_options = exercise->options;
    if (is_second)
        run_exercise(folder, NULL);
    else
        report_exercise(folder, verified_folder);
}

/* ---- side by side -------------------------------------------------------------------------- */

enum { SIDE_BY_SIDE = 5, MAX_FOLDERS = 64, PROGRAMS = 4, MAX_TASKS = 2048 };

/* The checks of one program, run by another check.exe. */
struct task {
    const char *folder;
    const char *program;
    int seed;
    struct process process;
};

static struct task tasks[MAX_TASKS];
static int task_count, tasks_started;

static bool start_task(struct task *task)
{
    char command[600], with_seed[20] = "";

    if (verified)
        snprintf(with_seed, sizeof with_seed, " --seed %d", task->seed);
    /* Without a path: the system looks in the folder of this program first. Its full path may have
     * letters that the code page lacks. */
    snprintf(command, sizeof command,
             "check --program \"%s\" --options \"%s\" --storm %d%s%s%s%s%s \"%s\"", task->program,
             server_options, storm_seconds, with_seed, kill_servers ? " --kill" : "",
             only != NULL ? " --only \"" : "", only != NULL ? only : "", only != NULL ? "\"" : "",
             task->folder);
    return start_process(&task->process, command, NULL, "");
}

/* Keeps SIDE_BY_SIDE tasks running as long as that many are left. */
static void start_more_tasks(void)
{
    int running = 0;
    for (int i = 0; i < tasks_started; i++) {
        HANDLE process = tasks[i].process.handle; /* NULL: it has ended, and been reported */
        running += process != NULL && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    }
    for (; tasks_started < task_count && running < SIDE_BY_SIDE; tasks_started++, running++) {
        if (!start_task(&tasks[tasks_started]))
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

/* Prints what a task prints, as it comes. False if the closing line is missing. */
static bool say_and_count(struct task *task)
{
    struct capture *output = &task->process.output;
    size_t said = 0;
    bool ended = false, counted = false;

    while (!ended) {
        start_more_tasks();
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

/* Adds one task per seed. */
static void add_tasks(const char *folder, const char *program)
{
    int first = seeds > 0 ? 1 : seed, last = seeds > 0 ? seeds : seed;

    for (int i = first; i <= last && task_count < MAX_TASKS; i++)
        tasks[task_count++] = (struct task){.folder = folder, .program = program, .seed = i};
}

/* Fills tasks with the programs of the folders, or with this program of each folder. */
static void find_tasks(const char *const *folders, int count, const char *program)
{
    static const char *const programs[PROGRAMS] = {"server", "select_server", "client",
                                                   "load_client"};

    for (int i = 0; i < count; i++) {
        int before = task_count;
        for (int j = 0; j < (program != NULL ? 1 : PROGRAMS); j++) {
            const char *name = program != NULL ? program : programs[j];
            if (has_file(folders[i], name, "exe"))
                add_tasks(folders[i], name);
        }
        if (task_count == before)
            no_program(folders[i]);
    }
}

/* The checks mostly wait, so those of several programs take little longer than those of one. A
 * report is about all checks of a folder, or there is none. */
static void check_side_by_side(const char *const *folders, int count, const char *program)
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
                begin_report(task->folder, "checks", compiler, last_part(task->folder));
        }
        if (!say_and_count(task)) {
            say("ENV      %s: its checks ended without their closing line\n", task->folder);
            failed++;
        }
        end_process(&task->process);
        if (i + 1 == task_count || task->folder != task[1].folder)
            end_report("%d passed, %d failed, %d skipped\n", passed - passed_before,
                       failed - failed_before, skipped - skipped_before);
    }
    if (passed + failed + skipped == 0) {
        say("ENV      there is no check whose name contains \"%s\"\n", only);
        failed++;
    }
}

static int usage(void)
{
    fprintf(stderr,
            "usage: check [--only WORD] [--program NAME] [--options WORDS] "
            "[--storm SECONDS] [--kill] [--verify SEEDS | --seed N] FOLDER ...\n"
            "       check --exercise NAME [--only WORD] [--stop-at-failure] [--report FOLDER] "
            "[--verified FOLDER | --verify SEEDS | --seed N] FOLDER\n");
    return 2;
}

/* The last line of defence: whatever hangs, the run ends. */
static DWORD WINAPI end_after_a_while(void *nothing)
{
    const int minutes = 30 + 3 * seeds; /* with each seed all checks run once more */
    (void)nothing;
    Sleep((DWORD)(minutes * 60 + storm_seconds) * 1000);
    printf("TIMEOUT  the checks did not end within %d minutes\n%d passed, %d failed, %d skipped\n",
           minutes, passed, failed + 1, skipped);
    fflush(stdout);
    TerminateProcess(GetCurrentProcess(), 1);
    return 0;
}

static void set_storm(int seconds)
{
    storm_seconds = seconds;
    most_check_ms += seconds * 1000;
}

int main(int argc, char **argv)
{
    const char *program = NULL, *name = NULL, *folders[MAX_FOLDERS];
    const char *verified_folder = NULL;
    int count = 0;

    snprintf(program_name, sizeof program_name, "check"); /* for fail */
    use_utf8(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--program") == 0 && i + 1 < argc)
            program = argv[++i];
        else if (strcmp(argv[i], "--options") == 0 && i + 1 < argc)
            server_options = argv[++i];
        else if (strcmp(argv[i], "--storm") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0)
            set_storm(atoi(argv[++i]));
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            choose_seed(atoi(argv[++i]));
        else if (strcmp(argv[i], "--verify") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0)
            seeds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--compiler") == 0 && i + 1 < argc)
            compiler = argv[++i];
        else if (strcmp(argv[i], "--report") == 0 && i + 1 < argc)
            report_folder = argv[++i];
        else if (strcmp(argv[i], "--verified") == 0 && i + 1 < argc)
            verified_folder = argv[++i];
        else if (strcmp(argv[i], "--second") == 0)
            is_second = true;
        else if (strcmp(argv[i], "--kill") == 0)
            kill_servers = true;
        else if (strcmp(argv[i], "--stop-at-failure") == 0)
            stop_at_failure = true;
        else if (strcmp(argv[i], "--exercise") == 0 && i + 1 < argc)
            name = argv[++i];
        else if (argv[i][0] != '-' && count < MAX_FOLDERS)
            folders[count++] = argv[i];
        else
            return usage();
    }
    if (count == 0 || (name != NULL && count > 1))
        return usage();
    exercise = name != NULL ? find_exercise(name) : NULL;
    if (name != NULL && exercise == NULL)
        return wrong_exercise(name);
    if (kill_servers)
        patience_ms = 4000; /* an unfinished server often has to be waited for */
    start_winsock();
    CloseHandle(CreateThread(NULL, 0, end_after_a_while, NULL, 0, NULL));
    fill_pattern();
    verified = verified || seeds > 0;
    if (exercise != NULL)
        check_exercise(folders[0], verified_folder);
    else if (count == 1 && program != NULL && seeds == 0)
        check_program(folders[0], program);
    else
        check_side_by_side(folders, count, program);
    if (exercise == NULL)
        printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    stop_winsock();
    return failed == 0 ? 0 : 1;
}
