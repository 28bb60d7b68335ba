/* target.c - the program under test. See target.h. */
#include "target.h"

char program_path[300];
const char *server_options = "";
int patience_ms = 10000;
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
    trouble(NO_CHANCE, "is it built?", "%s cannot be started: %s", program_path,
            error_text(error, text));
    return false;
}

bool start_server(struct server *server, const char *options)
{
    enum { ATTEMPTS = 3 }; /* another program may take the free port before the server does */

    for (int attempt = 1;; attempt++) {
        char arguments[200];

        server->port = free_port();
        snprintf(arguments, sizeof arguments, "%s %s %d", server_options, options, server->port);
        if (!start_program(&server->process, arguments))
            return false;
        int listening = listening_port(&server->process, patience_ms);
        if (listening == server->port)
            return true;
        bool taken = strstr(server->process.error.bytes, "WSAEADDRINUSE") != NULL;
        if (taken && attempt == ATTEMPTS)
            trouble(NO_CHANCE, "run it again", "other programs take the free ports");
        else if (!taken)
            trouble(listening == 0 ? TIMED_OUT : FAILED, "listen_at, and the flush after it",
                    "expected \"listening on 127.0.0.1:%d\", found \"%.200s\" and on standard "
                    "error \"%.200s\"",
                    server->port, server->process.output.bytes, server->process.error.bytes);
        end_program(&server->process);
        if (in_trouble())
            return false;
    }
}

/* The first "RULE 10: ..." on its standard error. */
static void note_broken_rule(struct process *process)
{
    struct capture *error = &process->error;

    EnterCriticalSection(&error->lock);
    const char *line = error->bytes;
    while (line != NULL && strncmp(line, "RULE ", 5) != 0) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line != NULL)
        trouble(RULE_BROKEN, "course\\rules.md, which explains the rule", "%.*s",
                (int)strcspn(line, "\r\n"), line);
    LeaveCriticalSection(&error->lock);
}

void end_program(struct process *process)
{
    if (verified && process->handle != NULL)
        note_broken_rule(process);
    end_process(process);
}

void stop_server(struct server *server)
{
    struct process *process = &server->process;
    const double most = verified ? 6000 : 2000;
    DWORD status = 0;

    if (process->handle == NULL)
        return;
    double begun = now_ms();
    if (kill_servers) {
        if (wait_for_exit(process, 0, &status))
            trouble(FAILED, "each fail()", "the server has ended by itself, status %lu: \"%.200s\"",
                    status, process->error.bytes);
    } else if (!press_ctrl_c(process)) {
        trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
    } else if (!wait_for_exit(process, patience_ms, &status)) {
        trouble(TIMED_OUT, "the stop event in the wait; what stop_serving waits for",
                "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
    } else if (status != 0) {
        trouble(FAILED, "the end of main",
                "expected exit status 0 after Ctrl+C, found %lu (%.200s)", status,
                process->error.bytes);
    } else if (now_ms() - begun > most) {
        trouble(FAILED, "what stop_serving waits for",
                "expected the end within %.0f s after Ctrl+C, found %.1f s", most / 1000,
                (now_ms() - begun) / 1000);
    } else if (strstr(process->output.bytes, "summary: ") == NULL ||
               strstr(process->output.bytes, ", 0 operations pending") == NULL) {
        trouble(FAILED, "print_summary",
                "expected \"summary: ... 0 operations pending\", found \"%.200s\"",
                process->output.bytes);
    }
    end_program(process);
}

int count_text(struct server *server, const char *text)
{
    struct capture *output = &server->process.output;
    int count = 0;

    EnterCriticalSection(&output->lock);
    const char *place = output->bytes;
    while ((place = strstr(place, text)) != NULL) {
        count++;
        place += strlen(text);
    }
    LeaveCriticalSection(&output->lock);
    return count;
}

bool measure_server(const struct server *server, struct measurement *measurement)
{
    *measurement = (struct measurement){0, 0, 0};
    return verified || measure(&server->process, measurement);
}

void cannot_measure(const struct server *server)
{
    if (WaitForSingleObject(server->process.handle, 0) == WAIT_OBJECT_0)
        trouble(FAILED, "each fail()", "the server has ended by itself: \"%.200s\"",
                server->process.error.bytes);
    else
        trouble(NO_CHANCE, "measure in process.c", "the server cannot be measured");
}

void expect_sleep(const struct server *server, DWORD milliseconds)
{
    struct measurement before, after;

    Sleep(300); /* it may still be busy with what came last */
    bool measured = measure_server(server, &before);
    Sleep(milliseconds);
    measured = measured && measure_server(server, &after);
    unsigned long long most = running_under_wine() ? 3 : 300000;
    if (!measured)
        cannot_measure(server);
    else if (after.activity - before.activity > most)
        trouble(FAILED, "a wait with a time-out, or an event that nobody resets",
                "expected an idle server to sleep, found %llu %s in %.1f s",
                after.activity - before.activity,
                running_under_wine() ? "context switches" : "CPU cycles", milliseconds / 1000.0);
}
