/*
 * scenario.c - a run that is worth drawing: always the same, for every chapter.
 *
 *     scenario.exe FOLDER [CLIENT_FOLDER]       for example build\ch21_event_select
 *
 * Starts the server of the chapter and two clients, the chapter's or those of another folder, and
 * is a third client itself, one that sends slowly. Leaves FOLDER\server.log, client_a.log and
 * client_b.log, with the places in the source, for timeline.exe and replay.exe. Exit status: 0 if
 * every program ended as it should, otherwise 1; the logs then have what happened until then.
 */
#include "process.h"
#include "utf8.h"

#include <stdlib.h>

enum { PATIENCE_MS = 10000, LONG_LINE = 60000 };

static struct process server, client_a, client_b;

static NORETURN void give_up(const char *what)
{
    end_process(&client_a);
    end_process(&client_b);
    end_process(&server);
    fail(0, "%s", what);
}

/* The next program that is started will write this log. */
static void choose_log(const char *folder, const char *name)
{
    char path[NAME_SIZE];
    wchar_t wide[NAME_SIZE];
    snprintf(path, sizeof path, "%s\\%s", folder, name);
    SetEnvironmentVariableW(L"NARRATION_LOG", wide_text(path, wide, NAME_SIZE));
}

/* Otherwise the log of an earlier run would be taken for this run's if a program does not start. */
static void remove_log(const char *folder, const char *name)
{
    char path[NAME_SIZE];
    wchar_t wide[NAME_SIZE];
    snprintf(path, sizeof path, "%s\\%s", folder, name);
    DeleteFileW(wide_text(path, wide, NAME_SIZE));
}

static void start_client(struct process *client, const char *folder, const char *port)
{
    char command[400];
    snprintf(command, sizeof command, "\"%s\\client.exe\" 127.0.0.1 %s", folder, port);
    if (!start_process(client, command, NULL, NULL)) {
        char text[ERROR_TEXT_SIZE];
        fprintf(stderr, "scenario: start %s\\client.exe: %s\n", folder,
                error_text((int)GetLastError(), text));
        give_up("a client cannot be started");
    }
    if (!wait_for_text(&client->error, "connected to ", PATIENCE_MS))
        give_up("a client did not connect");
}

static SOCKET connect_slow_client(const char *port)
{
    struct sockaddr_in address = {0};
    SOCKET slow = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (slow == INVALID_SOCKET || connect(slow, (struct sockaddr *)&address, sizeof address) != 0) {
        char text[ERROR_TEXT_SIZE];
        fprintf(stderr, "scenario: connect to 127.0.0.1:%s: %s\n", port,
                error_text(WSAGetLastError(), text));
        give_up("the slow client cannot connect");
    }
    DWORD patience = PATIENCE_MS;
    setsockopt(slow, SOL_SOCKET, SO_RCVTIMEO, (const char *)&patience, sizeof patience);
    return slow;
}

/* Sends a word letter by letter, with pauses, and waits for each echo. Returns 0 if all came. */
static DWORD WINAPI talk_slowly(void *parameter)
{
    const SOCKET slow = *(const SOCKET *)parameter;
    static const char word[] = "hey";
    char byte;
    for (size_t i = 0; i < sizeof word - 1; i++) {
        if (send(slow, &word[i], 1, 0) != 1 || recv(slow, &byte, 1, 0) != 1)
            return 1;
        Sleep(8);
    }
    closesocket(slow);
    return 0;
}

static void say(struct process *client, const char *line, size_t length)
{
    size_t so_far = client->output.length;
    if (!write_input(client, line, length) ||
        !wait_for_length(&client->output, so_far + length, PATIENCE_MS))
        give_up("an echo did not come back");
}

static void end_client(struct process *client)
{
    DWORD status = 1;
    write_input(client, "Q\n", 2);
    if (!wait_for_exit(client, PATIENCE_MS, &status) || status != 0)
        give_up("a client did not end as it should");
}

int main(int argc, char **argv)
{
    char command[400], port[16];
    char *bytes = calloc(1, 65536);
    DWORD status = 1;

    use_utf8(&argc, &argv);
    snprintf(program_name, sizeof program_name, "scenario"); /* for fail */
    if (argc < 2 || argc > 3 || bytes == NULL) {
        fprintf(stderr, "usage: scenario FOLDER [CLIENT_FOLDER]\n");
        return 2;
    }
    const char *folder = argv[1], *client_folder = argv[argc - 1];
    start_winsock();
    remove_log(folder, "server.log");
    remove_log(folder, "client_a.log");
    remove_log(folder, "client_b.log");
    memset(bytes, 'a', 65535);
    bytes[LONG_LINE - 1] = '\n';
    snprintf(port, sizeof port, "%d", free_port());
    snprintf(command, sizeof command, "\"%s\\server.exe\" %s", folder, port);
    choose_log(folder, "server.log");
    if (!start_process(&server, command, NULL, NULL))
        fail((int)GetLastError(), "start %s\\server.exe", folder);
    if (listening_port(&server, 0, PATIENCE_MS) == 0)
        give_up("the server does not listen");

    choose_log(folder, "client_a.log");
    start_client(&client_a, client_folder, port);
    choose_log(folder, "client_b.log");
    start_client(&client_b, client_folder, port);
    SOCKET slow = connect_slow_client(port);
    HANDLE slow_thread = CreateThread(NULL, 0, talk_slowly, &slow, 0, NULL);
    if (slow_thread == NULL)
        give_up("a thread for the slow client cannot be started");
    say(&client_a, "hello\n", 6); /* these two are served meanwhile */
    say(&client_b, bytes, LONG_LINE);
    say(&client_a, "asynchronous\n", 13);
    WaitForSingleObject(slow_thread, INFINITE);
    if (!GetExitCodeThread(slow_thread, &status) || status != 0)
        give_up("the slow client got no echo");
    CloseHandle(slow_thread);
    end_client(&client_a);
    end_client(&client_b);
    Sleep(50); /* so that the server learns that they are gone */
    if (!press_ctrl_c(&server) || !wait_for_exit(&server, PATIENCE_MS, &status) || status != 0)
        give_up("the server did not stop as it should");
    end_process(&client_a);
    end_process(&client_b);
    end_process(&server);
    free(bytes);
    stop_winsock();
    return 0;
}
