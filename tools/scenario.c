/*
 * scenario.c - a run that is worth drawing: always the same, for every chapter.
 *
 *     scenario.exe FOLDER         for example build\ch21_event_select
 *
 * Starts the server and two clients of the chapter, and is a third client itself, which speaks
 * slowly. Leaves FOLDER\server.log, client_a.log and client_b.log for timeline.exe. Exit status: 0
 * if every program ended as it should, else 1.
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

static void start_client(struct process *client, const char *folder, const char *port)
{
    char command[400];
    snprintf(command, sizeof command, "\"%s\\client.exe\" 127.0.0.1 %s", folder, port);
    if (!start_process(client, command, NULL, NULL))
        fail((int)GetLastError(), "start %s\\client.exe", folder);
    if (!wait_for_text(&client->error, "connected to ", PATIENCE_MS))
        give_up("a client does not connect");
}

static SOCKET connect_slow_client(const char *port)
{
    struct sockaddr_in address = {0};
    SOCKET slow = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (slow == INVALID_SOCKET || connect(slow, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("the slow client cannot connect");
    return slow;
}

/* Says a word letter by letter, with pauses, and waits for the echo. */
static DWORD WINAPI talk_slowly(void *parameter)
{
    const SOCKET slow = *(const SOCKET *)parameter;
    static const char word[] = "hey";
    char byte;
    for (size_t i = 0; i < sizeof word - 1; i++) {
        if (send(slow, &word[i], 1, 0) != 1 || recv(slow, &byte, 1, 0) != 1)
            give_up("the slow client gets no echo");
        Sleep(8);
    }
    closesocket(slow);
    return 0;
}

static void save(const char *folder, const char *name, const struct capture *capture)
{
    char path[400];
    snprintf(path, sizeof path, "%s\\%s", folder, name);
    FILE *file = open_file(path, "wb");
    if (file == NULL || fwrite(capture->bytes, 1, capture->length, file) != capture->length ||
        fclose(file) != 0)
        give_up("a log cannot be written");
}

static void say(struct process *client, const char *line, size_t length)
{
    size_t so_far = client->output.length;
    if (!write_input(client, line, length) ||
        !wait_for_length(&client->output, so_far + length, PATIENCE_MS))
        give_up("an echo does not come back");
}

static void end_client(struct process *client)
{
    DWORD status = 1;
    write_input(client, "Q\n", 2);
    if (!wait_for_exit(client, PATIENCE_MS, &status) || status != 0)
        give_up("a client does not end as it should");
}

int main(int argc, char **argv)
{
    char command[400], port[16];
    char *bytes = calloc(1, 65536);
    DWORD status = 1;

    use_utf8(&argc, &argv);
    snprintf(program_name, sizeof program_name, "scenario"); /* for fail */
    if (argc != 2 || bytes == NULL) {
        fprintf(stderr, "usage: scenario FOLDER\n");
        return 2;
    }
    start_winsock();
    memset(bytes, 'a', 65535);
    bytes[LONG_LINE - 1] = '\n';
    snprintf(port, sizeof port, "%d", free_port());
    snprintf(command, sizeof command, "\"%s\\server.exe\" %s", argv[1], port);
    if (!start_process(&server, command, NULL, NULL))
        fail((int)GetLastError(), "start %s\\server.exe", argv[1]);
    if (listening_port(&server, 0, PATIENCE_MS) == 0)
        give_up("the server does not listen");

    start_client(&client_a, argv[1], port);
    start_client(&client_b, argv[1], port);
    SOCKET slow = connect_slow_client(port);
    HANDLE slow_thread = CreateThread(NULL, 0, talk_slowly, &slow, 0, NULL);
    if (slow_thread == NULL)
        give_up("no thread for the slow client");
    say(&client_a, "hello\n", 6); /* these two are served meanwhile */
    say(&client_b, bytes, LONG_LINE);
    say(&client_a, "asynchronous\n", 13);
    WaitForSingleObject(slow_thread, INFINITE);
    CloseHandle(slow_thread);
    end_client(&client_a);
    end_client(&client_b);
    Sleep(50); /* the server learns that they are gone */
    if (!press_ctrl_c(&server) || !wait_for_exit(&server, PATIENCE_MS, &status) || status != 0)
        give_up("the server does not stop as it should");
    save(argv[1], "server.log", &server.output);
    save(argv[1], "client_a.log", &client_a.error);
    save(argv[1], "client_b.log", &client_b.error);
    end_process(&client_a);
    end_process(&client_b);
    end_process(&server);
    free(bytes);
    stop_winsock();
    return 0;
}
