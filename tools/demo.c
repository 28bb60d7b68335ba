/*
 * demo.c - lets the server and the client of a chapter talk, and shows what both of them print.
 *
 *     demo.exe FOLDER        for example build\ch21_event_select
 *
 * Exit status: 0 if the server and the client did and ended as they should, else 1.
 */
#include "harness.h"

#include <stdlib.h>

enum { LONG_LINE = 150000, PATIENCE_MS = 10000 };

static void give_up(const char *what, struct process *server, struct process *client)
{
    fflush(stdout);
    fprintf(stderr, "demo: %s\n", what);
    end_process(client);
    end_process(server);
    exit(1);
}

/* Types a line and waits until all of it has come back. */
static bool say(struct process *client, const char *line, size_t length, size_t *said)
{
    *said += length;
    return write_input(client, line, length) &&
           wait_for_length(&client->output, *said, PATIENCE_MS);
}

int main(int argc, char **argv)
{
    static const char *const lines[] = {"hello\n", "asynchronous I/O\n"};
    struct process server = {0}, client = {0};
    char command[400], port[16];
    DWORD status = 1;
    size_t said = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: demo FOLDER\n");
        return 2;
    }
    start_winsock();
    printf("---- %s: a server, and a client that types three lines and Q ----\n", argv[1]);
    fflush(stdout);

    snprintf(port, sizeof port, "%d", free_port());
    snprintf(command, sizeof command, "\"%s\\server.exe\" %s", argv[1], port);
    if (!start_process(&server, command, "server | ", "server ! "))
        fail((int)GetLastError(), "start %s\\server.exe", argv[1]);
    if (listening_port(&server, PATIENCE_MS) == 0)
        give_up("the server does not listen", &server, &client);

    snprintf(command, sizeof command, "\"%s\\client.exe\" 127.0.0.1 %s", argv[1], port);
    if (!start_process(&client, command, "echo   > ", "client | "))
        give_up("the client cannot be started", &server, &client);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!say(&client, lines[i], strlen(lines[i]), &said))
            give_up("the first lines did not come back", &server, &client);
    }
    char *line = malloc(LONG_LINE);
    if (line == NULL)
        give_up("no memory for a long line", &server, &client);
    memset(line, 'a', LONG_LINE);
    line[LONG_LINE - 1] = '\n';
    bool came_back = say(&client, line, LONG_LINE, &said);
    free(line);
    if (!came_back)
        give_up("the long line did not come back", &server, &client);

    write_input(&client, "Q\n", 2);
    if (!wait_for_exit(&client, PATIENCE_MS, &status) || status != 0)
        give_up("the client did not end as it should", &server, &client);
    if (!press_ctrl_c(&server) || !wait_for_exit(&server, PATIENCE_MS, &status) || status != 0)
        give_up("the server did not stop as it should", &server, &client);
    end_process(&client);
    end_process(&server);
    stop_winsock();
    return 0;
}
