/* target.c - the program under test. See target.h. */
#include "target.h"

char program_path[300];
const char *server_options = "";
int most_check_ms = 90000;
bool kill_servers;
bool verified;

bool start_program(struct process *process, const char *arguments)
{
    char command[sizeof process->command_line];

    snprintf(command, sizeof command, "\"%s\" %s", program_path, arguments);
    if (start_process(process, command, NULL, NULL))
        return true;
    int error = (int)GetLastError();
    char text[ERROR_TEXT_SIZE];
    trouble(NO_CHANCE, "has it been built?", "%s cannot be started: %s", program_path,
            error_text(error, text));
    return false;
}

static const char before_it_listened[] = "before it listened";
static const char while_it_served[] = "while clients were served";

static const char *meaning_of_status(DWORD status)
{
    static const struct {
        DWORD status;
        const char *meaning;
    } meanings[] = {
        {3, "that of abort, for example in a failed assert"},
        {0x80000003, "breakpoint: the system or a library has found an error, and stopped it"},
        {0xC0000005, "access violation: it used memory that is not its own, for example through a "
                     "freed pointer or beyond the end of an array"},
        {0xC0000008, "an invalid handle: one that was closed, or never was a handle"},
        {0xC000001D, "illegal instruction: it executed something that is not code"},
        {0xC0000094, "division by zero"},
        {0xC0000096, "privileged instruction: it executed something that is not code"},
        {0xC00000FD, "stack overflow: a function that calls itself without end, or arrays that "
                     "are too large for the stack"},
        {0xC0000135, "a DLL that it needs is missing"},
        {0xC000013A, "Ctrl+C: it does not handle it, see call_on_ctrl_c"},
        {0xC0000142, "a DLL could not be initialised: the machine is too busy, or short of memory"},
        {0xC0000374, "heap corruption: it wrote beyond the end of allocated memory, or freed it "
                     "twice"},
        {0xC0000409, "fail fast: abort, a failed assert, or a write beyond the end of an array on "
                     "the stack"},
    };

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].status == status)
            return meanings[i].meaning;
    }
    return NULL;
}

/* A status from the system has one of these first hexadecimal digits; one from a program seldom. */
static bool is_of_system(DWORD status)
{
    return status >> 28 == 0x8 || status >> 28 == 0xC;
}

const char *status_text(char *text, DWORD status)
{
    const char *meaning = meaning_of_status(status);

    snprintf(text, STATUS_SIZE, is_of_system(status) ? "0x%08lX%s%s%s" : "%lu%s%s%s", status,
             meaning != NULL ? " (" : "", meaning != NULL ? meaning : "",
             meaning != NULL ? ")" : "");
    return text;
}

/* The system gave up while it started the program, which could do nothing about it. */
static bool has_not_begun(DWORD status)
{
    return status == 0xC0000142;
}

/* abort ends a program with a status that the program may also choose itself. */
static bool has_crashed(struct process *process, DWORD status)
{
    const DWORD aborted = 3, ended_by_ctrl_c = 0xC000013A;

    if (status == aborted)
        return has_printed(&process->error, "Assertion failed") ||
               has_printed(&process->error, "abnormal program termination") ||
               has_printed(&process->error, "unusual way");
    return is_of_system(status) && status != ended_by_ctrl_c && !has_not_begun(status);
}

static void note_status(struct process *process, enum verdict verdict, DWORD status,
                        const char *when)
{
    char text[STATUS_SIZE], error[OUTPUT_SIZE];
    bool said = process->error.length > 0;

    trouble(verdict,
            verdict == CRASHED     ? "run it in a debugger (build.bat debug), or with the verifier "
                                     "(build.bat verify)"
            : verdict == NO_CHANCE ? "run it again"
                                   : "each fail(), exit() and return of main",
            "the program ended with status %s %s%s%s%s", status_text(text, status), when,
            said ? ": \"" : "", said ? show_output(error, &process->error) : "",
            said ? "\" on standard error" : "");
}

