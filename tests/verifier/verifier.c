/*
 * verifier.c - a Winsock as strict as its documentation and as unkind as Windows may be. See
 * verifier.h; the parts are included below, in the order in which they use each other.
 */
#define VERIFIER_ITSELF
#include "verifier.h"
#include "real.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef _MSC_VER
#pragma comment(lib, "ws2_32")
#endif

static HANDLE system_port; /* the real operations complete here */
static bool under_wine;    /* which does not distinguish a reset from an end */

#include "report.h"
#include "unkindness.h"
#include "memory.h"
#include "sockets.h"
#include "events.h"
#include "operations.h"
#include "ports.h"
#include "system.h"

static int startups;
static struct place last_startup, last_cleanup;

static bool check_started(const struct place *place)
{
    if (startups == 0 && last_cleanup.file != NULL)
        broken(RULE_STARTUP, place, "comes after the last", &last_cleanup);
    else if (startups == 0)
        broken(RULE_STARTUP, place, "comes before WSAStartup", NULL);
    return startups > 0;
}

static bool may_begin(const struct place *place)
{
    take_lock();
    bool is_started = check_started(place);
    release_lock();
    if (!is_started)
        WSASetLastError(WSANOTINITIALISED);
    return is_started;
}

int verifier_WSAStartup(VERIFIER_AT, WORD version, WSADATA *data)
{
    struct place place = at("WSAStartup", file, line);
    int result = WSAStartup(version, data);
    take_lock();
    startups += result == 0;
    if (result == 0)
        last_startup = place;
    release_lock();
    return result;
}

static void say_which_sockets_are_open(void)
{
    for (int i = 0; i < TABLE_SIZE; i++) {
        for (struct socket_record *socket = socket_table[i]; socket != NULL;
             socket = socket->next) {
            if (socket->open && !socket->stays_open)
                broken(RULE_LEFT_OPEN, &socket->made, "made a socket that is never closed", NULL);
        }
    }
}

/* An event that another thread has also used may stay open, because that thread may still be about
 * to set it. So may one event or port if there is a Ctrl+C handler that might use it. */
static void say_which_handles_are_open(void)
{
    enum { MOST = 100 };
    const struct place *made[MOST];
    int count = 0;

    for (int i = 0; i < TABLE_SIZE; i++) {
        for (struct event_record *event = event_table[i]; event != NULL; event = event->next) {
            if (event->open && !event->shared && count < MOST)
                made[count++] = &event->made;
        }
    }
    for (struct port_record *port = ports; port != NULL; port = port->next) {
        if (port->open && count < MOST)
            made[count++] = &port->made;
    }
    if (count == 1 && has_handler)
        return;
    for (int i = 0; i < count; i++)
        broken(RULE_LEFT_OPEN, made[i], "made an event or a port that is never closed", NULL);
}

static void say_what_is_in_progress(void)
{
    for (struct operation *operation = operations; operation != NULL; operation = operation->next) {
        bool never_ran = operation->stage == NOTIFIED && operation->routine != NULL;
        broken(never_ran ? RULE_ALERTABLE : RULE_LEFT_OPEN, &operation->place,
               operation->stage < NOTIFIED ? "is still in progress at the end"
               : never_ran                 ? "has completed, but its routine never ran"
               : operation->port != NULL
                   ? "has completed, but its packet was never taken"
                   : "has completed, but the program never asked for its result",
               NULL);
    }
}

int verifier_WSACleanup(VERIFIER_AT)
{
    struct place place = at("WSACleanup", file, line);

    take_lock();
    if (startups == 0)
        broken(RULE_STARTUP, &place, "is called more often than WSAStartup", NULL);
    else
        startups--;
    if (startups == 0) {
        last_cleanup = place;
        say_what_is_in_progress();
    }
    release_lock();
    return WSACleanup();
}

static int exit_status = -1; /* of main, or the one that exit was given */

/* The program ends in order. Called by exit after all that the program has registered with
 * atexit. */
static void end_verifier(void)
{
    char line[100];

    if (exit_status == 0) {
        take_lock();
        say_what_is_in_progress();
        say_which_sockets_are_open();
        say_which_handles_are_open();
        if (startups > 0)
            broken(RULE_STARTUP, &last_startup, "was never followed by WSACleanup", NULL);
        release_lock();
    }
    if (rules_broken == 0)
        return;
    snprintf(line, sizeof line, "verifier: %d %s broken\r\n", rules_broken,
             rules_broken == 1 ? "rule" : "rules");
    say(line);
    if (exit_status == 0) {
        fflush(NULL); /* what exit would do after this */
        _exit(3);
    }
}

void verifier_exit(VERIFIER_AT, int status)
{
    at("exit", file, line);
    exit_status = status;
    exit(status);
}

static void start_verifier(void)
{
    thread_slot = TlsAlloc();
    under_wine = GetProcAddress(GetModuleHandleA("ntdll"), "wine_get_version") != NULL;
    choose_kinds();
    start_memory();
    AddVectoredExceptionHandler(1, explain_crash);
    atexit(end_verifier);
    system_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    HANDLE thread = CreateThread(NULL, 0, run_system, NULL, 0, NULL);
    if (system_port == NULL || thread == NULL) {
        say("verifier: the thread that plays the kernel cannot be started\r\n");
        ExitProcess(3);
    }
    CloseHandle(thread);
}

/* The program's main, under its new name: whatever its type is, the arguments do no harm. */
int verified_main();

int main(int argc, char **argv, char **environment)
{
    start_verifier();
    this_thread()->made_by_program = true;
    exit_status = verified_main(argc, argv, environment);
    return exit_status;
}
