/* scripted_server.h - a server inside the checks, which does to clients what a script says. */
#ifndef SCRIPTED_SERVER_H
#define SCRIPTED_SERVER_H

#include "report.h"

enum script {
    ECHO,      /* whatever comes, until the end */
    FRAGMENTS, /* the same, but the first 300 bytes come back one at a time */
    LATE,      /* the same, but reads nothing for half a second */
    CUT,       /* sends back half of what comes before a pause, and closes */
    RESET,     /* the same, but with a reset */
    CLOSE,     /* closes immediately */
    ECHO_MANY, /* echoes to any number of clients, until the listener is closed */
    SILENT,    /* reads, and never answers */
    WRONG_BYTE /* echoes, but one byte is wrong */
};

struct script_server {
    SOCKET listener;
    int port; /* of 127.0.0.1 */
    enum script script;
    HANDLE thread;
    volatile LONG clients; /* ECHO_MANY: how many are being served */
    volatile LONG bytes;   /* ECHO_MANY: how many came from all of them */
};

/* Starts to play the script on a free port. The caller ends it with stop_script. */
void start_script(struct script_server *server, enum script script);

/* Waits until the clients have gone, but not forever. */
void stop_script(struct script_server *server);

#endif