/* Whether the program ends by itself within this many milliseconds, which is then noted. */
static bool note_end(struct process *process, DWORD milliseconds, const char *when)
{
    DWORD status;

    if (!wait_for_exit(process, milliseconds, &status))
        return false;
    note_status(process,
                has_not_begun(status)          ? NO_CHANCE
                : has_crashed(process, status) ? CRASHED
                                               : ENDED,
                status, when);
    return true;
}

/* The first "RULE 10: ..." on its standard error. */
static void note_broken_rule(struct process *process)
{
    struct capture *error = &process->error;

    EnterCriticalSection(&error->lock);
    const char *line = error->bytes, *all = error->bytes + error->length;
    while (line != NULL && strncmp(line, "RULE ", 5) != 0) {
        line = memchr(line, '\n', (size_t)(all - line));
        line = line == NULL ? NULL : line + 1;
    }
    if (line != NULL)
        trouble(RULE_BROKEN, "course\\rules.md, which explains the rule", "%.*s",
                (int)strcspn(line, "\r\n"), line);
    LeaveCriticalSection(&error->lock);
}

void end_program(struct process *process, const char *when)
{
    DWORD status;

    if (process->handle != NULL && verified)
        note_broken_rule(process);
    if (process->handle != NULL && wait_for_exit(process, 0, &status) &&
        has_crashed(process, status))
        note_status(process, CRASHED, status, when);
    end_process(process);
}

bool find_summary(struct process *process, struct summary *summary)
{
    struct capture *output = &process->output;
    bool found = false;

    EnterCriticalSection(&output->lock);
    for (size_t i = output->length; i-- > 0 && !found;) {
        const char *line = output->bytes + i;
        found = *line == 's' &&
                sscanf(line, "summary: %d clients served, %lld bytes echoed, %d operations pending",
                       &summary->clients, &summary->bytes, &summary->pending) == 3;
    }
    LeaveCriticalSection(&output->lock);
    return found;
}

/* Judges how it has ended after Ctrl+C, and what it has printed. Both times are in milliseconds. */
static void check_end(struct process *process, DWORD status, double took, double most)
{
    char text[STATUS_SIZE], output[OUTPUT_SIZE];
    struct summary summary = {0, 0, 0};

    if (status != 0)
        trouble(FAILED, "the end of main",
                "expected exit status 0 after Ctrl+C, found %s, and on standard error \"%s\"",
                status_text(text, status), show_output(output, &process->error));
    else if (took > most)
        trouble(FAILED, "what stop_serving waits for",
                "expected the server to end within %.0f s after Ctrl+C, found %.1f s", most / 1000,
                took / 1000);
    else if (!find_summary(process, &summary))
        trouble(FAILED, "print_summary, at the end of stop_serving",
                "expected \"summary: ... 0 operations pending\", found \"%s\"",
                show_output(output, &process->output));
    else if (summary.pending != 0)
        trouble(FAILED, "where is an operation counted, and when has it completed?",
                "expected 0 operations pending in the summary, found %d", summary.pending);
}

