/* client_checks.c - what every client promises, against a scripted server in here. See check.h. */
#include "check.h"

#include <stdlib.h>

/* ---- the scripted server ------------------------------------------------------------------- */

enum script {
    ECHO,      /* whatever comes, until the end */
    FRAGMENTS, /* the same, but the first 300 bytes come back one by one */
    LATE,      /* the same, but reads nothing for half a second */
    CUT,       /* sends back half of what comes first, and closes */
    RESET,     /* the same, but with a reset */
    CLOSE,     /* closes at once */
    ECHO_MANY, /* echoes to any number of clients, until the listener is closed */
    SILENT,    /* reads, and never answers */
    WRONG_BYTE /* echoes, but one byte is another one */
};

struct script_server {
    SOCKET listener;
    int port;
    enum script script;
    HANDLE thread;
    volatile LONG clients; /* ECHO_MANY: that are being served */
    volatile LONG bytes;   /* ECHO_MANY: that came from all of them */
};

struct script_client {
    struct script_server *server;
    SOCKET socket;
};

static bool send_fully(SOCKET client, const char *bytes, int length)
{
    while (length > 0) {
        int sent = send(client, bytes, length, 0);
        if (sent == SOCKET_ERROR)
            return false;
        bytes += sent;
        length -= sent;
    }
    return true;
}

static void echo(SOCKET client, int fragments)
{
    static char bytes[16 * 1024];
    const BOOL yes = TRUE;
    int received;

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    while ((received = recv(client, bytes, sizeof bytes, 0)) > 0) {
        int sent = 0;
        for (; sent < received && fragments > 0; fragments--, sent++) {
            if (!send_fully(client, bytes + sent, 1))
                return;
            Sleep(1);
        }
        if (!send_fully(client, bytes + sent, received - sent))
            return;
    }
}

static DWORD WINAPI echo_to_one(void *parameter)
{
    struct script_client *client = parameter;
    char bytes[4 * 1024];
    int received;

    while ((received = recv(client->socket, bytes, sizeof bytes, 0)) > 0 &&
           send_fully(client->socket, bytes, received))
        InterlockedExchangeAdd(&client->server->bytes, received);
    closesocket(client->socket);
    InterlockedDecrement(&client->server->clients);
    free(client);
    return 0;
}

