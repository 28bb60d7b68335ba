/*
 * process.h - starts programs, reads what they print, presses Ctrl+C, measures them: for the checks
 * and the tools. It works on Windows and under Wine; where the two differ, process.c says so.
 */
#ifndef PROCESS_H
#define PROCESS_H

#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have fopen_s, which not every compiler has */
#include "../common/common.h"

/* What a program has printed so far to standard output or standard error. A thread collects it. */
struct capture {
    HANDLE pipe;
    HANDLE thread;
    HANDLE changed; /* auto-reset: there is more, or it is the end */
    CRITICAL_SECTION lock;
    char *bytes; /* always followed by '\0' */
    size_t length;
    size_t size; /* of the memory at bytes */
    bool ended;
    bool closing;      /* the rest is of no interest */
    const char *label; /* not NULL: every line is also printed, after this label */
    size_t printed;
};

struct process {
    HANDLE handle;
    HANDLE job; /* it, and every process that it starts */
    DWORD id;
    HANDLE input; /* the write end of its standard input; NULL once closed */
    char command_line[600];
    struct capture output;
    struct capture error;
};

/* Starts command_line with its standard handles connected to pipes. With labels, what it prints
 * also appears on our standard output, each line after its label. A crash shows no dialog, but ends
 * it with a status. The system kills the process, and those that it has started, when ours ends,
 * however it ends.
 * If the program cannot be started, the result is false, *process is left empty, and GetLastError
 * gives the reason. Otherwise the caller frees it with end_process. */
bool start_process(struct process *process, const char *command_line, const char *output_label,
                   const char *error_label);

/* Writes to its standard input and waits until all is taken. False if it no longer reads. */
bool write_input(struct process *process, const void *bytes, size_t length);

/* Closes its standard input. A second call does nothing. */
void close_input(struct process *process);

/* Waits at most this many milliseconds until it has printed at least this many bytes, or the text.
 * False: it has not, or has ended before it did. */
bool wait_for_length(struct capture *capture, size_t length, DWORD milliseconds);
bool wait_for_text(struct capture *capture, const char *text, DWORD milliseconds);

/* The first place of the text in bytes of any value, or NULL. */
const char *find_text(const char *bytes, size_t length, const char *text);

/* Whether it has printed the text so far. */
bool has_printed(struct capture *capture, const char *text);

/* Waits at most this many milliseconds for its end. True: it has ended, with *status, and
 * everything that it printed has been collected. Processes that it has started end as well. */
bool wait_for_exit(struct process *process, DWORD milliseconds, DWORD *status);

/* Ctrl+Break on Windows, Ctrl+C under Wine, for this process only. False: it could not be sent. */
bool press_ctrl_c(struct process *process);

/* Ends it if it is still running, and the processes that it has started. */
void kill_process(struct process *process);

/* The same, and frees everything that start_process made. Does nothing to an empty *process. */
void end_process(struct process *process);

/* Waits at most this many milliseconds for a line "listening on ADDRESS:PORT", and returns the port
 * of the last one; 0: none came. If the port is not the wanted one, it waits a little for that;
 * wanted 0: any port will do. */
int listening_port(struct process *process, int wanted, DWORD milliseconds);

/* The limit that a server (without --quiet) announces as "at most N clients", or 0. */
int announced_limit(struct process *server);

/* A TCP port of 127.0.0.1 that is not in use at the moment. */
int free_port(void);

/* Whether this is Wine, which differs from Windows in some places that checks must allow for. */
bool running_under_wine(void);

struct measurement {
    unsigned handles;
    unsigned threads;
    unsigned long long memory;   /* private bytes */
    unsigned long long activity; /* grows whenever one of its threads runs: CPU cycles on Windows,
                                    context switches under Wine */
};

/* False: it cannot be measured, for instance because it has ended. */
bool measure(const struct process *process, struct measurement *measurement);

struct resources {
    unsigned threads;
    unsigned long long memory; /* private bytes */
    double cpu_ms;             /* of all threads, since the process began */
};

/* The same for resources, and so cheap that it can be done while a load runs. */
bool measure_resources(const struct process *process, struct resources *resources);

#endif