static void press_and_check(struct process *process, double most)
{
    double begun = now_ms();
    DWORD status;

    if (!press_ctrl_c(process)) {
        trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
        note_end(process, 0, while_it_served);
        return;
    }
    bool ended = WaitForSingleObject(process->handle, (DWORD)patience_ms) == WAIT_OBJECT_0;
    double took = now_ms() - begun;
    if (ended && wait_for_exit(process, 0, &status))
        check_end(process, status, took, most);
    else
        trouble(TIMED_OUT, "the stop event in the wait; what stop_serving waits for",
                "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
}

enum { STOP_MS = 2000, VERIFIED_STOP_MS = 6000 };

static void stop_within(struct server *server, double most)
{
    enum { STILL_ENDING_MS = 500 }; /* a program that crashes closes its sockets first */
    struct process *process = &server->process;

    if (!note_end(process, in_trouble() ? STILL_ENDING_MS : 0, while_it_served) && !kill_servers)
        press_and_check(process, most);
}

bool stop_and_keep(struct server *server)
{
    stop_within(server, patience_ms);
    return !in_trouble();
}

bool stop_soon_and_keep(struct server *server)
{
    stop_within(server, at_this_pace(verified ? VERIFIED_STOP_MS : STOP_MS));
    return !in_trouble();
}

void stop_server(struct server *server)
{
    if (server->process.handle == NULL)
        return;
    stop_soon_and_keep(server);
    end_program(&server->process, "after Ctrl+C");
}

void stop_and_count(struct server *server, int clients, long long bytes)
{
    struct summary found;

    if (stop_and_keep(server) && find_summary(&server->process, &found)) {
        if (found.clients != clients)
            trouble(FAILED, "which clients are counted, and when?",
                    "expected %d clients served in the summary, found %d", clients, found.clients);
        else if (found.bytes != bytes)
            trouble(FAILED, "which bytes are counted as echoed, and when?",
                    "expected %lld bytes echoed in the summary, found %lld", bytes, found.bytes);
    }
    end_program(&server->process, "after Ctrl+C");
}

static void note_start(struct server *server, int listening)
{
    struct process *process = &server->process;
    char output[OUTPUT_SIZE], error[OUTPUT_SIZE];

    if (note_end(process, 0, before_it_listened))
        return;
    show_output(output, &process->output);
    show_output(error, &process->error);
    if (listening == 0)
        trouble(TIMED_OUT, "what happens before listen_at, and the flush after it",
                "waited %d s for \"listening on 127.0.0.1:%d\", found \"%s\" and on standard error "
                "\"%s\"",
                patience_ms / 1000, server->port, output, error);
    else
        trouble(FAILED, "listen_at, and the port that is passed to it",
                "expected \"listening on 127.0.0.1:%d\", found \"%s\" and on standard error \"%s\"",
                server->port, output, error);
}

bool start_server(struct server *server, const char *options)
{
    enum { ATTEMPTS = 3 }; /* another program may take the free port first */

    for (int attempt = 1;; attempt++) {
        char arguments[200];

        server->port = free_port();
        snprintf(arguments, sizeof arguments, "%s %s %d", server_options, options, server->port);
        if (!start_program(&server->process, arguments))
            return false;
        int listening = listening_port(&server->process, server->port, patience_ms);
        if (listening == server->port)
            return true;
        bool taken = has_printed(&server->process.error, "WSAEADDRINUSE");
        if (taken && attempt == ATTEMPTS)
            trouble(NO_CHANCE, "run it again", "other programs took the free ports");
        else if (!taken)
            note_start(server, listening);
        end_program(&server->process, before_it_listened);
        if (in_trouble())
            return false;
    }
}

bool start_unkind_server(struct server *server, const char *options, const char *kinds)
{
    static const char variable[] = "VERIFIER_UNKIND";
    char before[300] = "";

    bool chosen = GetEnvironmentVariableA(variable, before, sizeof before) != 0;
    SetEnvironmentVariableA(variable, kinds);
    bool started = start_server(server, options);
    SetEnvironmentVariableA(variable, chosen ? before : NULL);
    return started;
}

int count_text(struct server *server, const char *text)
{
    struct capture *output = &server->process.output;
    int count = 0;

    EnterCriticalSection(&output->lock);
    const char *place = output->bytes, *all = output->bytes + output->length;
    while ((place = find_text(place, (size_t)(all - place), text)) != NULL) {
        count++;
        place += strlen(text);
    }
    LeaveCriticalSection(&output->lock);
    return count;
}

bool measure_server(const struct server *server, struct measurement *measurement)
{
    *measurement = (struct measurement){0};
    bool measured = measure(&server->process, measurement);
    if (verified) {
        measurement->memory = 0;
        measurement->activity = 0;
    }
    return measured;
}

bool measure_at_rest(const struct server *server, struct measurement *measurement)
{
    enum { REST_MS = 300 };
    unsigned handles;
    const double end = now_ms() + patience_ms;
    bool measured = measure_server(server, measurement);

    do {
        handles = measurement->handles;
        Sleep(REST_MS);
        measured = measured && measure_server(server, measurement);
    } while (measured && measurement->handles != handles && now_ms() < end);
    return measured;
}

void cannot_measure(const struct server *server)
{
    (void)server; /* if it has ended, stop_server says so */
    trouble(NO_CHANCE, "measure in process.c", "the server cannot be measured");
}

enum { MOST_THREADS = 4 };

static unsigned most_handles(void)
{
    return verified ? 20 : 10; /* more threads than usual may wait for a lock at the same time */
}

static bool has_grown(const struct measurement *before, const struct measurement *after,
                      unsigned long long most_memory)
{
    return after->handles > before->handles + most_handles() ||
           after->threads > before->threads + MOST_THREADS ||
           after->memory > before->memory + most_memory;
}

/* On a busy machine a server may close its last clients late; only what does not go away is a
 * leak. */
void expect_no_growth(const struct server *server, const struct measurement *before,
                      unsigned long long most_memory, const char *look_at, const char *after_what)
{
    enum { AGAIN_MS = 100 };
    struct measurement after = {0};
    const double end = now_ms() + patience_ms;

    if (in_trouble())
        return;
    bool measured = before != NULL && measure_server(server, &after);
    while (measured && has_grown(before, &after, most_memory) && now_ms() < end) {
        Sleep(AGAIN_MS);
        measured = measure_server(server, &after);
    }
    if (!measured)
        cannot_measure(server);
    else if (after.handles > before->handles + most_handles())
        trouble(FAILED, look_at, "expected no more handles than before, found %u before and %u %s",
                before->handles, after.handles, after_what);
    else if (after.threads > before->threads + MOST_THREADS)
        trouble(FAILED, look_at, "expected no more threads than before, found %u before and %u %s",
                before->threads, after.threads, after_what);
    else if (after.memory > before->memory + most_memory)
        trouble(FAILED, look_at,
                "expected no more memory than before, found %llu KiB before and %llu KiB %s",
                before->memory >> 10, after.memory >> 10, after_what);
}

/* It may still be busy with the last bytes, for example print them. */
static void wait_until_quiet(const struct server *server)
{
    enum { QUIET_MS = 300 };
    struct measurement before = {0}, after = {0};

    for (double end = now_ms() + patience_ms; now_ms() < end;) {
        bool measured = measure_server(server, &before);
        Sleep(QUIET_MS);
        if (!measured || !measure_server(server, &after) || after.activity == before.activity)
            return;
    }
}

/* What is on its way between the systems may still wake it up once or twice. */
void expect_sleep(const struct server *server, DWORD milliseconds)
{
    enum { TRIES = 3 };
    const unsigned long long most = running_under_wine() ? 3 : 300000;
    struct measurement before = {0}, after = {0};
    bool measured = true, slept = verified;

    for (int i = 0; i < TRIES && measured && !slept; i++) {
        wait_until_quiet(server);
        measured = measure_server(server, &before);
        Sleep(milliseconds);
        measured = measured && measure_server(server, &after);
        slept = after.activity - before.activity <= most;
    }
    if (!measured)
        cannot_measure(server);
    else if (!slept)
        trouble(FAILED, "a wait with a time-out, or an event that is never reset",
                "expected an idle server to sleep, found %llu %s in %.1f s",
                after.activity - before.activity,
                running_under_wine() ? "context switches" : "CPU cycles", milliseconds / 1000.0);
}