static void echo_to_many(struct script_server *server)
{
    SOCKET socket;
    while ((socket = accept(server->listener, NULL, NULL)) != INVALID_SOCKET) {
        struct script_client *client = malloc(sizeof *client);
        if (client == NULL)
            fail(WSA_NOT_ENOUGH_MEMORY, "a client of the scripted server");
        client->server = server;
        client->socket = socket;
        InterlockedIncrement(&server->clients);
        HANDLE thread = CreateThread(NULL, 64 * 1024, echo_to_one, client,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
        if (thread == NULL)
            fail((int)GetLastError(), "CreateThread");
        CloseHandle(thread);
    }
}

static void spoil_one_byte(SOCKET client)
{
    char bytes[1000];
    int received, position = 0;

    while ((received = recv(client, bytes, sizeof bytes, 0)) > 0) {
        if (position <= 5000 && 5000 < position + received)
            bytes[5000 - position] ^= 1;
        position += received;
        if (!send_fully(client, bytes, received))
            return;
    }
}

static DWORD WINAPI play(void *parameter)
{
    struct script_server *server = parameter;
    char bytes[1000];

    if (server->script == ECHO_MANY) {
        echo_to_many(server);
        return 0;
    }
    SOCKET client = accept(server->listener, NULL, NULL);

    if (client == INVALID_SOCKET)
        return 0;
    switch (server->script) {
    case ECHO:
        echo(client, 0);
        break;
    case FRAGMENTS:
        echo(client, 300);
        break;
    case LATE:
        Sleep(500);
        echo(client, 0);
        break;
    case CUT:
    case RESET: {
        int received = recv(client, bytes, sizeof bytes, 0);
        send_fully(client, bytes, received / 2);
        Sleep(50);
        break;
    }
    case SILENT:
        while (recv(client, bytes, sizeof bytes, 0) > 0)
            continue;
        wait_for_socket(client, READABLE, patience_ms); /* readable, when the client is gone */
        break;
    case WRONG_BYTE:
        spoil_one_byte(client);
        break;
    case ECHO_MANY:
    case CLOSE:
        break;
    }
    if (server->script == RESET) {
        reset_peer(client);
    } else {
        shutdown(client, SD_SEND);
        closesocket(client);
    }
    return 0;
}

static void start_script(struct script_server *server, enum script script)
{
    struct sockaddr_in address;
    int length = sizeof address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->script = script;
    server->clients = 0;
    server->bytes = 0;
    server->listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (server->listener == INVALID_SOCKET ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, SOMAXCONN) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
        fail(WSAGetLastError(), "the scripted server");
    server->port = ntohs(address.sin_port);
    server->thread = CreateThread(NULL, 0, play, server, 0, NULL);
    if (server->thread == NULL)
        fail((int)GetLastError(), "CreateThread");
}

static void stop_script(struct script_server *server)
{
    closesocket(server->listener); /* wakes an accept that nobody came to */
    WaitForSingleObject(server->thread, patience_ms);
    CloseHandle(server->thread);
    for (int i = 0; server->clients > 0 && i < patience_ms / 10; i++)
        Sleep(10);
}

/* ---- a client as a child process ----------------------------------------------------------- */

enum { LONG_RUN_MS = 30000 };

struct expectation {
    const void *output; /* what standard output must be; NULL: anything */
    size_t length;
    DWORD status;
    const char *error; /* must stand on standard error; NULL: that must be empty */
};

struct feed {
    struct process *client;
    const void *bytes;
    size_t length;
};

/* A thread of its own: the pipe takes no more while the client waits for its echo to be read. */
static DWORD WINAPI feed_input(void *parameter)
{
    struct feed *feed = parameter;
    write_input(feed->client, feed->bytes, feed->length);
    close_input(feed->client);
    return 0;
}

static void compare(const struct process *client, DWORD status, const struct expectation *expected)
{
    size_t length = client->output.length;

    if (status != expected->status)
        trouble(FAILED, "the end of main, and each fail()",
                "expected exit status %lu, found %lu, and on standard error \"%.200s\"",
                expected->status, status, client->error.bytes);
    else if (expected->output != NULL && length != expected->length)
        trouble(FAILED, "what is counted when the end comes?",
                "expected %lu bytes on standard output, found %lu", (unsigned long)expected->length,
                (unsigned long)length);
    else if (expected->output != NULL &&
             memcmp(client->output.bytes, expected->output, length) != 0)
        trouble(FAILED, "print_echo, and the mode of standard output",
                "expected the bytes of the input on standard output, found other bytes");
    else if (expected->error == NULL && client->error.length != 0)
        trouble(FAILED, "--quiet", "expected nothing on standard error, found \"%.200s\"",
                client->error.bytes);
    else if (expected->error != NULL && strstr(client->error.bytes, expected->error) == NULL)
        trouble(FAILED, "what fail() is told",
                "expected \"%s\" on standard error, found \"%.200s\"", expected->error,
                client->error.bytes);
}

/* Runs the client with the input. With keep_open its standard input stays open. */
static void run_client(const char *arguments, const void *bytes, size_t length, bool keep_open,
                       const struct expectation *expected)
{
    struct process client;
    char command[500];
    DWORD status = 0;
    HANDLE thread = NULL;

    snprintf(command, sizeof command, "\"%s\" %s", program_path, arguments);
    if (!start_process(&client, command, NULL, NULL)) {
        trouble(NO_CHANCE, "is it built?", "%s cannot be started", program_path);
        return;
    }
    struct feed feed = {&client, bytes, length};
    if (keep_open)
        write_input(&client, bytes, length);
    else
        thread = CreateThread(NULL, 0, feed_input, &feed, 0, NULL);
    if (!wait_for_exit(&client, LONG_RUN_MS, &status))
        trouble(TIMED_OUT, "the end of the input, FD_CLOSE, and the wait between them",
                "the client did not end within %d s; it printed %lu bytes", LONG_RUN_MS / 1000,
                (unsigned long)client.output.length);
    else
        compare(&client, status, expected);
    if (thread != NULL) {
        if (in_trouble())
            TerminateProcess(client.handle, 99); /* ends a write that nobody reads */
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    end_process(&client);
}

static void run_against(enum script script, const void *bytes, size_t length, bool keep_open,
                        const struct expectation *expected)
{
    struct script_server server;
    char arguments[60];

    start_script(&server, script);
    snprintf(arguments, sizeof arguments, "--quiet 127.0.0.1 %d", server.port);
    run_client(arguments, bytes, length, keep_open, expected);
    stop_script(&server);
}

static void expect_echo(enum script script, const void *bytes, size_t length)
{
    struct expectation same = {bytes, length, 0, NULL};
    if (!in_trouble())
        run_against(script, bytes, length, false, &same);
}

/* ---- the checks ---------------------------------------------------------------------------- */

static void text(void)
{
    static const char lines[] = "first\nsecond\r\n\n\n  \nlast\n";
    expect_echo(ECHO, lines, sizeof lines - 1);
}

static void no_last_line_end(void)
{
    expect_echo(ECHO, "one\ntwo", 7);
    expect_echo(ECHO, "x", 1);
    expect_echo(ECHO, "Quit is not Q\nQQ\n Q\nnor is this Q", 33);
}

static void long_line(void)
{
    const size_t size = 1024 * 1024;
    char *line = malloc(size);
    if (line == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "a long line");
    memset(line, 'a', size);
    line[size - 1] = '\n';
    expect_echo(ECHO, line, size);
    free(line);
}

/* More than the connection holds: a send is refused, and must go on where it stopped. */
static void refused_send(void)
{
    char *lines = malloc(PATTERN_SIZE);
    if (lines == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "long lines");
    for (size_t i = 0; i < PATTERN_SIZE; i++)
        lines[i] = (char)(i % 1000000 == 999999 ? '\n' : 'a' + pattern[i] % 26);
    expect_echo(LATE, lines, PATTERN_SIZE);
    free(lines);
}

static void binary(void)
{
    unsigned char all[256 * 4];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)(i % 256);
    expect_echo(ECHO, all, sizeof all);
    expect_echo(ECHO, pattern, 1024 * 1024);
}

static void fragments(void)
{
    expect_echo(FRAGMENTS, pattern, 20000);
}

static void empty_input(void)
{
    expect_echo(ECHO, "", 0);
}

/* After the line Q nothing is sent, whether or not the input goes on. */
static void line_q(void)
{
    struct expectation before_q = {"hello\n", 6, 0, NULL};
    run_against(ECHO, "hello\nQ\nnever sent\n", 19, false, &before_q);
    if (!in_trouble())
        run_against(ECHO, "hello\nQ\r\n", 9, true, &before_q);
}

static void closed_in_mid_reply(void)
{
    struct expectation half = {"12345", 5, 1, "the server closed the connection, 5 of 10 bytes"};
    run_against(CUT, "123456789\n", 10, true, &half);
    if (!in_trouble())
        run_against(CUT, "123456789\n", 10, false, &half);
}

static void reset_in_mid_reply(void)
{
    /* Wine 8 reports a reset as an ordinary end: FD_CLOSE without an error, then recv gives 0. */
    struct expectation reset = {
        NULL, 0, 1, running_under_wine() ? "receive from 127.0.0.1:" : "WSAECONNRESET (10054): "};
    run_against(RESET, "123456789\n", 10, true, &reset);
}

static void closed_at_once(void)
{
    struct expectation nothing = {"", 0, 1, "the server closed the connection, 0 of 0 bytes"};
    run_against(CLOSE, "", 0, true, &nothing);
}

static void nobody_listens(void)
{
    char arguments[60];
    struct expectation refused = {"", 0, 1, "WSAECONNREFUSED (10061): "};
    int port = free_port();

    snprintf(arguments, sizeof arguments, "--quiet 127.0.0.1 %d", port);
    run_client(arguments, "hello\n", 6, false, &refused);
    if (!in_trouble()) { /* every address of the name is tried */
        snprintf(arguments, sizeof arguments, "--quiet localhost %d", port);
        run_client(arguments, "hello\n", 6, false, &refused);
    }
}

/* localhost is ::1 too, where nobody listens. */
static void server_by_name(void)
{
    struct script_server server;
    struct expectation same = {"hello\n", 6, 0, NULL};
    char arguments[60];

    start_script(&server, ECHO);
    snprintf(arguments, sizeof arguments, "--quiet localhost %d", server.port);
    run_client(arguments, "hello\n", 6, false, &same);
    stop_script(&server);
}

static void bad_host(void)
{
    struct expectation unknown = {"", 0, 1, "look up no.such.host.invalid: WSA"};
    run_client("--quiet no.such.host.invalid 9190", "", 0, false, &unknown);
}

static void wrong_arguments(void)
{
    static const char *const wrong[] = {"127.0.0.1 0",    "127.0.0.1 x", "127.0.0.1 65536",
                                        "--loud",         "\"\"",        "127.0.0.1 9190 9191",
                                        "127.0.0.1 \"\"", "--host ::1"};
    struct expectation usage = {"", 0, 2, "usage: "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !in_trouble(); i++)
        run_client(wrong[i], "", 0, false, &usage);
}

/* Without --quiet the narration has standard error, so that the echo is alone on the other. */
static void narration(void)
{
    struct script_server server;
    struct expectation narrated = {"hello\n", 6, 0, "what happened"};
    char arguments[60];

    start_script(&server, ECHO);
    snprintf(arguments, sizeof arguments, "127.0.0.1 %d", server.port);
    run_client(arguments, "hello\n", 6, false, &narrated);
    stop_script(&server);
}

const struct check client_checks[] = {
    {"text with empty lines", text, NULL, NULL},
    {"no last line end, and lines that are not Q", no_last_line_end, NULL, NULL},
    {"a line of 1 MiB", long_line, NULL, NULL},
    {"binary bytes pass unchanged", binary, NULL, NULL},
    {"16 MiB while the server does not read", refused_send, NULL, NULL},
    {"the echo comes in fragments", fragments, NULL, NULL},
    {"empty input", empty_input, NULL, NULL},
    {"the line Q ends it", line_q, NULL, NULL},
    {"narration on standard error", narration, NULL, NULL},
    {"the server closes in mid-reply: status 1, and says so", closed_in_mid_reply, NULL, NULL},
    {"the server resets in mid-reply: status 1, and says so", reset_in_mid_reply, NULL, NULL},
    {"the server closes at once: status 1, and says so", closed_at_once, NULL, NULL},
    {"nobody listens: status 1, WSAECONNREFUSED", nobody_listens, NULL, NULL},
    {"a server by its name", server_by_name, NULL, NULL},
    {"a host that does not exist: status 1", bad_host, NULL, NULL},
    {"wrong arguments: status 2, and the usage", wrong_arguments, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- a client that also makes a load ------------------------------------------------------- */

bool client_makes_load(void)
{
    struct process client;
    char command[400];
    DWORD status;

    snprintf(command, sizeof command, "\"%s\" --help", program_path);
    if (!start_process(&client, command, NULL, NULL))
        return false;
    bool offered = wait_for_exit(&client, patience_ms, &status) &&
                   strstr(client.output.bytes, "--connections") != NULL;
    end_process(&client);
    return offered;
}

/* Runs a load to its end. Standard output must have the text, and standard error error_text
 * (NULL: nothing). Returns the seconds that it took. */
static double run_load(const char *load, const char *host, int port, DWORD expected_status,
                       const char *output_text, const char *error_text)
{
    struct process client;
    char arguments[200], command[600];
    DWORD status = 0;
    double begun = now_ms();

    snprintf(arguments, sizeof arguments, "--quiet %s %s %d", load, host, port);
    snprintf(command, sizeof command, "\"%s\" %s", program_path, arguments);
    if (!start_process(&client, command, NULL, NULL)) {
        trouble(NO_CHANCE, "is it built?", "%s cannot be started", program_path);
        return 0;
    }
    if (!wait_for_exit(&client, LONG_RUN_MS, &status))
        trouble(TIMED_OUT, "what exchange_messages waits for", "the load did not end within %d s",
                LONG_RUN_MS / 1000);
    else if (status != expected_status)
        trouble(FAILED, "what is counted as lost", "expected exit status %lu, found %lu (%.200s)",
                expected_status, status, client.error.bytes);
    else if (strstr(client.output.bytes, output_text) == NULL)
        trouble(FAILED, "what load_received counts", "expected \"%s\", found \"%.200s\"",
                output_text, client.output.bytes);
    else if (error_text == NULL ? client.error.length > 0
                                : strstr(client.error.bytes, error_text) == NULL)
        trouble(FAILED, "what lose() is told",
                "expected \"%s\" on standard error, found \"%.200s\"",
                error_text != NULL ? error_text : "", client.error.bytes);
    end_process(&client);
    return (now_ms() - begun) / 1000;
}

static void load_against(enum script script, const char *load, DWORD status, const char *output,
                         const char *error)
{
    struct script_server server;
    start_script(&server, script);
    run_load(load, "127.0.0.1", server.port, status, output, error);
    stop_script(&server);
}

static void load_of_many(void)
{
    struct script_server server;

    start_script(&server, ECHO_MANY);
    run_load("--connections 300 --messages 5 --size 1000 --depth 4", "127.0.0.1", server.port, 0,
             "300 connections, 1500 messages, 1500000 bytes in ", NULL);
    stop_script(&server);
    if (server.bytes != 1500000)
        trouble(FAILED, "begin_send", "expected 1500000 bytes at the server, found %ld",
                server.bytes);
}

static void load_by_name(void)
{
    struct script_server server;
    start_script(&server, ECHO_MANY);
    run_load("--connections 3 --messages 2", "localhost", server.port, 0,
             "3 connections, 6 messages, 384 bytes in ", NULL);
    stop_script(&server);
}

static void load_for_a_second(void)
{
    struct script_server server;

    start_script(&server, ECHO_MANY);
    double seconds = run_load("--connections 5 --messages 1000000 --depth 2 --seconds 1",
                              "127.0.0.1", server.port, 0, "; 0 lost", NULL);
    stop_script(&server);
    if (seconds < 1 || seconds > 5)
        trouble(FAILED, "no_more_messages", "expected about 1 s, found %.1f s", seconds);
}

static void load_of_wrong_byte(void)
{
    load_against(WRONG_BYTE, "--connections 1 --messages 100 --size 100", 1, " 50 messages, 5000 ",
                 "1 of 1 connections lost; the first: a wrong byte came back from 127.0.0.1:");
}

static void load_cut(void)
{
    load_against(CUT, "--connections 1 --messages 100 --size 100", 1, " 50 bytes in ",
                 "the connection was closed too early by 127.0.0.1:");
}

static void load_without_answer(void)
{
    load_against(SILENT, "--connections 1 --seconds 1", 1, " 0 messages, 0 bytes in ",
                 "1 of 1 connections lost; the first: no answer from 127.0.0.1:");
}

static void load_refused(void)
{
    run_load("--connections 3", "127.0.0.1", free_port(), 1, "0 connections, 0 messages, ",
             "3 of 3 connections lost; the first: connect 127.0.0.1:");
}

static void load_interrupted(void)
{
    struct script_server server;
    struct process client;
    char port[16], command[600];
    DWORD status = 0;

    start_script(&server, ECHO_MANY);
    snprintf(port, sizeof port, "%d", server.port);
    snprintf(command, sizeof command,
             "\"%s\" --quiet --connections 20 --messages 1000000 --seconds 60 127.0.0.1 %s",
             program_path, port);
    if (!start_process(&client, command, NULL, NULL)) {
        trouble(NO_CHANCE, "is it built?", "%s cannot be started", program_path);
    } else {
        for (int i = 0; server.bytes < 64 * 100 && i < patience_ms / 10; i++)
            Sleep(10);
        double begun = now_ms();
        if (!press_ctrl_c(&client))
            trouble(NO_CHANCE, "does this program have a console?", "Ctrl+C could not be sent");
        else if (!wait_for_exit(&client, patience_ms, &status) || now_ms() - begun > 2000)
            trouble(TIMED_OUT, "request_stop", "the load did not end within 2 s after Ctrl+C");
        else if (status != 0 || strstr(client.output.bytes, "\nlatency: ") == NULL ||
                 strstr(client.output.bytes, "; 0 lost") == NULL)
            trouble(FAILED, "interrupted", "expected status 0 and a result, found %lu, \"%.200s\"",
                    status, client.output.bytes);
        end_process(&client);
    }
    stop_script(&server);
}

static void load_wrong_arguments(void)
{
    static const char *const wrong[] = {"--connections",     "--connections 0", "--connections x",
                                        "--connections 1.5", "--messages",      "--size 1000001",
                                        "--depth 65",        "--seconds 0"};
    struct expectation usage = {"", 0, 2, " needs a number from 1 to "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !in_trouble(); i++)
        run_client(wrong[i], "", 0, false, &usage);
}

const struct check load_checks[] = {
    {"load: 300 connections, each byte sent and back", load_of_many, NULL, NULL},
    {"load: --seconds ends it", load_for_a_second, NULL, NULL},
    {"load: a server by its name", load_by_name, NULL, NULL},
    {"load: a wrong byte: status 1, and says so", load_of_wrong_byte, NULL, NULL},
    {"load: the server closes too early: status 1, and says so", load_cut, NULL, NULL},
    {"load: no answer: status 1, and says so", load_without_answer, NULL, NULL},
    {"load: nobody listens: status 1, and says so", load_refused, NULL, NULL},
    {"load: Ctrl+C prints what was measured", load_interrupted, NULL, NULL},
    {"load: wrong arguments: status 2, and the usage", load_wrong_arguments, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
